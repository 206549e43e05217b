import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import type { ContentBlob } from "../image/write_archive.ts";

/** Blobs that are read at the same time. */
const CONCURRENCY = 3;
/** A blob of up to so many bytes is read whole, larger ones pass through when their turn comes. */
export const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Bytes of blobs that are held before their turn comes. */
export const AHEAD_BYTES = 48 * 1024 * 1024;
/** Bytes that are handed on at once. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Reads the blobs of an archive before their turn comes: while one is written, the next are on their way. They are taken in
 * their order, each once.
 */
export class ReadAhead {
  readonly #blobs: readonly ContentBlob[];
  readonly #held = new Map<Digest, Promise<Bytes>>();
  /** The first one that has not been thought of. */
  #next = 0;
  #running = 0;
  #room = AHEAD_BYTES;

  /** @param blobs The blobs, in the order in which they will be taken. */
  constructor(blobs: readonly ContentBlob[]) {
    this.#blobs = blobs;
  }

  /** The content of a blob whose turn has come; nothing is read before it is asked for. */
  open(blob: ContentBlob): ReadableStream<Uint8Array> {
    if (!isSmall(blob)) return blob.open();
    let bytes: Bytes | undefined;
    let at = 0;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        bytes ??= await this.#take(blob);
        if (at < bytes.length) controller.enqueue(bytes.subarray(at, at += PIECE_BYTES));
        if (at >= bytes.length) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  async #take(blob: ContentBlob): Promise<Bytes> {
    // All before it have been taken: there is room for this one, if it has not been begun.
    this.#fill();
    const held = this.#held.get(blob.digest);
    if (!held) throw new TypeError("unreachable: blobs are taken in their order");
    const bytes = await held;
    this.#held.delete(blob.digest);
    this.#room += blob.size;
    this.#fill();
    return bytes;
  }

  /** Begins to read what there is room for. */
  #fill(): void {
    while (this.#running < CONCURRENCY) {
      const blob = this.#blobs[this.#next];
      if (!blob || (isSmall(blob) && blob.size > this.#room)) return;
      this.#next++;
      if (isSmall(blob)) this.#held.set(blob.digest, this.#read(blob));
    }
  }

  #read(blob: ContentBlob): Promise<Bytes> {
    this.#running++;
    this.#room -= blob.size;
    const read = blob.bytes().finally(() => {
      this.#running--;
      this.#fill();
    });
    // It fails where it is taken.
    read.catch(() => {});
    return read;
  }
}

function isSmall({ size }: ContentBlob): boolean {
  return size <= MAX_HELD_BYTES;
}
