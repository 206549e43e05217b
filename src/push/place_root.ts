import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { OciError, RegistryError } from "../errors.ts";
import type { DocumentNode } from "../image/content.ts";
import { retype } from "../image/retype.ts";
import type { Reference } from "../reference.ts";
import { headDigest } from "../registry/manifests.ts";
import { refuseOtherRoot, type RootChoice } from "./manifest_kind.ts";
import { placeBelow, placeManifest } from "./place_manifest.ts";
import type { RepositoryState, UploadedBlob } from "./repository_state.ts";
import { hooksFor, type PushSettings, type UploadSettings } from "./upload_settings.ts";

/** A reference with a tag. */
export type Tagged = Reference & { tag: string };

/** A manifest as a registry has taken it. */
interface PlacedRoot {
  root: DocumentNode;
  /** Whether the tag names it already. */
  stands: boolean;
}

/**
 * Puts the manifests of an image into a repository under their digests, unless the tag names them already: one question
 * for two writes. Where the manifest is ours to write and the registry refuses its kind, it is written in the other, which is
 * remembered for the registry.
 *
 * @param target The repository; it has the blobs.
 * @throws {DigestMismatchError} If the reference has another digest.
 */
export async function placeRoot(
  target: RepositoryState,
  { root, blobs }: { root: DocumentNode; blobs: readonly UploadedBlob[] },
  { kinds }: RootChoice,
  reference: Reference,
  settings: PushSettings,
): Promise<PlacedRoot> {
  const [kind, otherKind] = kinds;
  const first = kind ? await retype(root, kind) : root;
  // Made only where it is needed: that is seldom.
  const other = otherKind && (() => retype(root, otherKind));
  refuseOtherRoot(first.digest, reference, settings.words);
  const standing = await findStanding(target, reference.tag, first, other, blobs, settings);
  if (standing) {
    if (!standing.subject) target.manifests.set(standing.digest, "exists");
    const complete = { ...settings, isStanding: true };
    await placeBelow(target, standing, complete);
    await placeManifest(target, standing, complete);
    return { root: standing, stands: true };
  }
  await placeBelow(target, first, settings);
  try {
    // By digest first: a registry that makes something else of it is found out before there is a tag.
    await placeManifest(target, first, settings);
    return { root: first, stands: false };
  } catch (error) {
    if (!other || !(error instanceof RegistryError)) throw error;
    const { refusesType } = await import("./refusals.ts");
    if (!refusesType(error)) throw error;
    const { placeOther } = await import("./refused_type.ts");
    const second = await other();
    await placeOther(target, first, second, error, settings);
    return { root: second, stands: false };
  }
}

/**
 * Finds whether a tag names a manifest already. The registry is asked only where all of its blobs were there before: else
 * the tag cannot name it, or names something that has become incomplete.
 *
 * @param root What will be written under it.
 * @param other Makes what may stand there as well: the same in another kind.
 * @returns The one that stands; undefined where none does, or where the registry does not say.
 */
async function findStanding(
  target: RepositoryState,
  tag: string | undefined,
  root: DocumentNode,
  other: (() => Promise<DocumentNode>) | undefined,
  blobs: readonly UploadedBlob[],
  settings: UploadSettings,
): Promise<DocumentNode | undefined> {
  if (tag === undefined) return undefined;
  const known = target.tags.get(tag);
  if (!known && blobs.some(({ status }) => status !== "exists")) return undefined;
  const found = known ?? await askTag(target, tag, settings);
  if (found === undefined) return undefined;
  if (await hasDigest(root, found)) return root;
  const second = await other?.();
  return second && await hasDigest(second, found) ? second : undefined;
}

async function askTag(
  target: RepositoryState,
  tag: string,
  settings: UploadSettings,
): Promise<Digest | undefined> {
  try {
    return await headDigest(target, tag, hooksFor(settings));
  } catch (error) {
    // Whatever is wrong with the question, writing the tag will tell.
    if (error instanceof OciError) return undefined;
    throw error;
  }
}

/** Whether a manifest has a digest, whatever the algorithm: by tag it is sha256, also where an archive says sha512. */
export async function hasDigest(
  { digest, bytes }: DocumentNode,
  found: Digest,
): Promise<boolean> {
  const algorithm = digestAlgorithm(found);
  return found ===
    (digestAlgorithm(digest) === algorithm ? digest : await digestBytes(bytes, algorithm));
}
