import { concat } from "../../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import type { IncrementalHash } from "../../incremental_hash.ts";
import type { BlobSource, SourceSlice } from "../../source/blob_source.ts";

/** Up to here a piece that is a whole blob is hashed in one go. */
const ONE_PIECE_BYTES = 1024 * 1024;

/**
 * A blob that is hashed while the whole of it is read: where it is not any more what it was, the last piece is not given
 * out, so that nobody takes the rest for all of it. Parts of it are given out as they are.
 */
export class VerifiedBlob implements BlobSource {
  readonly size: number;
  readonly #source: BlobSource;
  readonly #digest: Digest;
  readonly #startHash: () => Promise<IncrementalHash>;
  readonly #onDamage: () => Error;

  /**
   * @param source The blob.
   * @param digest What it must have.
   * @param startHash Begins to hash it.
   * @param onDamage Makes the error for a blob that has another one.
   */
  constructor(
    source: BlobSource,
    digest: Digest,
    startHash: () => Promise<IncrementalHash>,
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
    return { stream: () => ReadableStream.from(this.#pieces()) };
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    const hash = this.size > ONE_PIECE_BYTES ? await this.#startHash() : this.#holdPieces();
    let last: Uint8Array | undefined;
    for await (const piece of this.#source.slice(0, this.size).stream()) {
      if (last) yield last;
      last = piece;
      await hash.update(piece);
    }
    if (await hash.digest() !== this.#digest) throw this.#onDamage();
    if (last) yield last;
  }

  #holdPieces(): IncrementalHash {
    const algorithm = digestAlgorithm(this.#digest);
    const pieces: Uint8Array[] = [];
    return {
      update: (bytes) => void pieces.push(bytes),
      digest: () => digestBytes(concat(pieces, sizeOf(pieces)), algorithm),
    };
  }
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((size, { length }) => size + length, 0);
}
