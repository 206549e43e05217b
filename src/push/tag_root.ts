import { RegistryError } from "../errors.ts";
import type { DocumentNode } from "../image/content.ts";
import { kindOfType, retype } from "../image/retype.ts";
import type { RootChoice } from "./manifest_kind.ts";
import { placeBelow, placeManifest, type PlaceSettings } from "./place_manifest.ts";
import { refusesType } from "./refusals.ts";
import type { RepositoryState } from "./repository_state.ts";
import type { Tagged, TagSettings } from "./standing.ts";
import { writeTag } from "./write_tag.ts";

/**
 * Writes the tag of an image; all that stands below it is there. Where the registry has the manifest from earlier and does
 * not take its kind any more, the tag gets the other.
 *
 * @returns What was written; `isWritten` is false where the tag was to be left as it is.
 */
export async function tagRoot(
  target: RepositoryState,
  root: DocumentNode,
  { kinds }: RootChoice,
  reference: Tagged,
  settings: TagSettings & PlaceSettings,
): Promise<{ root: DocumentNode; isWritten: boolean }> {
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
    const { placeOther } = await import("./place_other_kind.ts");
    await placeOther(target, root, other, error, settings);
    return { root: other, isWritten: await writeTag(target, reference, other, settings) };
  }
}
