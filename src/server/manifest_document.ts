import { MAX_JSON_DEPTH, readJson } from "../json_depth.ts";
import {
  type Descriptor,
  foreignMember,
  isAbsent,
  isIndexType,
  isJsonObject,
  type JsonObject,
  MANIFEST_TYPES,
  parseDescriptor,
} from "../media_types.ts";
import { misfitOf } from "../member_kinds.ts";
import { Problem } from "./problem.ts";

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** What the registry must know of a manifest or index. */
export interface ManifestDocument {
  /** Its media type, one of {@linkcode MANIFEST_TYPES}. */
  mediaType: string;
  /** Config and layers. */
  blobs: Descriptor[];
  /** Manifests that an index lists. */
  children: Descriptor[];
  /** The manifest that it refers to. */
  subject: Descriptor | undefined;
  /** Its type in a list of referrers: the artifact type, else the config's media type. */
  artifactType: string | undefined;
  annotations: JsonObject | undefined;
}

/**
 * Reads and checks a manifest.
 *
 * @param contentType The header Content-Type under which it came, if any; parameters are ignored.
 * @throws {Problem} 400 where it is none, or where header and content disagree.
 */
export function parseManifestDocument(
  bytes: Uint8Array,
  contentType: string | null,
): ManifestDocument {
  const json = parseJson(bytes);
  const mediaType = chooseMediaType(json, contentType);
  checkShape(json, mediaType, bytes);
  const config = isAbsent(json.config) ? [] : descriptors([json.config], "config");
  const blobs = [...config, ...descriptors(json.layers, "layers")];
  const children = descriptors(json.manifests, "manifests");
  const [subject] = isAbsent(json.subject) ? [] : descriptors([json.subject], "subject");
  const artifactType = typeof json.artifactType === "string" ? json.artifactType : "";
  const annotations = isJsonObject(json.annotations) ? json.annotations : undefined;
  return {
    mediaType,
    blobs,
    children,
    subject,
    artifactType: artifactType || config[0]?.mediaType || undefined,
    annotations,
  };
}

function parseJson(bytes: Uint8Array): JsonObject {
  // JSON has none (RFC 8259, 8.1): what programs in Go do not read is refused.
  if (BYTE_ORDER_MARK.every((byte, at) => byte === bytes[at])) {
    throw invalid("it begins with a byte order mark");
  }
  const read = readJson(bytes);
  if (!("json" in read)) {
    if (read.isDeep) throw invalid(`it nests more than ${MAX_JSON_DEPTH} levels deep`);
    throw invalid("it is not JSON in UTF-8", { cause: read.cause });
  }
  if (isJsonObject(read.json)) return read.json;
  throw invalid("it is not a JSON object");
}

function chooseMediaType(json: JsonObject, contentType: string | null): string {
  const sent = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  // Go reads a null as an empty text, and distribution takes that as none.
  const mediaType = json.mediaType === "" ? sent : json.mediaType ?? sent;
  if (typeof mediaType !== "string") throw invalid("its mediaType is not a string");
  if (sent && mediaType !== sent) {
    throw invalid(
      `its mediaType is ${quote(mediaType)}, the header Content-Type says ${quote(sent)}`,
    );
  }
  if (MANIFEST_TYPES.includes(mediaType)) return mediaType;
  throw invalid(
    `its media type is ${quote(mediaType)}, expected one of ${MANIFEST_TYPES.join(", ")}`,
  );
}

function checkShape(json: JsonObject, mediaType: string, bytes: Uint8Array): void {
  if (json.schemaVersion !== 2) throw invalid("its schemaVersion is not 2");
  const needed = isIndexType(mediaType) ? "manifests" : "config";
  // dockerd has written null for an empty list of manifests (moby issue 47210).
  const isMissing = needed === "config" ? isAbsent(json.config) : json.manifests === undefined;
  if (isMissing) throw invalid(`it has no ${needed}, as ${mediaType} must`);
  const extra = foreignMember(json, mediaType);
  if (extra) throw invalid(`it has ${extra}, as ${mediaType} must not`);
  const misfit = misfitOf(json, bytes);
  if (misfit) throw invalid(misfit);
}

/** Go writes an empty list as null, so null is one. */
function descriptors(value: unknown, member: string): Descriptor[] {
  if (isAbsent(value)) return [];
  if (!Array.isArray(value)) throw invalid(`its ${member} is not a list`);
  try {
    return value.map(parseDescriptor);
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "a descriptor is broken";
    throw invalid(`${member}: ${reason}`, { cause });
  }
}

function invalid(state: string, options: ErrorOptions = {}): Problem {
  const message = `the manifest cannot be taken: ${state}`;
  return new Problem(400, { code: "MANIFEST_INVALID", message }, options);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
