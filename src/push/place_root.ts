import { RegistryError } from "../errors.ts";
import type { DocumentNode } from "../image/content.ts";
import { retype } from "../image/retype.ts";
import type { Reference } from "../reference.ts";
import { refuseOtherDigest } from "./content.ts";
import type { RootChoice } from "./manifest_kind.ts";
import { placeBelow, placeManifest } from "./place_manifest.ts";
import type { RepositoryState, UploadedBlob } from "./repository_state.ts";
import { findStanding } from "./standing.ts";
import type { PushSettings } from "./upload_settings.ts";

/** A manifest as a registry has taken it. */
export interface PlacedRoot {
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
  refuseOtherDigest(first.digest, reference, settings.words);
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
