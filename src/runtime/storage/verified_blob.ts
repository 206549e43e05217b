import { type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import type { IncrementalHash } from "../../incremental_hash.ts";
import { type BlobSource, readRange, type SourceSlice } from "../../source/blob_source.ts";

/** Up to here a blob is read and hashed in one go. */
const ONE_PIECE_BYTES = 1024 * 1024;

/**
 * A blob that is hashed while the whole of it is read: where it is not any more what it was, the last piece is not given
 * out, so that nobody takes the rest for all of it. Parts of it are given out as they are.
 */
export class VerifiedBlob implements BlobSource {
  readonly size: number;
  readonly #source: BlobSource;
  readonly #digest: Digest;
  readonly #startHash: (signal: AbortSignal) => Promise<IncrementalHash>;
  readonly #onDamage: () => Error;

  /**
   * @param startHash Begins to hash it; the signal says that nobody reads any more.
   * @param onDamage Makes the error for a blob that has another one.
   */
  constructor(
    source: BlobSource,
    digest: Digest,
    startHash: (signal: AbortSignal) => Promise<IncrementalHash>,
    onDamage: () => Error,
  ) {
    this.size = source.size;
    this.#source = source;
    this.#digest = digest;
    this.#startHash = startHash;
    this.#onDamage = onDamage;
  }

  slice(start: number, end: number): SourceSlice {
    if (start > 0 || end < this.size) return this.#source.slice(start, end);
    if (this.size <= ONE_PIECE_BYTES) {
      const stream = () => ReadableStream.from(this.#onePiece());
      return { stream, arrayBuffer: () => this.#readAtOnce() };
    }
    const whole = this.#source.slice(0, this.size);
    const verified = (pieces: ReadableStream<Uint8Array>) =>
      ReadableStream.from(this.#verify(pieces));
    const { ownStream } = whole;
    return {
      stream: () => verified(whole.stream()),
      // The hash has let go of a piece when it is given out.
      ...(ownStream && { ownStream: () => verified(ownStream.call(whole)) }),
    };
  }

  async *#onePiece(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(await this.#readAtOnce());
  }

  async #readAtOnce(): Promise<ArrayBuffer> {
    const bytes = await readRange(this.#source, 0, this.size);
    if (await digestBytes(bytes, digestAlgorithm(this.#digest)) !== this.#digest) {
      throw this.#onDamage();
    }
    return bytes.length === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }

  async *#verify(pieces: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
    const ending = new AbortController();
    try {
      const hash = await this.#startHash(ending.signal);
      let left = this.size;
      for await (const piece of pieces) {
        await hash.update(piece);
        left -= piece.length;
        if (left <= 0 && await hash.digest() !== this.#digest) throw this.#onDamage();
        yield piece;
      }
      if (left > 0) throw this.#onDamage();
    } finally {
      ending.abort();
    }
  }
}
