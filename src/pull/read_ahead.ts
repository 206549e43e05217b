import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import type { ContentBlob } from "../image/write_archive.ts";
import { hasNativeHash } from "../incremental_hash.ts";

/** Blobs that are held or on their way at the same time. */
const MAX_BLOBS = 3;
/** Bytes that are handed on at once. */
const PIECE_BYTES = 1024 * 1024;

/** One that can be read into a room. */
type HeldBlob = ContentBlob & Required<Pick<ContentBlob, "read">>;

type ReceivedListener = (blob: ContentBlob, received: number) => void | Promise<void>;

/** What is held, in bytes. */
export interface HeldLimits {
  /** All together. */
  roomBytes: number;
  /** The largest blob; larger ones pass through when their turn comes. */
  blobBytes: number;
}

/** No blob that is larger is held. One that is held is hashed whole, which is several times as fast as piece by piece. */
export const MAX_HELD_BYTES = 32 * 1024 * 1024;
const LIMITS: HeldLimits = { roomBytes: MAX_HELD_BYTES, blobBytes: MAX_HELD_BYTES };
/** The same where the runtime has a hash that is fed piece by piece: only small blobs, whose requests take most of the time. */
const NATIVE_LIMITS: HeldLimits = { roomBytes: 6 * 1024 * 1024, blobBytes: 2 * 1024 * 1024 };

/**
 * Reads the blobs of an archive before their turn comes: while one is written, the next are on their way. They are taken in
 * their order, each once.
 */
export class ReadAhead {
  readonly #blobs: readonly ContentBlob[];
  readonly #onReceived: ReceivedListener;
  readonly #blobBytes: number;
  readonly #room: Room;
  readonly #held = new Map<Digest, Promise<Bytes>>();
  /** The first one that has not been thought of. */
  #next = 0;

  /**
   * @param blobs The blobs, in the order in which they will be taken.
   * @param onReceived Told how much there is of one that is held; what it returns is awaited before more is read.
   */
  constructor(
    blobs: readonly ContentBlob[],
    onReceived: ReceivedListener = () => {},
    { roomBytes, blobBytes }: HeldLimits = hasNativeHash("sha256") ? NATIVE_LIMITS : LIMITS,
  ) {
    this.#blobs = blobs;
    this.#onReceived = onReceived;
    this.#room = new Room(roomBytes);
    this.#blobBytes = blobBytes;
  }

  /** The content of a blob whose turn has come; nothing is read before it is asked for. */
  open(blob: ContentBlob): ReadableStream<Uint8Array> {
    if (!this.#isHeld(blob)) return blob.open();
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const bytes = await this.#find(blob);
        if (at < bytes.length) controller.enqueue(bytes.slice(at, at += PIECE_BYTES));
        if (at < bytes.length) return;
        this.#release(blob);
        controller.close();
      },
    }, { highWaterMark: 0 });
  }

  #find({ digest }: ContentBlob): Promise<Bytes> {
    // All before it have been taken: there is room for this one, if it has not been begun.
    this.#fill();
    const held = this.#held.get(digest);
    if (held) return held;
    throw new TypeError("unreachable: blobs are taken in their order");
  }

  #release({ digest }: ContentBlob): void {
    this.#held.delete(digest);
    this.#room.release();
    this.#fill();
  }

  /** Begins to read what there is room for. */
  #fill(): void {
    for (let blob; this.#held.size < MAX_BLOBS && (blob = this.#blobs[this.#next]); this.#next++) {
      if (!this.#isHeld(blob)) continue;
      const room = this.#room.take(blob.size);
      if (!room) return;
      const bytes = this.#read(blob, room);
      // It fails where it is taken.
      bytes.catch(() => {});
      this.#held.set(blob.digest, bytes);
    }
  }

  #read(blob: HeldBlob, room: Bytes): Promise<Bytes> {
    return blob.read(room, (received) => this.#onReceived(blob, received));
  }

  #isHeld(blob: ContentBlob): blob is HeldBlob {
    return blob.read !== undefined && blob.size <= this.#blobBytes;
  }
}

/** Memory whose parts are given back in the order in which they were taken. It is used again and again: garbage of this size is collected late. */
class Room {
  readonly #size: number;
  #bytes: Bytes | undefined;
  /** What is taken, the oldest first. */
  readonly #parts: Bytes[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** A part of so many bytes; undefined where there is no room for it now. */
  take(size: number): Bytes | undefined {
    const start = this.#findStart(size);
    if (start === undefined) return undefined;
    this.#bytes ??= new Uint8Array(this.#size);
    const part = this.#bytes.subarray(start, start + size);
    this.#parts.push(part);
    return part;
  }

  /** Gives the oldest part back. */
  release(): void {
    this.#parts.shift();
  }

  #findStart(size: number): number | undefined {
    const [first] = this.#parts;
    const last = this.#parts.at(-1);
    if (!first || !last) return size <= this.#size ? 0 : undefined;
    const isAround = last.byteOffset < first.byteOffset;
    // As far in front as can be: what was never written to takes no memory.
    if (!isAround && size > 0 && size <= first.byteOffset) return 0;
    const end = last.byteOffset + last.length;
    return end + size <= (isAround ? first.byteOffset : this.#size) ? end : undefined;
  }
}
