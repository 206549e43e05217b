import { RegistryError } from "../errors.ts";
import type { IndexNode, ManifestNode } from "../image/content.ts";
import { kindOfType, retype } from "../image/docker_manifest.ts";
import type { Reference } from "../reference.ts";
import { refuseOtherDigest } from "./content.ts";
import { fallbackNotice, type RootChoice } from "./manifest_kind.ts";
import { placeBelow, placeManifest, type PlaceSettings } from "./place_manifest.ts";
import { refusesType } from "./refusals.ts";
import type { RepositoryState, UploadedBlob } from "./repository_state.ts";
import { findStanding, type Tagged, type TagSettings, writeTag } from "./tags.ts";

/** A manifest as a registry has taken it. */
export interface PlacedRoot {
  root: ManifestNode | IndexNode;
  /** Whether the tag names it already. */
  stands: boolean;
}

/**
 * Puts the manifests of an image into a repository under their digests, unless the tag names them already: one question
 * for two writes. Where the manifest is ours to write and the registry refuses its kind, it is written in the other, which is
 * remembered for the registry.
 *
 * @param target The repository; it has the blobs.
 * @param uploaded The manifest to write, and its blobs.
 * @param choice The kinds that it may have.
 * @param reference Where it will stand.
 * @param settings Settings of the push.
 * @returns What was written.
 * @throws {DigestMismatchError} If the reference has another digest.
 */
export async function placeRoot(
  target: RepositoryState,
  { root, blobs }: { root: ManifestNode | IndexNode; blobs: readonly UploadedBlob[] },
  { kinds }: RootChoice,
  reference: Reference,
  settings: TagSettings & PlaceSettings,
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
    if (!other || !refusesType(error) || !(error instanceof RegistryError)) throw error;
    const second = await other();
    await placeOther(target, first, second, error, settings);
    return { root: second, stands: false };
  }
}

/**
 * Writes the tag of an image; all that stands below it is there. Where the registry has the manifest from earlier and does
 * not take its kind any more, the tag gets the other.
 *
 * @param target The repository.
 * @param root The manifest that was placed.
 * @param choice The kinds that it may have.
 * @param reference The tag.
 * @param settings Settings of the push.
 * @returns What was written; `isWritten` is false where the tag was to be left as it is.
 */
export async function tagRoot(
  target: RepositoryState,
  root: ManifestNode | IndexNode,
  { kinds }: RootChoice,
  reference: Tagged,
  settings: TagSettings & PlaceSettings,
): Promise<{ root: ManifestNode | IndexNode; isWritten: boolean }> {
  await placeBelow(target, root, settings);
  await placeManifest(target, root, settings);
  try {
    return { root, isWritten: await writeTag(target, reference, root, settings) };
  } catch (error) {
    const otherKind = kinds.find((kind) => kind !== kindOfType(root.mediaType));
    if (!otherKind || refusesType(error) !== "surely" || !(error instanceof RegistryError)) {
      throw error;
    }
    const other = await retype(root, otherKind);
    await placeOther(target, root, other, error, settings);
    return { root: other, isWritten: await writeTag(target, reference, other, settings) };
  }
}

async function placeOther(
  target: RepositoryState,
  refused: ManifestNode | IndexNode,
  other: ManifestNode | IndexNode,
  refusal: RegistryError,
  settings: PlaceSettings,
): Promise<void> {
  try {
    await placeManifest(target, other, settings);
  } catch (error) {
    // It is not for the type, then: what was said first is to the point.
    throw refusesType(error) ? refusal : error;
  }
  target.registry.manifestKind = kindOfType(other.mediaType);
  const message = fallbackNotice(refusal, kindOfType(refused.mediaType), other);
  await settings.emit({ type: "warning", message });
}
