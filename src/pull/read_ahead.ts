import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import type { ContentBlob } from "../image/write_archive.ts";
import { hasNativeHash } from "../incremental_hash.ts";

/** Blobs that are held or on their way at the same time: each has a room of its own. */
const ROOMS = 3;
/** A blob of up to so many bytes is read whole, larger ones pass through when their turn comes. */
export const MAX_HELD_BYTES = 6 * 1024 * 1024;
/** The same where the runtime has a hash that is fed piece by piece: only small blobs, whose requests take most of the time. */
const MAX_HELD_BYTES_NATIVE = 2 * 1024 * 1024;
/** Bytes that are handed on at once. */
const PIECE_BYTES = 1024 * 1024;

/** A blob that is held or on its way, and what its room is. */
interface HeldBlob {
  bytes: Promise<Bytes>;
  room: Bytes;
}

/**
 * Reads the blobs of an archive before their turn comes: while one is written, the next are on their way. They are taken in
 * their order, each once. The memory for that is used again and again: garbage of this size is collected late.
 */
export class ReadAhead {
  readonly #blobs: readonly ContentBlob[];
  readonly #heldBytes: number;
  readonly #held = new Map<Digest, HeldBlob>();
  readonly #rooms: Bytes[] = [];
  /** The first one that has not been thought of. */
  #next = 0;

  /**
   * @param blobs The blobs, in the order in which they will be taken.
   * @param heldBytes Size of the largest that is held.
   */
  constructor(blobs: readonly ContentBlob[], heldBytes: number = usualHeldBytes()) {
    this.#blobs = blobs;
    this.#heldBytes = heldBytes;
  }

  /** The content of a blob whose turn has come; nothing is read before it is asked for. */
  open(blob: ContentBlob): ReadableStream<Uint8Array> {
    if (!this.#isHeld(blob)) return blob.open();
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const bytes = await this.#find(blob).bytes;
        if (at < bytes.length) controller.enqueue(bytes.slice(at, at += PIECE_BYTES));
        if (at < bytes.length) return;
        this.#release(blob);
        controller.close();
      },
    }, { highWaterMark: 0 });
  }

  #find({ digest }: ContentBlob): HeldBlob {
    // All before it have been taken: there is room for this one, if it has not been begun.
    this.#fill();
    const held = this.#held.get(digest);
    if (held) return held;
    throw new TypeError("unreachable: blobs are taken in their order");
  }

  #release({ digest }: ContentBlob): void {
    const held = this.#held.get(digest);
    if (held) this.#rooms.push(held.room);
    this.#held.delete(digest);
    this.#fill();
  }

  /** Begins to read what there is room for. */
  #fill(): void {
    for (let blob; this.#held.size < ROOMS && (blob = this.#blobs[this.#next]); this.#next++) {
      if (!this.#isHeld(blob)) continue;
      const room = this.#rooms.pop() ?? new Uint8Array(this.#heldBytes);
      const bytes = blob.read(room);
      // It fails where it is taken.
      bytes.catch(() => {});
      this.#held.set(blob.digest, { bytes, room });
    }
  }

  #isHeld(blob: ContentBlob): blob is ContentBlob & Required<Pick<ContentBlob, "read">> {
    return blob.read !== undefined && blob.size <= this.#heldBytes;
  }
}

function usualHeldBytes(): number {
  return hasNativeHash("sha256") ? MAX_HELD_BYTES_NATIVE : MAX_HELD_BYTES;
}
