import { drain, piecesOf } from "../../bytes.ts";
import { runAll } from "../../concurrency.ts";
import { ArchiveError, type OciError, TarError } from "../../errors.ts";
import type { BlobSource } from "../../source/blob_source.ts";
import { scanTar } from "../../tar/scan.ts";
import { DocumentRoom } from "../document_room.ts";
import { ArchiveFiles, cleanPath, isFileType, isLinkType } from "../files.ts";
import { findTrailing, type TarEnd } from "../tar_end.ts";
import { type CheckBodyOptions, type CheckedFile, checkFile } from "./checked_file.ts";

/** An archive all of whose files have been read to their ends. */
export interface CheckedArchive {
  /** Its files by path. */
  readonly files: ArchiveFiles<CheckedFile>;
  /** Every file in archive order, also those that a later one of the same path replaces. */
  readonly checked: readonly CheckedFile[];
  /** Clean paths of what is neither file nor link, with their typeflags. */
  readonly others: ReadonlyMap<string, string>;
  /** Paths of files and links that occur again, and whether the content is the same. */
  readonly duplicates: ReadonlyMap<string, { times: number; same: boolean }>;
  /** Paths that lead out of the archive, as written. */
  readonly unsafe: readonly string[];
  /** Why the tar could not be read to its end. */
  readonly failure: OciError | undefined;
  /** How the tar ends; undefined where its source does not tell. */
  readonly end: TarEnd | undefined;
}

/** One entry of a tar that is read as a stream. */
export interface PassingEntry {
  path: string;
  header: { size?: number; typeflag?: string; linkname?: string };
  readable?: ReadableStream<Uint8Array> | undefined;
}

export interface CheckReadOptions extends Omit<CheckBodyOptions, "onBytes"> {
  /** Told how many bytes of files are read so far, and how many there are in all, where that is known. */
  onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
}

const FILES_AT_ONCE = 3;

/**
 * Reads every file of a tar that can be read at any offset, several at once.
 *
 * @param source The tar; it must stay readable as long as the result is used.
 * @returns What was read; a tar that breaks off has its `failure`, and the files before that.
 */
export async function checkRandom(
  source: BlobSource,
  options: CheckReadOptions,
): Promise<CheckedArchive> {
  const { signal, onProgress } = options;
  const archive = new Collector();
  const entries: FoundEntry[] = [];
  let total = 0;
  await archive.until(async () => {
    const onEnd = (end: number | undefined) => archive.end = { end, trailing: undefined };
    for await (const { path, header, body } of scanTar(source, { signal, onEnd })) {
      const { typeflag, linkname } = header;
      const clean = fileAt(path, typeflag);
      entries.push({
        path,
        typeflag,
        linkname,
        file: clean === undefined ? undefined : { clean, body },
      });
      if (clean !== undefined) total += body.size;
    }
    if (archive.end) {
      archive.end.trailing = await findTrailing(source, archive.end.end, signal, Infinity);
    }
  });
  let read = 0;
  const documents = new DocumentRoom();
  const onBytes = (count: number) => onProgress?.(read += count, total);
  await archive.until(() =>
    runAll(entries, FILES_AT_ONCE, async (entry, signal) => {
      if (!entry.file) return;
      const { clean: path, body } = entry.file;
      const file = { path, size: body.size, again: body, documents };
      const stream = body.slice(0, body.size).stream();
      entry.checked = await checkFile({ ...file, body: stream }, { ...options, signal, onBytes });
    }, signal)
  );
  for (const entry of entries) archive.add(entry, entry.checked);
  archive.files.trailing = archive.end?.trailing;
  return archive;
}

/**
 * Reads every file of a tar that comes only once.
 *
 * @param tarEnd Asked at the end how the tar ended; undefined where nothing tells.
 * @returns What was read; a tar that breaks off has its `failure`, and the files before that.
 */
export async function checkPassing(
  entries: ReadableStream<PassingEntry>,
  tarEnd: (() => TarEnd) | undefined,
  options: CheckReadOptions,
): Promise<CheckedArchive> {
  const archive = new Collector();
  let read = 0;
  const documents = new DocumentRoom();
  const onBytes = (count: number) => options.onProgress?.(read += count, undefined);
  await archive.until(async () => {
    for await (const { path, header, readable } of piecesOf(entries)) {
      options.signal.throwIfAborted();
      const { typeflag = "0", linkname = "", size = 0 } = header;
      const clean = fileAt(path, typeflag);
      // To its end: a tar that breaks off within it does not have it.
      if (clean === undefined) await drain(readable);
      const body = readable ?? new ReadableStream<Uint8Array>({ start: (it) => it.close() });
      const file = clean === undefined
        ? undefined
        : await checkFile({ path: clean, size, body, again: undefined, documents }, {
          ...options,
          onBytes,
        });
      archive.add({ path, typeflag, linkname }, file);
    }
    archive.end = tarEnd?.();
  });
  archive.files.trailing = archive.end?.trailing;
  return archive;
}

interface Entry {
  path: string;
  typeflag: string;
  linkname: string;
}

interface FoundEntry extends Entry {
  file: { clean: string; body: BlobSource } | undefined;
  checked?: CheckedFile;
}

class Collector implements CheckedArchive {
  readonly files = new ArchiveFiles<CheckedFile>();
  readonly checked: CheckedFile[] = [];
  readonly others = new Map<string, string>();
  readonly duplicates = new Map<string, { times: number; same: boolean }>();
  readonly unsafe: string[] = [];
  failure: OciError | undefined;
  end: TarEnd | undefined;
  readonly #digests = new Map<string, string>();

  /** Runs what reads the tar; where that breaks off because of its content, it is noted. */
  async until(read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof TarError || error instanceof ArchiveError)) throw error;
      this.failure ??= error;
    }
  }

  add({ path, typeflag, linkname }: Entry, file: CheckedFile | undefined): void {
    const clean = cleanPath(path);
    if (clean === undefined) {
      this.unsafe.push(path);
      return;
    }
    if (file) {
      this.checked.push(file);
      this.#noteName(clean, file.digest);
      this.files.add(path, { typeflag, linkname }, () => file);
    } else if (isLinkType(typeflag)) {
      // A hard link to its own name means the file that is there already.
      if (typeflag === "1" && cleanPath(linkname) === clean) return;
      this.#noteName(clean, `link ${linkname}`);
      this.files.add(path, { typeflag, linkname }, () => {
        throw new TypeError("unreachable: a link is no file");
      });
    } else if (!isFileType(typeflag)) this.others.set(clean, typeflag);
  }

  #noteName(path: string, content: string): void {
    const before = this.#digests.get(path);
    this.#digests.set(path, content);
    if (before === undefined) return;
    const { times, same } = this.duplicates.get(path) ?? { times: 1, same: true };
    this.duplicates.set(path, { times: times + 1, same: same && before === content });
  }
}

/** The clean path of an entry that is a file; undefined for any other. */
function fileAt(path: string, typeflag: string): string | undefined {
  if (!isFileType(typeflag) || path.endsWith("/")) return undefined;
  return cleanPath(path) || undefined;
}
