import { concat, createStream, toBytes } from "../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
import type { Hasher, IncrementalHash } from "../incremental_hash.ts";
import type { BlobSource } from "../source/blob_source.ts";
import type { BlobWriter } from "../storage.ts";

/** Largest blob that is hashed in one piece by Web Crypto, which is the fastest way but takes a copy meanwhile. */
const MAX_ONE_PIECE_BYTES = 64 * 1024 * 1024;
/** Size of the pieces in which a blob is read: large enough to cost little, small enough to copy. */
const READ_BYTES = 1024 * 1024;

/** Takes a blob that is whole. */
export type Publish = (repository: string, digest: Digest, blob: MemoryBlob) => void;

export class MemoryWriter implements BlobWriter {
  size = 0;
  readonly #hasher: Hasher;
  readonly #publish: Publish;
  #pieces: Uint8Array[] | undefined = [];
  /** SHA-256 on the way, once the blob is too large for one piece; few blobs have another algorithm. */
  #hash: IncrementalHash | undefined;

  constructor(hasher: Hasher, publish: Publish) {
    this.#hasher = hasher;
    this.#publish = publish;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#pieces) throw new Error("Cannot write blob: its writer has ended");
    const piece = ownPiece(bytes);
    this.#pieces.push(piece);
    this.size += piece.length;
    if (this.size <= MAX_ONE_PIECE_BYTES) return;
    if (this.#hash) return await this.#hash.update(piece);
    this.#hash = await hashPieces(this.#pieces, await this.#hasher("sha256"));
  }

  async commit(repository: string, digest: Digest): Promise<void> {
    const pieces = this.#pieces;
    if (!pieces) throw new Error("Cannot commit blob: its writer has ended");
    this.#pieces = undefined;
    const actual = await this.#digest(pieces, digest);
    if (actual !== digest) {
      throw new DigestMismatchError(
        `Cannot commit blob of ${this.size} bytes: its digest is ${actual}, expected ${digest}`,
        { expected: digest, actual },
      );
    }
    this.#publish(repository, digest, new MemoryBlob(pieces, this.size));
  }

  discard(): Promise<void> {
    this.#pieces = undefined;
    return Promise.resolve();
  }

  async #digest(pieces: readonly Uint8Array[], expected: Digest): Promise<Digest> {
    const algorithm = digestAlgorithm(expected);
    if (this.size <= MAX_ONE_PIECE_BYTES) {
      return await digestBytes(concat(pieces, this.size), algorithm);
    }
    if (this.#hash && algorithm === "sha256") return await this.#hash.digest();
    return await (await hashPieces(pieces, await this.#hasher(algorithm))).digest();
  }
}

/** The bytes in a buffer that they do not share with much else, so that keeping them keeps little more alive. */
function ownPiece(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.byteLength ? bytes.slice() : toBytes(bytes);
}

async function hashPieces(
  pieces: readonly Uint8Array[],
  hash: IncrementalHash,
): Promise<IncrementalHash> {
  for (const piece of pieces) await hash.update(piece);
  return hash;
}

/** A blob in the pieces in which it came. */
export class MemoryBlob implements BlobSource {
  readonly size: number;
  readonly #pieces: readonly Uint8Array[];

  constructor(pieces: readonly Uint8Array[], size: number) {
    this.#pieces = pieces;
    this.size = size;
  }

  slice(start: number, end: number): { stream(): ReadableStream<Uint8Array> } {
    return {
      stream: () => {
        const pieces = this.#read(start, Math.min(end, this.size));
        return createStream(() => pieces.next().value);
      },
    };
  }

  // Copies, not views: a reader that changes or transfers what it got must not change what the next one gets.
  *#read(start: number, end: number): Generator<Uint8Array, undefined> {
    let offset = 0;
    for (const piece of this.#pieces) {
      const last = Math.min(piece.length, end - offset);
      for (let from = Math.max(0, start - offset); from < last; from += READ_BYTES) {
        yield piece.slice(from, Math.min(last, from + READ_BYTES));
      }
      offset += piece.length;
      if (offset >= end) return;
    }
  }
}
