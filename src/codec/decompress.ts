import { type Bytes, concat, createStream, toBytes } from "../bytes.ts";
import { Rests } from "../concurrency.ts";
import { ArchiveError, OciError } from "../errors.ts";
import { DataError } from "./data_error.ts";
import { FORMATS } from "./describe_format.ts";
import type { Compression } from "./magic.ts";

/** Smaller pieces of inflated content are joined until they have this size. */
const MIN_PIECE_BYTES = 64 * 1024;
/** Larger pieces of compressed data are cut, because the inflaters copy what they look ahead at. */
const MAX_SOURCE_PIECE_BYTES = 1024 * 1024;

/** How {@linkcode decompress} works. */
export interface DecompressOptions {
  /**
   * Most bytes for one of the data. Layers of real images have 2 to 4, one with a database of zeros may have 100; gzip
   * can reach 1,032 and zstd 30,000.
   * @default {200}
   */
  ratio?: number;
  /**
   * Bytes up to which the ratio does not matter: a file of zeros is no attack, and these take a minute or two.
   * @default {64 * 1024 ** 3}
   */
  freeBytes?: number;
  /** Called with the position of what follows the last gzip member and is ignored, if something does. */
  onTrailing?: (position: number) => void;
}

const MAX_INFLATION_RATIO = 200;
const FREE_INFLATED_BYTES = 64 * 1024 ** 3;

/**
 * Inflates a stream, one piece each time the reader asks for one. It reads several gzip members, zstd frames or xz
 * streams one after the other, and ignores padding behind the last gzip member.
 *
 * Memory does not depend on the ratio: a bomb is inflated in steps of at most 16.5 MiB, and refused where it goes on and
 * on. Beyond that zstd holds its window, at most 128 MiB, and xz its dictionary, at most 64 MiB. The source is read to its
 * end, cancelled when the reader cancels or the data is corrupt, and its own errors pass unchanged. Data is checked
 * against the checksums and sizes that it carries.
 *
 * @param stream The compressed bytes; it belongs to the result from here on.
 * @param kind What {@linkcode sniffCompression} found.
 * @throws {ArchiveError} At once for bzip2, with a hint at the command to pipe through; while reading when the
 * data is corrupt, ends early or is a bomb.
 */
export function decompress(
  stream: ReadableStream<Uint8Array>,
  kind: Compression,
  name = `${kind} data`,
  options: DecompressOptions = {},
): ReadableStream<Bytes> {
  if (kind === "bzip2") throw unsupported(kind, name);
  const { ratio = MAX_INFLATION_RATIO, freeBytes = FREE_INFLATED_BYTES, onTrailing } = options;
  const source = new Source(stream);
  const pieces = joinSmall(inflate(kind, source.read(), onTrailing));
  let inflated = 0;
  const rests = new Rests();
  const next = async () => {
    try {
      const { value } = await pieces.next();
      if (!value) return undefined;
      inflated += value.length;
      await rests.after(value.length);
      if (inflated <= Math.max(freeBytes, ratio * source.position)) return value;
      throw new Error(`it has become ${inflated} bytes, more than ${ratio} times as much`);
    } catch (error) {
      void source.cancel(error);
      throw source.failure ? source.failure.error : inflateError(name, source.position, error);
    }
  };
  return createStream(next, async (reason) => {
    await source.cancel(reason);
    // Stopped in the middle of its data, the inflater may complain; nobody is left to hear it.
    await pieces.return(undefined).catch(() => {});
  });
}

/** Loads what inflates only when something is to be inflated: a push that finds all in place takes milliseconds. */
async function* inflate(
  kind: Exclude<Compression, "bzip2">,
  source: AsyncGenerator<Bytes>,
  onTrailing: ((position: number) => void) | undefined,
): AsyncGenerator<Bytes> {
  if (kind === "gzip") yield* (await import("./gunzip.ts")).gunzip(source, onTrailing);
  else if (kind === "zstd") yield* (await import("./unzstd.ts")).unzstd(source);
  else yield* (await import("./unxz.ts")).unxz(source);
}

function unsupported(kind: "bzip2", name: string): ArchiveError {
  const hint = FORMATS.find(({ compression }) => compression === kind)?.hint;
  return new ArchiveError(
    `Cannot inflate ${name}: it is compressed with ${kind}, expected gzip, zstd or xz`,
    { hint },
  );
}

function inflateError(name: string, position: number, cause: unknown): ArchiveError {
  const what = cause instanceof Error ? cause.message : String(cause);
  const hint = cause instanceof OciError ? cause.hint : undefined;
  const where = cause instanceof DataError ? "" : ` (found after reading ${position} bytes)`;
  return new ArchiveError(`Cannot inflate ${name}: ${what}${where}`, { cause, hint });
}

/** The compressed stream: what was read of it and, if it failed, its own error. */
class Source {
  position = 0;
  failure: { error: unknown } | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async *read(): AsyncGenerator<Bytes> {
    for (;;) {
      const { done, value } = await this.#next();
      if (done) return;
      for (let at = 0; at < value.length; at += MAX_SOURCE_PIECE_BYTES) {
        const piece = value.subarray(at, at + MAX_SOURCE_PIECE_BYTES);
        this.position += piece.length;
        yield toBytes(piece);
      }
    }
  }

  // A source that has failed or ended ignores it; one that fails to cancel has nothing to say to this reader.
  async cancel(reason: unknown): Promise<void> {
    await this.#reader.cancel(reason).catch(() => {});
  }

  async #next(): Promise<ReadableStreamReadResult<Uint8Array>> {
    try {
      return await this.#reader.read();
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

async function* joinSmall(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes, undefined> {
  let held: Bytes[] = [];
  let size = 0;
  for await (const piece of pieces) {
    // Endless empty frames must not fill the memory with pieces of no bytes.
    if (piece.length === 0) continue;
    held.push(piece);
    size += piece.length;
    if (size < MIN_PIECE_BYTES) continue;
    // A large piece goes on as it is rather than being copied behind a small one.
    const last = piece.length >= MIN_PIECE_BYTES ? held.pop() : undefined;
    if (held.length > 0) yield concat(held, last ? size - last.length : size);
    if (last) yield last;
    held = [];
    size = 0;
  }
  if (size > 0) yield concat(held, size);
}
