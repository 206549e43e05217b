import { digestBytes } from "../digest.ts";
import {
  formatPlatform,
  isJsonObject,
  isManifestType,
  MAX_MANIFEST_BYTES,
  OCI_INDEX,
} from "../media_types.ts";
import { type IndexEntry, parseJsonObject } from "./content.ts";
import { writtenNames } from "./entry_names.ts";
import type { ArchiveFiles } from "./files.ts";

/** Annotations that tell of an image, and not of a layout. */
const IMAGE_ANNOTATION = /^org\.opencontainers\.image\./;

/** Whether entries of index.json can be the platforms of one image: several, of which each has another and none a name. */
export function arePlatforms(entries: readonly IndexEntry[]): boolean {
  const platforms = new Set<string>();
  for (const { descriptor } of entries) {
    const { platform, mediaType } = descriptor;
    if (!platform || !isManifestType(mediaType) || writtenNames(descriptor).length > 0) {
      return false;
    }
    platforms.add(formatPlatform(platform));
  }
  return platforms.size > 1 && platforms.size === entries.length;
}

/**
 * The image that index.json itself is: apko, and what else writes an index as a layout with go-containerregistry
 * (`layout.Write`), has there the index that it would push, whose annotations tell of an image. Platforms alone tell nothing:
 * `crane pull --platform` (0.22.1) lists those of two images without a name just so.
 *
 * @param entries Those of index.json, of which {@linkcode arePlatforms} holds.
 * @returns An entry as if another index.json had named it; undefined where index.json only lists images.
 */
export async function indexImage(
  files: ArchiveFiles,
  entries: IndexEntry[],
): Promise<IndexEntry | undefined> {
  const file = files.find("index.json");
  if (!file) return undefined;
  const bytes = await file.bytes(MAX_MANIFEST_BYTES);
  const { schemaVersion, mediaType, annotations } = parseJsonObject(file, bytes);
  if (schemaVersion !== 2 || mediaType !== OCI_INDEX || !isJsonObject(annotations)) {
    return undefined;
  }
  if (!Object.keys(annotations).some((name) => IMAGE_ANNOTATION.test(name))) return undefined;
  const descriptor = { mediaType, digest: await digestBytes(bytes), size: bytes.length };
  const node = { kind: "index", digest: descriptor.digest, mediaType, bytes, entries } as const;
  return { descriptor, raw: { ...descriptor }, node };
}
