import { openArchive as openRandom } from "../image/archive.ts";
import { type ArchiveSummary, summarizeArchive } from "../image/inspect.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";
import { readPassing } from "./one_pass.ts";
import { openSource, type PushSource } from "./open_source.ts";

/** Options for {@linkcode openArchive}. */
export interface OpenArchiveOptions {
  /** Aborts the reading. */
  signal?: AbortSignal;
  /**
   * Makes incremental hashes, for layers of a source that comes only once.
   * @default {createHash} the fastest that the runtime has
   */
  hasher?: Hasher;
}

/**
 * Reads what an image archive holds. Of a source that can be read at any offset only headers, JSON documents and the
 * first bytes of layers are read; any other is read to its end, and nothing but its documents is kept.
 *
 * @example The names in an archive
 * ```ts
 * import { openArchive } from "@tarpush/tarpush";
 *
 * async function namesOf(tar: Blob): Promise<string[]> {
 *   const { images } = await openArchive(tar);
 *   return images.flatMap(({ names, tags }) => [...names, ...tags]);
 * }
 * ```
 *
 * @param source The archive; a `Blob` or file stays the caller's.
 * @param options `signal` and `hasher`.
 * @returns Its images with their names, and what they consist of.
 * @throws {TarError} If the source is no tar or is broken.
 * @throws {ArchiveError} If it is no image archive, or its documents are malformed.
 * @throws {DigestMismatchError} If a document does not have the digest that it goes under.
 */
export async function openArchive(
  source: PushSource,
  { signal = new AbortController().signal, hasher = createHash }: OpenArchiveOptions = {},
): Promise<ArchiveSummary> {
  const input = await openSource(source, signal);
  const archive = input.kind === "random"
    ? await openRandom(input.source, { signal })
    : await readPassing(input, { hasher, signal });
  return await summarizeArchive(archive);
}
