import type { RegistryError } from "../errors.ts";
import type { DocumentNode } from "../image/content.ts";
import { kindOfType } from "../image/retype.ts";
import { placeManifest, type PlaceSettings } from "./place_manifest.ts";
import { refusesType } from "./refusals.ts";
import { fallbackNotice } from "./refused_type.ts";
import type { RepositoryState } from "./repository_state.ts";

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
