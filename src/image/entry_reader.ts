import { type Bytes, createStream, toBytes } from "../bytes.ts";
import type { ArchiveError } from "../errors.ts";
import { free } from "../owned_bytes.ts";
import { unreadable } from "./files.ts";

/** Reads one entry's body in parts. */
export class EntryReader {
  readonly #path: string;
  readonly #size: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Bytes | undefined;

  constructor(path: string, size: number, readable: ReadableStream<Uint8Array>) {
    this.#path = path;
    this.#size = size;
    this.#reader = readable.getReader();
  }

  /** The next piece, which has bytes: streams of others give empty ones, too. */
  async next(): Promise<Bytes | undefined> {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) return rest;
    for (;;) {
      const { value } = await this.#reader.read();
      if (!value) return undefined;
      if (value.length > 0) return toBytes(value);
    }
  }

  /** The next `length` bytes. */
  async read(length: number): Promise<Bytes> {
    const bytes = new Uint8Array(length);
    await this.#fill(bytes, 0);
    return bytes;
  }

  /**
   * The whole body, of which `head` has been read, in a buffer that is nobody else's.
   *
   * @param room Waits until so many further bytes may be kept.
   */
  async readAll(head: Bytes, room?: (bytes: number) => Promise<void>): Promise<Bytes> {
    const bytes = new Uint8Array(this.#size);
    await room?.(head.length);
    bytes.set(head);
    await this.#fill(bytes, head.length, room);
    // Reading on is what tells the untar stream that the body was wanted to its end.
    if (await this.next()) throw await this.#tooLong();
    return bytes;
  }

  /** The whole body as a stream, `head` first. */
  stream(head: Bytes): ReadableStream<Bytes> {
    let left = this.#size;
    let first: Bytes | undefined = head;
    const next = async () => {
      const piece = first ?? await this.next();
      first = undefined;
      left -= piece?.length ?? 0;
      if (!piece && left > 0) throw endedEarly(this.#path, left);
      if (left < 0) throw await this.#tooLong();
      return piece;
    };
    return createStream(next, () => this.cancel());
  }

  async cancel(): Promise<undefined> {
    await this.#reader.cancel();
  }

  async #tooLong(): Promise<ArchiveError> {
    await this.cancel();
    const state = `its stream has more than the ${this.#size} bytes that its header says`;
    return unreadable(this.#path, state);
  }

  async #fill(bytes: Bytes, from: number, room?: (bytes: number) => Promise<void>): Promise<void> {
    let filled = from;
    while (filled < bytes.length) {
      const piece = await this.next();
      if (!piece) throw endedEarly(this.#path, bytes.length - filled);
      const part = piece.subarray(0, bytes.length - filled);
      if (room) await room(part.length);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length < piece.length) this.#rest = piece.subarray(part.length);
      else free(piece);
    }
  }
}

function endedEarly(path: string, missing: number): ArchiveError {
  return unreadable(path, `its stream ended ${missing} bytes early`);
}
