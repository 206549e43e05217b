import { hasCode, type RegistryError, restate } from "../errors.ts";
import { blobsOf, type ContentNode, type DocumentNode, walk } from "../image/content.ts";
import { faultOf } from "../image/document_fault.ts";
import { needsOci } from "../image/docker_manifest.ts";
import { kindOfType, type ManifestKind } from "../image/retype.ts";
import { isForeignLayer, OCI_ARTIFACT, readJsonObject } from "../media_types.ts";
import { KIND_NAMES, type RootChoice } from "./manifest_kind.ts";
import { answerOf, refusedPart, refusesChange, refusesType } from "./refusals.ts";
import { placeManifest } from "./place_manifest.ts";
import type { RegistryState, RepositoryState } from "./repository_state.ts";
import { type PushSettings, warn } from "./upload_settings.ts";

/** How to come to a manifest of the other kind. */
const CONVERT: Readonly<Record<ManifestKind, string>> = {
  docker: "convert it, which changes its digest (skopeo copy --format oci), " +
    'or have the registry take Docker\'s types (zot: "compat": ["docker2s2"])',
  oci: "convert it, which changes its digest (skopeo copy --format v2s2), " +
    "or use a registry that takes OCI manifests",
};

/** Docker's types cannot say it. */
const ZSTD_HINT =
  "a layer is compressed with zstd, which wants OCI's types: compress with gzip, or use a registry that takes OCI manifests";

/** How distribution before 2.3 refuses a manifest that carries no signature, as those of Docker's first schema did. */
const UNSIGNED = "MANIFEST_UNVERIFIED";
const FIRST_SCHEMA_HINT =
  "the registry takes signed manifests of Docker's first schema, as distribution did before 2.3: use a newer one";

const DROPPED_HINT =
  "OCI dropped this type of manifest before image-spec 1.1, and few registries take it: " +
  "have what signs or describes the image made anew";

/** What distribution says where the URLs of a layer are not let pass, and it lacks the layer besides. */
const FOREIGN_CODES = new Set(["UNKNOWN", "MANIFEST_BLOB_UNKNOWN"]);

/**
 * Writes a manifest in the kind that the registry takes, after it has refused the other, and remembers it.
 *
 * @param other The same in the other kind.
 */
export async function placeOther(
  target: RepositoryState,
  refused: DocumentNode,
  other: DocumentNode,
  refusal: RegistryError,
  settings: PushSettings,
): Promise<void> {
  try {
    await placeManifest(target, other, settings);
  } catch (error) {
    // It is not for the type, then: what was said first is to the point.
    throw refusesType(error) ? refusal : error;
  }
  target.registry.manifestKind = kindOfType(other.mediaType);
  const message = fallbackNotice(refusal, kindOfType(refused.mediaType), other);
  await warn(settings, message);
}

/** What to tell of a registry that refused one kind and gets the other. */
function fallbackNotice(
  refusal: RegistryError,
  refused: ManifestKind,
  { digest, mediaType }: DocumentNode,
): string {
  const host = new URL(refusal.url).host;
  return `${host} takes no ${KIND_NAMES[refused]} manifest (it answered ${refusal.status}): ` +
    `${digest} is written instead, with the same content and ${
      KIND_NAMES[kindOfType(mediaType)]
    }'s types`;
}

/**
 * Says what it means that a registry refused a manifest, and what to do: for its type, or for layers that are not to be
 * distributed.
 *
 * @returns The error to throw: `error` itself where it is none of that.
 */
export function explainRefusal(
  error: RegistryError,
  choice: RootChoice,
  registry: RegistryState,
  name: string,
  settings: PushSettings,
): RegistryError {
  if (hasCode(error, UNSIGNED)) return restate(error, error.message, { hint: FIRST_SCHEMA_HINT });
  return explainLayers(explainType(error, choice, registry, name, settings), choice.node);
}

function explainType(
  error: RegistryError,
  { node, kinds }: RootChoice,
  { manifestKind }: RegistryState,
  name: string,
  { manifestType, words }: PushSettings,
): RegistryError {
  const part = refusedPart(error);
  if (part) return restate(error, error.message, { hint: `${PART_HINT}: ${part} is none of them` });
  const how = refusesType(error);
  const below = node.kind === "docker" ? [] : walk(node);
  // What was refused under a tag stands above all others.
  const own = below.find(({ digest }) => error.url.endsWith(`/${digest}`)) ?? below.at(-1);
  if (how && own?.mediaType === OCI_ARTIFACT) {
    return restate(error, error.message, { hint: DROPPED_HINT });
  }
  const fault = own && mayBeFault(error) &&
    faultOf(readJsonObject(own.bytes) ?? {}, own.mediaType, own.bytes);
  if (fault) {
    const hint = `manifest ${own.digest} of the ${words.place} is malformed: ${fault}`;
    return restate(error, error.message, { hint });
  }
  const ownKind = own && kindOfType(own.mediaType);
  // What an index names has the kind that the archive gave it, whatever the index is written in.
  const isBelow = own !== undefined && own !== node;
  const isKept = kinds.length === 0 ||
    (isBelow && (kinds.length > 1 || !kinds.some((kind) => kind === ownKind)));
  const kind = isKept ? ownKind : kinds[0];
  // Where both kinds were refused, it is for something else.
  if (!how || !kind || (!isKept && kinds.length > 1)) return error;
  const isSure = how === "surely" || (manifestKind !== undefined && manifestKind !== kind);
  const why = kinds.length === 0
    ? `the ${words.place}'s own manifest is ${KIND_NAMES[kind]}'s and keeps its bytes`
    : isKept
    ? `a manifest below the index is ${KIND_NAMES[kind]}'s and stays so`
    : manifestType !== "auto"
    ? `${KIND_NAMES[kind]}'s types were asked for`
    : `its content or its digest wants ${KIND_NAMES[kind]}'s types`;
  const only = `${KIND_NAMES[kind === "docker" ? "oci" : "docker"]} manifests only, and ${why}`;
  const isZstd = kinds.length > 0 &&
    (node.kind === "docker" ? needsOci(node) : own?.kind === "manifest" && needsOci(own));
  const hint = isZstd
    ? ZSTD_HINT
    : isKept
    ? CONVERT[kind]
    : manifestType !== "auto"
    ? "try it without --manifest-type"
    : "try it without the digest";
  if (isSure) {
    const text = `Cannot ${words.verb} ${name}: the registry takes ${only}: ${answerOf(error)}`;
    return restate(error, text, { hint });
  }
  const guess = own && lacksType(own)
    ? "the manifest does not say its own media type, which some registries want, and keeps its bytes"
    : `the registry may take ${only}: ${hint}`;
  return restate(error, error.message, { hint: error.hint ?? guess });
}

const PART_HINT = "the registry takes configs, layers and artifacts of the types that it knows";

/** Statuses for what is wrong with a manifest: distribution 2.8 and 3 answer 500 where its schemaVersion is missing. */
const FAULT_STATUS = new Set([400, 415, 422, 500]);

/**
 * Whether a registry may have refused a manifest for what is wrong with it; distribution calls a blob unknown where it names
 * no config.
 */
function mayBeFault(error: RegistryError): boolean {
  const { method, url, status } = error;
  return method === "PUT" && url.includes("/manifests/") && FAULT_STATUS.has(status) &&
    !refusesChange(error);
}

/** Whether a document leaves its media type to its descriptor, as OCI allows. */
function lacksType({ bytes }: DocumentNode): boolean {
  return readJsonObject(bytes)?.mediaType === undefined;
}

/**
 * Says what it may mean that a registry refused the manifest of an image with layers that are not to be distributed,
 * such as the base of Windows: distribution as it comes takes none.
 */
function explainLayers(error: RegistryError, node: ContentNode): RegistryError {
  const { method, url, errors, hint } = error;
  if (hint !== undefined || method !== "PUT" || !url.includes("/manifests/")) return error;
  if (!errors.some(({ code }) => FOREIGN_CODES.has(code))) return error;
  const layer = blobsOf(node).find(({ mediaType }) => isForeignLayer(mediaType));
  if (!layer) return error;
  return restate(error, error.message, {
    hint:
      `its layer ${layer.digest} is not to be distributed but fetched from where its urls lead, which ` +
      "distribution takes where validation.manifests.urls.allow of its configuration has them",
  });
}
