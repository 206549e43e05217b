import type { Bytes } from "../bytes.ts";
import {
  type BlobSource,
  bytesSource,
  readRange,
  type SourceSlice,
} from "../source/blob_source.ts";
import { endOfBody, EntryParser, type ParsedEntry } from "./entry_parser.ts";
import { NotTarError } from "./header.ts";

/** One entry found by {@linkcode scanTar}. */
export interface ScannedEntry extends ParsedEntry {
  /** The body, of `header.size` bytes: nothing is read until it is, and it can be read any number of times. */
  body: BlobSource;
}

/** Options for {@linkcode scanTar}. */
export interface ScanTarOptions {
  /** Ends the scan with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Called once when all entries are found, with the position behind the two zero blocks that end a tar, or undefined
   * for a tar without them.
   */
  onEnd?: ((end: number | undefined) => void) | undefined;
}

/**
 * Lists the entries of a tar that can be read at any offset. Bodies are jumped over: a tar of any size costs about one
 * read of 8 KiB for each large body, and reads of up to 64 KiB where many small entries follow each other.
 *
 * Entries come in archive order, with nothing held back but the window of the last read. What follows the two zero
 * blocks at the end is not read.
 *
 * @example Finding a file without reading what comes before it
 * ```ts
 * import { scanTar } from "@tarpush/tarpush/tar";
 *
 * async function readEntry(tar: Blob, path: string): Promise<string | undefined> {
 *   for await (const entry of scanTar(tar)) {
 *     if (entry.path !== path) continue;
 *     return await new Response(entry.body.slice(0, entry.body.size).stream()).text();
 *   }
 * }
 *
 * const twoZeroBlocks = new Blob([new Uint8Array(1024)]);
 * if (await readEntry(twoZeroBlocks, "index.json") !== undefined) throw new Error("unreachable");
 * ```
 *
 * @param source The tar; it must not change meanwhile.
 * @param options `signal` and `onEnd`.
 * @returns The entries, found while they are iterated.
 * @throws {TarError} While iterating, if the tar is malformed, truncated or past a limit.
 */
export async function* scanTar(
  source: BlobSource,
  options: ScanTarOptions = {},
): AsyncIterable<ScannedEntry> {
  for await (const run of scanRuns(source, options)) yield* run;
}

/** Options for {@linkcode scanRuns}. */
export interface ScanRunsOptions extends ScanTarOptions {
  /** Called once after the two zero blocks, with their end and the bytes behind them that happen to have been read. */
  onRest?: ((end: number, bytes: Uint8Array) => void) | undefined;
}

/**
 * The same as {@linkcode scanTar}, with the entries that one read has shown together: whoever wants all of them is spared
 * a wait for each.
 */
export async function* scanRuns(
  source: BlobSource,
  { signal, onEnd, onRest }: ScanRunsOptions = {},
): AsyncIterable<ScannedEntry[]> {
  const parser = new EntryParser();
  const window = new HeaderWindow(source);
  let heads = 0;
  let run: ScannedEntry[] = [];
  const toScanned = ({ path, header, offset, bodyOffset }: ParsedEntry): ScannedEntry => {
    const { size } = header;
    const head = size >= MIN_BODY_WITH_HEAD && heads < MAX_HEADS
      ? window.copy(bodyOffset, HEAD_BYTES)
      : undefined;
    if (head) heads++;
    return {
      path,
      header,
      offset,
      bodyOffset,
      body: new BlobRange(source, bodyOffset, size, head),
    };
  };
  try {
    while (!parser.ended) {
      const { offset, needs } = parser;
      let bytes = window.take(offset, needs);
      if (!bytes) {
        if (run.length > 0) yield run;
        run = [];
        signal?.throwIfAborted();
        bytes = await window.read(offset, needs);
        signal?.throwIfAborted();
      }
      if (bytes.length < needs) {
        parser.finish(bytes);
        break;
      }
      const entry = parser.push(bytes);
      if (!entry) continue;
      if (endOfBody(entry) > source.size) throw parser.truncated(source.size, entry);
      run.push(toScanned(entry));
    }
  } catch (error) {
    // What comes before a broken entry is found all the same.
    if (run.length > 0) yield run;
    throw error instanceof NotTarError ? await explain(source, error) : error;
  }
  if (run.length > 0) yield run;
  const foreign = parser.isEmpty ? await explain(source) : undefined;
  if (foreign) throw foreign;
  onEnd?.(parser.ended ? parser.offset : undefined);
  if (parser.ended) onRest?.(parser.offset, window.after(parser.offset));
}

/** The error for a source that does not begin as a tar does; see `ForeignHead`. */
async function explain(source: BlobSource, error?: unknown): Promise<unknown> {
  const { ForeignHead } = await import("./not_a_tar.ts");
  const head = new ForeignHead(error);
  head.add(await readRange(source, 0, head.needs));
  return head.explain();
}

// The headers between two layers of `docker save` (a folder, VERSION, json, layer.tar) fit in, and the layer's first
// bytes as well.
const MIN_WINDOW_BYTES = 8 * 1024;

// Whoever looks at an image asks for the first block of every layer: tar, gzip or zstd?
const HEAD_BYTES = 512;

// Smaller bodies are configs and the like: they are read whole, or not at all.
const MIN_BODY_WITH_HEAD = 16 * 1024;

// 2 MiB in all, however many entries there are.
const MAX_HEADS = 4096;

// Beyond this, fewer and larger reads gain nothing.
const MAX_WINDOW_BYTES = 64 * 1024;

// After a jump little is known: a long run of small entries before it must not make every later read a large one.
const MAX_WINDOW_AFTER_JUMP_BYTES = 16 * 1024;

/** The bytes of the last read. It grows while entries are near each other and shrinks to what one run of them took. */
class HeaderWindow {
  readonly #source: BlobSource;
  /** Memory for the bytes, where the source reads into such. */
  #buffer: Bytes = new Uint8Array(0);
  #bytes: Bytes = new Uint8Array(0);
  #start = 0;
  #size = MIN_WINDOW_BYTES;
  /** Where the current run of headers starts and how far it was used. */
  #runStart = 0;
  #runEnd = 0;

  constructor(source: BlobSource) {
    this.#source = source;
  }

  /** The bytes asked for, where all of them are in the window. */
  take(offset: number, length: number): Uint8Array | undefined {
    const at = offset - this.#start;
    if (at + length > this.#bytes.length) return undefined;
    this.#runEnd = offset + length;
    return this.#bytes.subarray(at, at + length);
  }

  /** A copy of bytes that happen to be in the window. */
  copy(offset: number, length: number): Bytes | undefined {
    const at = offset - this.#start;
    return at + length > this.#bytes.length ? undefined : this.#bytes.slice(at, at + length);
  }

  /** All bytes of the window behind an offset. */
  after(offset: number): Uint8Array {
    return this.#bytes.subarray(Math.max(0, offset - this.#start));
  }

  /** Moves the window; fewer bytes than asked for mean that the source ends. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#resize(offset);
    const wanted = Math.max(length, this.#size);
    if (this.#buffer.length < wanted) this.#buffer = new Uint8Array(wanted);
    this.#bytes = await readRange(this.#source, offset, offset + wanted, this.#buffer);
    this.#start = offset;
    return this.take(offset, length) ?? this.#bytes;
  }

  #resize(offset: number): void {
    const jumped = offset - (this.#start + this.#bytes.length) > this.#size;
    if (!jumped) {
      if (this.#bytes.length > 0) this.#size = Math.min(2 * this.#size, MAX_WINDOW_BYTES);
      return;
    }
    const run = this.#runEnd - this.#runStart;
    this.#size = Math.min(Math.max(run, MIN_WINDOW_BYTES), MAX_WINDOW_AFTER_JUMP_BYTES);
    this.#runStart = offset;
  }
}

/** A part of a source, itself a source. */
class BlobRange implements BlobSource {
  readonly size: number;
  readonly #source: BlobSource;
  readonly #start: number;
  readonly #head: Bytes | undefined;

  constructor(source: BlobSource, start: number, size: number, head: Bytes | undefined) {
    this.#source = source;
    this.#start = start;
    this.size = size;
    this.#head = head;
  }

  slice(start: number, end: number): SourceSlice {
    const from = Math.min(Math.max(start, 0), this.size);
    const to = Math.min(Math.max(end, from), this.size);
    if (this.#head && to <= this.#head.length) return bytesSource(this.#head).slice(from, to);
    return this.#source.slice(this.#start + from, this.#start + to);
  }
}
