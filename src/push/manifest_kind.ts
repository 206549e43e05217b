import type { Digest } from "../digest.ts";
import { DigestMismatchError, PushError } from "../errors.ts";
import { type ContentNode, type DocumentNode, walk } from "../image/content.ts";
import { buildManifest, needsOci } from "../image/docker_manifest.ts";
import { kindOfType, type ManifestKind, retype } from "../image/retype.ts";
import { formatReference, type Reference } from "../reference.ts";
import type { ManifestType } from "./options.ts";
import type { RegistryState } from "./repository_state.ts";
import type { PushSettings, PushWords } from "./upload_settings.ts";

/** What a push writes under a reference, and in which kinds it may be written. */
export interface RootChoice {
  node: ContentNode;
  /** Best first; none where the manifest is not ours: that keeps its bytes. */
  kinds: readonly ManifestKind[];
}

/** What the kinds are called. */
export const KIND_NAMES: Readonly<Record<ManifestKind, string>> = { docker: "Docker", oci: "OCI" };

/**
 * Decides in which kinds the manifest of a node may be written. A digest in the reference decides as well.
 *
 * @param node What is pushed; its digests were settled.
 * @param found What the archive has for it: other than that is an index that was made for this push.
 * @throws {DigestMismatchError} If the reference has a digest that the manifest has in no kind.
 * @throws {PushError} If the kind that is wanted cannot say it.
 */
export async function chooseKinds(
  node: ContentNode,
  found: ContentNode,
  reference: Reference,
  registry: RegistryState,
  { manifestType, words }: PushSettings,
): Promise<RootChoice> {
  const kinds = kindsOf(node, found, manifestType, registry);
  if (!reference.digest) return { node, kinds };
  const drafts = await draftsOf({ node, kinds });
  const at = drafts.findIndex(({ digest }) => digest === reference.digest);
  if (at < 0 && drafts[0]) {
    const isOfFound = found.kind !== "docker" && found.digest === reference.digest;
    refuseOtherRoot(drafts[0].digest, reference, words, isOfFound ? hintOf(found) : undefined);
  }
  return { node, kinds: kinds.slice(at, at + 1) };
}

/** What to do where a reference has the digest of what the archive has, and something else was made of that. */
function hintOf({ kind }: DocumentNode): string {
  const what = kind === "index" ? "the whole index" : "the image as it is";
  return `that is the digest of ${what}, and what is pushed of it has its own: name a tag instead`;
}

/** Compares the digest of a reference with that of what was made for it. */
export function refuseOtherRoot(
  actual: Digest,
  reference: Reference,
  { verb }: PushWords,
  hint?: string,
): void {
  const { digest: expected } = reference;
  if (!expected || expected === actual) return;
  throw new DigestMismatchError(
    `Cannot ${verb} to ${
      formatReference(reference)
    }: the image's digest is ${actual}, expected ${expected}`,
    { expected, actual, hint },
  );
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
  const onlyOci = node.kind !== "index" && needsOci(node);
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

function isBelow(found: ContentNode, node: DocumentNode): boolean {
  return found === node || (found.kind === "index" && walk(found).includes(node));
}

/** What may be written for a node, the best first; its digests were settled. */
export async function draftsOf(
  { node, kinds }: RootChoice,
): Promise<DocumentNode[]> {
  const draft = node.kind === "docker"
    ? await buildManifest(node, node.layers.flatMap(({ digest }) => digest ?? []))
    : node;
  return kinds.length === 0 ? [draft] : await Promise.all(kinds.map((kind) => retype(draft, kind)));
}

/** What to tell of a wish that is not met, as a manifest that is not ours keeps its bytes; undefined where it is. */
export function noticeOfKept(
  { node, kinds }: RootChoice,
  name: string,
  { manifestType, words }: PushSettings,
): string | undefined {
  if (kinds.length > 0 || node.kind === "docker" || manifestType === "auto") return undefined;
  const kind = kindOfType(node.mediaType);
  if (kind === manifestType) return undefined;
  return `${name}: the ${words.place}'s own manifest is ${
    KIND_NAMES[kind]
  }'s and keeps its bytes, ` +
    `although ${KIND_NAMES[manifestType]}'s types were asked for`;
}
