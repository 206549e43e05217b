import { type Bytes, collect, giveUp, type PieceReader, streamOf } from "../bytes.ts";
import { anySignal } from "../concurrency.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { DigestMismatchError, OciError } from "../errors.ts";
import { type ArchiveFile, type FilledListener, PEEK_BYTES } from "../image/files.ts";
import type { Hasher } from "../incremental_hash.ts";
import type { Descriptor } from "../media_types.ts";
import { detach, own } from "../owned_bytes.ts";
import { INFLATED_HINT, readBlob, wrongDigest } from "../registry/blob_content.ts";
import { nameOf, type RepositoryContext } from "../registry/blobs.ts";
import { isRuntimeFetch } from "../registry/http/http.ts";
import { type BlobSource, readRange } from "../source/blob_source.ts";

/** What reads of a repository share. */
export interface RemoteReadOptions {
  /** Aborts every read. */
  signal?: AbortSignal | undefined;
  /** Told before each wait for another attempt; `digest` is that of the blob, where one is read. */
  onRetry?:
    | ((attempt: number, delay: number, error: Error, digest?: Digest) => void | Promise<void>)
    | undefined;
  /** Whether who reads a blob piece by piece may free what came from the network; see `owned_bytes.ts`. */
  isOwn?: boolean | undefined;
  /** Told how many bytes of content came, piece by piece. */
  onRead?: ((bytes: number) => void) | undefined;
  /**
   * Makes the hashes that blobs are checked with.
   * @default {createHash}
   */
  hasher?: Hasher | undefined;
}

/**
 * A blob of a registry as a file. Nothing is asked for before it is read; it may be read any number of times. A read of
 * the whole checks digest and length, and gives its last piece only then; a broken connection is opened again where it
 * broke.
 *
 * @param options Signal, listeners and hasher of every read.
 */
export function remoteFile(
  context: RepositoryContext,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  options: RemoteReadOptions,
): ArchiveFile {
  const blob = new RemoteBlob(context, digest, size, options);
  let head: Promise<Bytes> | undefined;
  return {
    path: `${nameOf(context)}@${digest}`,
    size,
    body: blob,
    failure: () => blob.failure,
    peek: () => head ??= readRange(blob, 0, PEEK_BYTES),
    bytes: async (limit) => {
      if (size > limit) {
        throw new OciError(
          `Cannot read ${blob.name}: it has ${size} bytes, expected at most ${limit}`,
        );
      }
      return await blob.read(0, size);
    },
    bytesInto: (room, onFilled) => blob.readWhole(room, onFilled),
  };
}

class RemoteBlob implements BlobSource {
  readonly size: number;
  /** For messages. */
  readonly name: string;
  /** What a read failed with last. */
  failure: unknown;
  readonly #context: RepositoryContext;
  readonly #digest: Digest;
  readonly #options: RemoteReadOptions;
  /** What to look at where the length is wrong. */
  #hint: string | undefined;

  constructor(
    context: RepositoryContext,
    digest: Digest,
    size: number,
    options: RemoteReadOptions,
  ) {
    this.size = size;
    this.name = `blob ${digest} of ${nameOf(context)}`;
    this.#context = context;
    this.#digest = digest;
    this.#options = options;
  }

  slice(start: number, end: number): {
    stream(): ReadableStream<Bytes>;
    arrayBuffer(): Promise<ArrayBuffer>;
  } {
    const last = Math.max(start, Math.min(end, this.size));
    return {
      stream: () => this.#open(start, last),
      arrayBuffer: async () => {
        const bytes = await this.read(start, last);
        return bytes.length === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
      },
    };
  }

  async read(start: number, end: number): Promise<Bytes> {
    if (start === 0 && end === this.size) return await this.readWhole(new Uint8Array(end));
    return await collect(this.#open(start, end), end - start, () => this.#wrongSize("more"));
  }

  /** Reads all of it. Filled as it comes: pieces that are joined at the end take twice the room. */
  async readWhole(room: Bytes, onFilled?: FilledListener): Promise<Bytes> {
    let filled = 0;
    const isFromNetwork = isRuntimeFetch(this.#context.http);
    const reader = this.#reader(0, this.size, { verify: false });
    try {
      for (let piece; (piece = await reader.read());) {
        room.set(piece, filled);
        filled += piece.length;
        if (isFromNetwork) detach(piece.buffer);
        await onFilled?.(filled);
      }
    } catch (error) {
      giveUp(reader, error);
      throw error;
    }
    const bytes = room.subarray(0, this.size);
    // Hashing all at once is several times as fast where the runtime has no hash that is fed piece by piece.
    const actual = await digestBytes(bytes, digestAlgorithm(this.#digest));
    if (actual === this.#digest) return bytes;
    throw wrongDigest(this.#context, this.#digest, actual, this.#hint);
  }

  #open(start: number, end: number): ReadableStream<Bytes> {
    return streamOf(this.#reader(start, end));
  }

  #reader(start: number, end: number, { verify = true } = {}): PieceReader {
    const { http } = this.#context;
    const closed = new AbortController();
    let reader: PieceReader | undefined;
    let left = end - start;
    const next = async () => {
      reader ??= await this.#request(start, end, verify, closed.signal);
      return await reader.read();
    };
    const nextPiece = async (): Promise<Bytes | undefined> => {
      if (start === end && this.size > 0) return undefined;
      const piece = await next();
      if (!piece && left > 0) throw this.#wrongSize("fewer");
      if (!piece) return undefined;
      left -= piece.length;
      // The end of the whole is where its digest is checked: without its last bytes nobody takes it for good.
      if (left < 0 || (left === 0 && await next())) throw this.#wrongSize("more");
      return piece;
    };
    const read = async () => {
      try {
        const piece = await nextPiece();
        if (!piece) return undefined;
        this.#options.onRead?.(piece.length);
        return this.#options.isOwn && isRuntimeFetch(http) ? own(piece) : piece;
      } catch (error) {
        this.failure = error;
        giveUp(reader, error);
        throw error;
      }
    };
    const cancel = async (reason: unknown) => {
      closed.abort(reason);
      // The connection is given up; that its end may be untidy is of no interest.
      await reader?.cancel(reason).catch(() => {});
    };
    return { read, cancel };
  }

  async #request(
    start: number,
    end: number,
    verify: boolean,
    closed: AbortSignal,
  ): Promise<PieceReader> {
    const { signal, onRetry, hasher } = this.#options;
    const isWhole = start === 0 && end === this.size;
    const { size, reader } = await readBlob(this.#context, this.#digest, {
      ...(isWhole ? { size: this.size } : { start, end }),
      signal: anySignal(signal, closed),
      onRetry: (attempt, delay, error) => onRetry?.(attempt, delay, error, this.#digest),
      hasher,
      verify,
    });
    this.#hint = size === undefined ? INFLATED_HINT : undefined;
    if (size === undefined || size === end - start) return reader;
    giveUp(reader);
    throw this.#wrongSize(size < end - start ? "fewer" : "more");
  }

  #wrongSize(found: "more" | "fewer"): DigestMismatchError {
    return new DigestMismatchError(
      `Cannot trust ${this.name}: it has ${found} bytes than the ${this.size} of its descriptor`,
      { expected: this.#digest, hint: this.#hint },
    );
  }
}
