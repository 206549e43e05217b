import { openArchive, type OpenArchiveOptions } from "../archive/open_archive.ts";
import { ArchiveError, TarError } from "../errors.ts";
import type { OtherArchive } from "../pull/other_places.ts";
import { type ImageToPull, parseImages } from "../pull/list_images.ts";
import type { Host } from "../runtime/host.ts";
import { baseName } from "../source/part_list.ts";
import { openNamed } from "./archive_words.ts";
import type { SaveCommand } from "./command.ts";
import { FIRST_PART, isArchivePath } from "./command_words.ts";
import type { ConnectionOptions } from "./connection.ts";
import { shownAs } from "./input.ts";
import { quote, UsageError } from "./options.ts";
import { readSourceList, requireUse } from "./source_list.ts";

/**
 * Lists what is to be saved: what the command line names, then what its list does.
 *
 * @throws {UsageError} If a line of the list is no reference, or its name is none.
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
      const image: ImageToPull = { reference: source, ...target && { names: target } };
      requireUse(place, () => parseImages([image]));
      images.push(image);
    }
  }
  if (images.length > 0) return images;
  throw new UsageError(`Nothing to save: ${shownAs(from ?? "")} names no image`);
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
  reading: ConnectionOptions & Pick<OpenArchiveOptions, "retry"> & { signal: AbortSignal },
  host: Host,
): Promise<OtherArchive[]> {
  const others: OtherArchive[] = [];
  for (const path of paths) {
    const shown = shownAs(path);
    try {
      await using input = await openNamed(path, host, "", { ...reading, verify: "auto" });
      const archive = await openArchive(input.source, { ...reading, verify: false });
      others.push({ name: baseName(shown), archive });
    } catch (error) {
      throw withName(shown, error);
    }
  }
  return others;
}

/** Says which archive it is that cannot be read: it may be one of several. */
function withName(path: string, error: unknown): unknown {
  if (!(error instanceof ArchiveError || error instanceof TarError)) return error;
  const hint = FIRST_PART.test(path)
    ? "it is called as the first of several parts is: they must be beside it"
    : error.hint;
  return new ArchiveError(`Cannot leave out what ${quote(path)} has: ${error.message}`, {
    hint,
    cause: error,
  });
}
