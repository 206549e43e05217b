import { openArchive } from "../archive/open_archive.ts";
import type { OtherArchive } from "../pull/other_places.ts";
import type { ImageToPull } from "../pull/list_images.ts";
import { parseReference } from "../reference.ts";
import type { FetchHandler } from "../registry/http/call.ts";
import type { Host } from "../runtime/host.ts";
import type { SaveCommand } from "./command.ts";
import { isArchivePath } from "./command_words.ts";
import { openInput } from "./input.ts";
import { UsageError } from "./options.ts";
import { listName, readSourceList, requireUse } from "./source_list.ts";

/**
 * Lists what is to be saved: what the command line names, then what its list does.
 *
 * @throws {UsageError} If a line of the list is no reference.
 */
export async function listImages(
  { references, from }: SaveCommand,
  host: Host,
  signal: AbortSignal,
): Promise<ImageToPull[]> {
  const images: ImageToPull[] = references.map((reference) => ({ reference }));
  if (from !== undefined) {
    const example = "tarpush save --from images.txt images.tar";
    const lines = await readSourceList(from, host, example, signal);
    for (const { source, target, place } of lines) {
      requireUse(place, () => parseReference(source));
      images.push({ reference: source, ...target && { names: target } });
    }
  }
  if (images.length > 0) return images;
  throw new UsageError(`Nothing to save: ${listName(from ?? "")} names no image`);
}

/** Parts the places whose blobs are left out into archives and registries. */
export async function partOthers(
  without: readonly string[],
  host: Host,
): Promise<{ archives: string[]; registries: string[] }> {
  const archives: string[] = [];
  const registries: string[] = [];
  for (const text of without) {
    const isArchive = isArchivePath(text) || await host.fileInfo(text) !== undefined;
    (isArchive ? archives : registries).push(text);
  }
  return { archives, registries };
}

/** Reads the names and manifests of archives. */
export async function openOthers(
  paths: readonly string[],
  fetch: FetchHandler,
  host: Host,
): Promise<OtherArchive[]> {
  const others: OtherArchive[] = [];
  for (const path of paths) {
    await using input = await openInput(path, host, "");
    const archive = await openArchive(input.source, { fetch, verify: false });
    others.push({ name: path.replace(/^.*[/\\]/, ""), archive });
  }
  return others;
}
