import { PushError, RegistryError } from "../errors.ts";
import { type ContentNode, type IndexNode, type ManifestNode, walk } from "../image/content.ts";
import {
  buildManifest,
  kindOfType,
  type ManifestKind,
  needsOci,
  retype,
} from "../image/docker_manifest.ts";
import { isJsonObject } from "../media_types.ts";
import type { Reference } from "../reference.ts";
import { type PushWords, refuseOtherDigest } from "./content.ts";
import { answerOf, refusesType } from "./refusals.ts";
import type { RegistryState } from "./repository_state.ts";

/** What the caller wants of manifests that a push writes itself. */
export type ManifestType = "auto" | "docker" | "oci";

/** What a push writes under a reference, and in which kinds it may be written. */
export interface RootChoice {
  node: ContentNode;
  /** Best first; none where the manifest is not ours: that keeps its bytes. */
  kinds: readonly ManifestKind[];
}

const NAMES: Readonly<Record<ManifestKind, string>> = { docker: "Docker", oci: "OCI" };

/** What decides about kinds beside the image. */
export interface KindSettings {
  manifestType: ManifestType;
  words: PushWords;
}

/** How to come to a manifest of the other kind. */
const CONVERT: Readonly<Record<ManifestKind, string>> = {
  docker: "convert it, which changes its digest (skopeo copy --format oci), " +
    'or have the registry take Docker\'s types (zot: "compat": ["docker2s2"])',
  oci: "convert it, which changes its digest (skopeo copy --format v2s2), " +
    "or use a registry that takes OCI manifests",
};

/**
 * Decides in which kinds the manifest of a node may be written. A digest in the reference decides as well.
 *
 * @param node What is pushed; its digests were settled.
 * @param found What the archive has for it: other than that is an index that was made for this push.
 * @param reference Where to.
 * @param registry What is known of the registry.
 * @param settings What the caller wants.
 * @returns The choice.
 * @throws {DigestMismatchError} If the reference has a digest that the manifest has in no kind.
 * @throws {PushError} If the kind that is wanted cannot say it.
 */
export async function chooseKinds(
  node: ContentNode,
  found: ContentNode,
  reference: Reference,
  registry: RegistryState,
  { manifestType, words }: KindSettings,
): Promise<RootChoice> {
  const kinds = kindsOf(node, found, manifestType, registry);
  if (!reference.digest) return { node, kinds };
  const drafts = await draftsOf({ node, kinds });
  const at = drafts.findIndex(({ digest }) => digest === reference.digest);
  if (at < 0 && drafts[0]) refuseOtherDigest(drafts[0].digest, reference, words);
  return { node, kinds: kinds.slice(at, at + 1) };
}

/**
 * The kinds that the manifest of a node may be written in, the best first: what the caller wants, else what the registry
 * is known to take, else Docker's types with OCI's to fall back on. zstd can be said in OCI's alone.
 *
 * @returns None where the manifest is not ours.
 */
function kindsOf(
  node: ContentNode,
  found: ContentNode,
  manifestType: ManifestType,
  { manifestKind }: RegistryState,
): ManifestKind[] {
  if (node.kind !== "docker" && isBelow(found, node)) return [];
  const onlyOci = node.kind === "docker" && needsOci(node);
  if (onlyOci && manifestType === "docker") {
    throw new PushError(
      "Cannot write a Docker manifest: a layer is compressed with zstd, which only OCI's types can say",
      { step: "plan", origin: "archive", hint: "leave out --manifest-type, or make it oci" },
    );
  }
  if (manifestType !== "auto") return [manifestType];
  if (onlyOci) return ["oci"];
  if (manifestKind) return [manifestKind];
  const first = node.kind === "docker" ? "docker" : kindOfType(node.mediaType);
  return first === "docker" ? ["docker", "oci"] : ["oci", "docker"];
}

function isBelow(found: ContentNode, node: ManifestNode | IndexNode): boolean {
  return found === node || (found.kind === "index" && walk(found).includes(node));
}

/** What may be written for a node, the best first; its digests were settled. */
export async function draftsOf(
  { node, kinds }: RootChoice,
): Promise<(ManifestNode | IndexNode)[]> {
  const draft = node.kind === "docker"
    ? await buildManifest(node, node.layers.flatMap(({ digest }) => digest ?? []))
    : node;
  return kinds.length === 0 ? [draft] : await Promise.all(kinds.map((kind) => retype(draft, kind)));
}

/** What to tell of a wish that is not met, as a manifest that is not ours keeps its bytes; undefined where it is. */
export function noticeOfKept(
  { node, kinds }: RootChoice,
  name: string,
  { manifestType, words }: KindSettings,
): string | undefined {
  if (kinds.length > 0 || node.kind === "docker" || manifestType === "auto") return undefined;
  const kind = kindOfType(node.mediaType);
  if (kind === manifestType) return undefined;
  return `${name}: the ${words.place}'s own manifest is ${NAMES[kind]}'s and keeps its bytes, ` +
    `although ${NAMES[manifestType]}'s types were asked for`;
}

/** What to tell of a registry that refused one kind and gets the other. */
export function fallbackNotice(
  refusal: RegistryError,
  refused: ManifestKind,
  { digest, mediaType }: ManifestNode | IndexNode,
): string {
  const host = new URL(refusal.url).host;
  return `${host} takes no ${NAMES[refused]} manifest (it answered ${refusal.status}): ` +
    `${digest} is written instead, with the same content and ${
      NAMES[kindOfType(mediaType)]
    }'s types`;
}

/**
 * Says what it means that a registry refused a manifest for its type, and what to do.
 *
 * @param error Whatever went wrong.
 * @param choice What was pushed.
 * @param registry What is known of the registry.
 * @param name The reference.
 * @param settings What the caller wanted.
 * @returns The error to throw: `error` itself where it is none of that.
 */
export function explainRefusedType(
  error: unknown,
  { node, kinds }: RootChoice,
  { manifestKind }: RegistryState,
  name: string,
  { manifestType, words }: KindSettings,
): unknown {
  const how = refusesType(error);
  // Where both kinds were refused, it is for something else.
  if (!how || kinds.length > 1 || !(error instanceof RegistryError)) return error;
  const below = node.kind === "docker" ? [] : walk(node);
  // What was refused under a tag stands above all others.
  const own = below.find(({ digest }) => error.url.endsWith(`/${digest}`)) ?? below.at(-1);
  const kind = kinds[0] ?? (own && kindOfType(own.mediaType));
  if (!kind) return error;
  const isSure = how === "surely" || (manifestKind !== undefined && manifestKind !== kind);
  const why = kinds.length === 0
    ? `the ${words.place}'s own manifest is ${NAMES[kind]}'s and keeps its bytes`
    : manifestType !== "auto"
    ? `${NAMES[kind]}'s types were asked for`
    : `its content or its digest wants ${NAMES[kind]}'s types`;
  const only = `${NAMES[kind === "docker" ? "oci" : "docker"]} manifests only, and ${why}`;
  const { method, url, status, errors, message } = error;
  const hint = kinds.length === 0 ? CONVERT[kind] : "try it without --manifest-type";
  const answer = { method, url, status, errors, cause: error };
  if (isSure) {
    const text = `Cannot ${words.verb} ${name}: the registry takes ${only}: ${answerOf(error)}`;
    return new RegistryError(text, { ...answer, hint });
  }
  const guess = own && lacksType(own)
    ? "the manifest does not say its own media type, which some registries want, and keeps its bytes"
    : `the registry may take ${only}: ${hint}`;
  return new RegistryError(message, { ...answer, hint: error.hint ?? guess });
}

/** Whether a document leaves its media type to its descriptor, as OCI allows. */
function lacksType({ bytes }: ManifestNode | IndexNode): boolean {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  return isJsonObject(json) && json.mediaType === undefined;
}
