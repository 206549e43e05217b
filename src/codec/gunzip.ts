import type { Bytes } from "../bytes.ts";
import { crc32 } from "./crc32.ts";
import {
  HEADER_BYTES,
  headerLength,
  isInReach,
  nextCut,
  type Progress,
  SLICE_BYTES,
  startsLikeMember,
  TRAILER_BYTES,
  uint32,
  windows,
} from "./gzip_cuts.ts";

/** The same at first, and after a slice that gave more than 1 MiB: a bomb goes in steps of 1 MiB. */
const SMALL_SLICE_BYTES = 1024;
const LARGE_OUTPUT_BYTES = 1024 * 1024;
/** The shortest deflate data: a final block with fixed codes that has no content. */
const MIN_DEFLATE_BYTES = 2;
/**
 * Turns of the event loop without anything that comes out, after which nothing is to come: where threads inflate, as in Node.js,
 * and they are busy, many pass.
 */
const IDLE_TURNS = 500;
/** The same where nothing looks like an end, but that it would be in the middle of what follows. */
const FEW_TURNS = 4;
/** How often on end that is waited for in vain: data can be full of what looks like ends of members. */
const MAX_VAIN_WAITS = 8;

/**
 * Inflates gzip data (RFC 1952): any number of members, each checked against its CRC-32 and its length. As gzip(1)
 * does, it ignores what follows the last member and is none: zeros of any number, other bytes up to 64 KiB. The pieces
 * are read to their end in any case.
 *
 * The runtime inflates, several times as fast as a script can, but it fails on whatever follows a member and does not
 * tell where that ended. So its input is cut wherever a member may end: before what looks like a header or padding,
 * and in the last 64 KiB anywhere. When the eight bytes before a cut are the checksum and the length of the content so
 * far, the member is over; the runtime's own check decides whether that was true.
 *
 * @param onTrailing Called with the position of what follows the last member and is none, if something does.
 * @returns The content, at most 16.5 MiB at a time.
 * @throws {Error} If the data is corrupt or ends inside a member.
 */
export async function* gunzip(
  pieces: AsyncIterable<Bytes>,
  onTrailing?: (position: number) => void,
): AsyncGenerator<Bytes> {
  let member: Member | undefined;
  let members = 0;
  let isOver = false;
  let last: Bytes = new Uint8Array();
  const isLate = await (late ??= handsOutLate());
  let waits = MAX_VAIN_WAITS;
  try {
    for await (const window of windows(pieces)) {
      let at = window.start;
      last = window.bytes;
      while (at < window.stop && !isOver) {
        if (!member && members > 0 && !startsLikeMember(window.bytes, at)) {
          isOver = true;
          onTrailing?.(window.position + at);
          break;
        }
        member ??= new Member(headerLength(window.bytes, at), members + 1);
        const { end, size, isLikely = false } = nextCut(window, at, member);
        yield* member.inflate(window.bytes.subarray(at, end), isLate);
        at = end;
        const isEmpty = member.isEmptyAt(window.bytes, at);
        const expected = isEmpty ? 0 : size;
        if (isLate && expected !== undefined) {
          const isWorthIt = (isLikely || isEmpty) && waits > 0;
          const isVain = !(yield* member.settle(expected, isWorthIt));
          if (isWorthIt) waits = isVain ? waits - 1 : MAX_VAIN_WAITS;
        }
        if (!member.hasTrailer(window.bytes, at)) continue;
        await member.close();
        member = undefined;
        members++;
      }
    }
    // Its end goes unseen where the last of its content comes out after the writing, as now and then in Node.js.
    if (member) {
      yield* await member.finish(last);
      members++;
    }
    if (members === 0) throw new Error("the data is empty, expected gzip");
  } finally {
    await member?.abort();
  }
}

let late: Promise<boolean> | undefined;

/**
 * Whether what is inflated comes out in a later turn of the event loop than the writing ends in, as in workerd and Node.js;
 * others are done with a piece by then.
 */
async function handsOutLate(): Promise<boolean> {
  const probe = new Member(HEADER_BYTES, 0);
  const { done = false } = await probe.inflate(ONE_ZERO, false).next();
  await probe.abort();
  return done;
}

/** A member whose content is a byte of zero. */
const ONE_ZERO = Uint8Array.from(
  [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 1, 1, 0, 254, 255, 0, 141, 239, 2, 210, 1, 0, 0, 0],
);

/** One gzip member on its way through the runtime's decoder. */
class Member implements Progress {
  missing: number;
  // Nothing is known of the data yet.
  sliceBytes = SMALL_SLICE_BYTES;
  size = 0;
  unheard = 0;
  readonly #number: number;
  readonly #writer: WritableStreamDefaultWriter<Bytes>;
  readonly #drained: Promise<void>;
  #output: Bytes[] = [];
  #onOutput = () => {};
  #crc = 0;

  constructor(headerLength: number, number: number) {
    if (!("DecompressionStream" in globalThis)) {
      throw new Error("this runtime has no DecompressionStream, which gzip data needs");
    }
    const decoder: ReadableWritablePair<Bytes, Bytes> = new DecompressionStream("gzip");
    this.#number = number;
    this.missing = headerLength + MIN_DEFLATE_BYTES + TRAILER_BYTES;
    this.#writer = decoder.writable.getWriter();
    // A failure of the decoder is reported by the call that writes or closes.
    this.#writer.closed.catch(() => {});
    this.#drained = this.#drain(decoder.readable.getReader()).catch(() => {});
  }

  /** Inflates the next bytes: all that comes of them is out when this is done, or some of it where it comes late. */
  async *inflate(bytes: Bytes, isLate: boolean): AsyncGenerator<Bytes> {
    const before = this.size;
    let isTaken = false;
    const written = this.#check(this.#writer.write(bytes)).finally(() => {
      isTaken = true;
      this.#onOutput();
    });
    // Its failure is met below.
    written.catch(() => {});
    this.missing -= bytes.length;
    this.unheard += isLate ? bytes.length : 0;
    // Until it is taken, a decoder that is late may hand out what it held: far more than a slice.
    while (isLate && !isTaken) yield* await this.#hear();
    await written;
    if (isLate && this.size === before) yield* await this.#hear();
    yield* this.#takeOutput();
  }

  /**
   * Waits for what is still to come out where a member is over if its content is of a size.
   *
   * @returns Whether it is clear now if it is; else nothing has come for as long as is waited.
   */
  async *settle(size: number, isLikely: boolean): AsyncGenerator<Bytes, boolean> {
    for (let idle = 0; idle < (isLikely ? IDLE_TURNS : FEW_TURNS); idle++) {
      if (size > 0 && this.size === size || !isInReach(size, this, isLikely)) return true;
      const output = await this.#hear();
      yield* output;
      if (output.length > 0) idle = 0;
    }
    this.unheard = 0;
    return false;
  }

  /** Waits until something comes out, for a turn of the event loop where nothing does. */
  async #hear(): Promise<Bytes[]> {
    if (this.#output.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve);
        this.#onOutput = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#takeOutput();
  }

  /** What came out since the last time. */
  #takeOutput(): Bytes[] {
    const output = this.#output;
    this.#output = [];
    let grown = 0;
    for (const piece of output) {
      this.#crc = crc32(piece, this.#crc);
      grown += piece.length;
    }
    this.size = (this.size + grown) >>> 0;
    if (grown > LARGE_OUTPUT_BYTES) this.sliceBytes = SMALL_SLICE_BYTES;
    // Not at once: a decoder may give what it owes with the next slice.
    else if (grown < LARGE_OUTPUT_BYTES / 16) {
      this.sliceBytes = Math.min(2 * this.sliceBytes, SLICE_BYTES);
    }
    return output;
  }

  /** Whether the bytes before `end`, the last ones inflated, are the trailer for the content so far. */
  hasTrailer(bytes: Bytes, end: number): boolean {
    return this.missing <= 0 && uint32(bytes, end - 4) === this.size &&
      uint32(bytes, end - 8) === this.#crc;
  }

  /** Whether that is so before any content: zeros in what is not inflated yet look the same. */
  isEmptyAt(bytes: Bytes, end: number): boolean {
    return this.size === 0 && this.hasTrailer(bytes, end);
  }

  async close(): Promise<void> {
    await this.#check(this.#writer.close());
    await this.#drained;
    if (this.#output.length > 0) {
      throw new Error(`gzip member ${this.#number} is longer than it says`);
    }
  }

  /** Ends a member with the end of the data, `last` being what they end with: gives what was still to come out. */
  async finish(last: Bytes): Promise<Bytes[]> {
    await this.#check(this.#writer.close());
    await this.#drained;
    const output = this.#takeOutput();
    if (!this.hasTrailer(last, last.length)) throw damaged(this.#number);
    return output;
  }

  async abort(): Promise<void> {
    await this.#writer.abort().catch(() => {});
  }

  async #drain(reader: ReadableStreamDefaultReader<Bytes>): Promise<void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#output.push(value);
      this.#onOutput();
    }
  }

  async #check(step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (cause) {
      throw damaged(this.#number, cause);
    }
  }
}

// The trailer tells where a member ends, so a wrong one looks like data that goes on; runtimes notice at different places.
function damaged(number: number, cause?: unknown): Error {
  return new Error(`gzip member ${number} is damaged, ends early or has a wrong checksum`, {
    cause,
  });
}
