import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import {
  type Descriptor,
  isAbsent,
  isDocumentType,
  isIndexType,
  isJsonObject,
  type JsonObject,
  OCI_INDEX,
  OCI_MANIFEST,
  parseDescriptor,
} from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import type { ArchiveBlob, DocumentNode, IndexEntry, ManifestNode } from "./content.ts";
import type { ArchiveFile } from "./files.ts";

/** A manifest or index as it was found in an archive or a registry; its digest was checked. */
export interface FoundDocument {
  digest: Digest;
  /** What its descriptor or the registry says it is; what it says of itself goes first. */
  mediaType: string;
  bytes: Bytes;
  json: JsonObject;
  /** Makes the error for what is wrong with it: a sentence that begins with "it". */
  malformed: MakeMalformed;
}

/** Makes the error for a document that is JSON but not what it should be. */
export type MakeMalformed = (problem: string, cause?: unknown) => Error;

/** Indexes below indexes: real ones have one or two. */
export const MAX_INDEX_DEPTH = 8;
/** Bytes of all manifests and indexes of one archive or image: they are all held. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
/** Entries of one index. */
export const MAX_ENTRIES = 10_000;
/** Layers of one manifest. */
export const MAX_BLOBS = 10_000;
/** RFC 6838, section 4.2; it becomes a header, and is shown. */
const MEDIA_TYPE =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
/** The content `{}` (image-spec, manifest.md, "Guidance for an Empty Descriptor"), which some writers leave out. */
export const EMPTY_JSON: Digest =
  "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/**
 * Parses a manifest or an index.
 *
 * @returns The manifest with its blobs, or the index with its entries, whose nodes are left to the caller.
 */
export function parseDocument(
  document: FoundDocument,
  toBlob: (descriptor: Descriptor) => ArchiveBlob,
): DocumentNode {
  const { digest, bytes, json, malformed } = document;
  const mediaType = typeOf(document);
  const common = { digest, mediaType, bytes, ...subjectOf(json, malformed) };
  if (isIndexType(mediaType)) {
    return { kind: "index", ...common, entries: parseEntries(json, malformed, toBlob) };
  }
  const node: ManifestNode = {
    kind: "manifest",
    ...common,
    layers: parseManifestLayers(json, malformed, toBlob),
  };
  if (!isAbsent(json.config)) {
    node.config = toBlob(descriptorOf(json.config, malformed));
  }
  if (typeof json.artifactType === "string") node.artifactType = json.artifactType;
  return node;
}

/** Parses the entries of an index; the nodes of those that name one are left to the caller. */
export function parseEntries(
  index: JsonObject,
  malformed: MakeMalformed,
  toBlob: (descriptor: Descriptor) => ArchiveBlob,
): IndexEntry[] {
  // dockerd has written null for an empty list (moby issue 47210).
  const list = index.manifests ?? [];
  if (!Array.isArray(list)) throw malformed(`its member "manifests" is not a list`);
  if (list.length > MAX_ENTRIES) throw malformed(`it has more than ${MAX_ENTRIES} entries`);
  return list.map((raw) => {
    const descriptor = descriptorOf(raw, malformed);
    return isDocumentType(descriptor.mediaType)
      ? { descriptor, raw }
      : { descriptor, raw, blob: toBlob(descriptor) };
  });
}

/** The content of the empty descriptor, wherever it is needed; undefined for any other. */
export function emptyContent(digest: Digest): ArchiveFile | undefined {
  if (digest !== EMPTY_JSON) return undefined;
  const bytes = new TextEncoder().encode("{}");
  const read = () => Promise.resolve(bytes);
  return { path: "{}", size: bytes.length, body: new Blob([bytes]), peek: read, bytes: read };
}

/** overlaybd asks a registry for the digest that is in its layers' annotations, not for that of the descriptor. */
function parseManifestLayers(
  json: JsonObject,
  malformed: MakeMalformed,
  toBlob: (descriptor: Descriptor) => ArchiveBlob,
): ArchiveBlob[] {
  const layers = parseLayers(json, malformed);
  const named = new Set(
    [json, ...layers].flatMap(({ annotations }) =>
      isJsonObject(annotations) ? Object.values(annotations) : []
    ),
  );
  return layers.map((layer) => {
    const blob = toBlob(layer);
    return named.has(layer.digest) ? { ...blob, isPinned: true } : blob;
  });
}

function parseLayers(json: JsonObject, malformed: MakeMalformed): Descriptor[] {
  // containerd writes null for an image without layers; the artifact manifest of an early spec says blobs.
  const list = json.layers ?? json.blobs ?? [];
  if (!Array.isArray(list)) throw malformed(`its member "layers" is not a list`);
  if (list.length > MAX_BLOBS) {
    throw malformed(`it has ${list.length} layers, expected at most ${MAX_BLOBS}`);
  }
  return list.map((layer) => descriptorOf(layer, malformed));
}

/** The type of a document, from what it says of itself, else from its descriptor, else from what it holds. */
export function typeOf(
  { json, mediaType, malformed }: Pick<FoundDocument, "json" | "mediaType" | "malformed">,
): string {
  if (json.schemaVersion === 1) {
    throw malformed("it is a manifest of Docker's schema 1, which registries do not take any more");
  }
  const isIndex = Array.isArray(json.manifests);
  if (isIndex && (json.layers !== undefined || json.config !== undefined)) {
    throw malformed(
      "it has the members of an index and those of a manifest, expected one of the two",
    );
  }
  const said = typeof json.mediaType === "string" && json.mediaType ? json.mediaType : mediaType;
  const type = said || (isIndex ? OCI_INDEX : OCI_MANIFEST);
  if (!MEDIA_TYPE.test(type)) {
    throw malformed(`its media type is ${quoteName(type)}, expected one such as ${OCI_MANIFEST}`);
  }
  if (isIndex !== isIndexType(type)) {
    // Only an index may lack its list: dockerd has written null.
    if (!(isIndexType(type) && json.layers === undefined && json.config === undefined)) {
      throw malformed(`its media type is ${quoteName(type)}, which does not fit its content`);
    }
  }
  return type;
}

function subjectOf(json: JsonObject, malformed: MakeMalformed): { subject?: Descriptor } {
  return isJsonObject(json.subject) ? { subject: descriptorOf(json.subject, malformed) } : {};
}

function descriptorOf(value: unknown, malformed: MakeMalformed): Descriptor {
  try {
    return parseDescriptor(value);
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : "a descriptor is malformed", cause);
  }
}
