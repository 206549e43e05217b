import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { DocumentNode } from "../image/content.ts";
import type { Reference } from "../reference.ts";
import { headDigest } from "../registry/manifests.ts";
import type { RepositoryState, UploadedBlob } from "./repository_state.ts";
import { hooksFor, type UploadSettings } from "./upload_settings.ts";

/** A reference with a tag. */
export type Tagged = Reference & { tag: string };

/**
 * Finds whether a tag names a manifest already. The registry is asked only where all of its blobs were there before: else
 * the tag cannot name it, or names something that has become incomplete.
 *
 * @param root What will be written under it.
 * @param other Makes what may stand there as well: the same in another kind.
 * @returns The one that stands; undefined where none does, or where the registry does not say.
 */
export async function findStanding(
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
