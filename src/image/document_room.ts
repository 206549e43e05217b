import { MAX_CONFIG_BYTES } from "../config_json.ts";
import { MAX_MANIFEST_BYTES } from "../media_types.ts";
import { MAX_MANIFEST_JSON_BYTES } from "./docker_save.ts";

/** Most bytes of a JSON document by its path, where nothing else says what it is. */
function documentLimit(path: string): number {
  return /(?:^|\/)manifest\.json$/.test(path) ? MAX_MANIFEST_JSON_BYTES : MAX_CONFIG_BYTES;
}

/** Most bytes of small documents: any manifest is one, and nearly every config. */
export const MAX_SMALL_BYTES = 32 * 1024 * 1024;
/** Most bytes of the others: a config of the longest kind, or several long ones. */
export const MAX_LARGE_BYTES = MAX_CONFIG_BYTES;

/**
 * Room for the JSON of a source that is read once: what is a manifest or a config is known at its end, so all of it is
 * kept. Large documents have room of their own, so that an artifact of many megabytes takes none from manifests.
 */
export class DocumentRoom {
  #small = MAX_SMALL_BYTES;
  #large = MAX_LARGE_BYTES;

  /** Takes room for a document; false where it is too long for one, or there is none left. */
  take(path: string, size: number): boolean {
    if (size > documentLimit(path)) return false;
    const isSmall = size <= MAX_MANIFEST_BYTES;
    if (size > (isSmall ? this.#small : this.#large)) return false;
    if (isSmall) this.#small -= size;
    else this.#large -= size;
    return true;
  }
}
