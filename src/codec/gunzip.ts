import { type Bytes, concat } from "../bytes.ts";
import { crc32 } from "./crc32.ts";

/** Compressed bytes that are inflated at once. Deflate yields at most 1032 bytes for one, so 16.5 MiB. */
const SLICE_BYTES = 16 * 1024;
/** The same at first, and after a slice that gave more than 1 MiB: a bomb goes in steps of 1 MiB. */
const SMALL_SLICE_BYTES = 1024;
const LARGE_OUTPUT_BYTES = 1024 * 1024;
/** Bytes that are held back until the end is known: a header, or what follows the last member, may be as long. */
const TAIL_BYTES = 64 * 1024;
/** CRC-32 and length of the content, four bytes each, behind the deflate data of a member. */
const TRAILER_BYTES = 8;
/** The shortest deflate data: a final block with fixed codes that has no content. */
const MIN_DEFLATE_BYTES = 2;
/** So many zeros look like padding. */
const PADDING_BYTES = 8;

const HEADER_BYTES = 10;
const HEADER_CHECKSUM = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;

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
        const end = nextCut(window, at, member);
        yield* await member.inflate(window.bytes.subarray(at, end), isLate);
        at = end;
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
 * Whether what is inflated comes out in a later turn of the event loop than the writing ends in, as in workerd; others are
 * done with a piece by then.
 */
async function handsOutLate(): Promise<boolean> {
  const probe = new Member(HEADER_BYTES, 0);
  const output = await probe.inflate(ONE_ZERO, false);
  await probe.abort();
  return output.length === 0;
}

/** A member whose content is a byte of zero. */
const ONE_ZERO = Uint8Array.from(
  [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 1, 1, 0, 254, 255, 0, 141, 239, 2, 210, 1, 0, 0, 0],
);

/** One gzip member on its way through the runtime's decoder. */
class Member {
  readonly #number: number;
  readonly #writer: WritableStreamDefaultWriter<Bytes>;
  readonly #drained: Promise<void>;
  #output: Bytes[] = [];
  #missing: number;
  // Nothing is known of the data yet.
  #sliceBytes = SMALL_SLICE_BYTES;
  #size = 0;
  #crc = 0;

  constructor(headerLength: number, number: number) {
    if (!("DecompressionStream" in globalThis)) {
      throw new Error("this runtime has no DecompressionStream, which gzip data needs");
    }
    const decoder: ReadableWritablePair<Bytes, Bytes> = new DecompressionStream("gzip");
    this.#number = number;
    this.#missing = headerLength + MIN_DEFLATE_BYTES + TRAILER_BYTES;
    this.#writer = decoder.writable.getWriter();
    // A failure of the decoder is reported by the call that writes or closes.
    this.#writer.closed.catch(() => {});
    this.#drained = this.#drain(decoder.readable.getReader()).catch(() => {});
  }

  /** Bytes that the member needs at least before it can be over. */
  get missing(): number {
    return this.#missing;
  }

  /** Compressed bytes to inflate next at most. */
  get sliceBytes(): number {
    return this.#sliceBytes;
  }

  /** Length of the content so far, modulo 2^32 as in the trailer. */
  get size(): number {
    return this.#size;
  }

  /** Inflates the next bytes: all that comes of them is out when this is done. */
  async inflate(bytes: Bytes, isLate: boolean): Promise<Bytes[]> {
    await this.#check(this.#writer.write(bytes));
    if (isLate) await new Promise((resolve) => setTimeout(resolve));
    this.#missing -= bytes.length;
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
    this.#size = (this.#size + grown) >>> 0;
    if (grown > LARGE_OUTPUT_BYTES) this.#sliceBytes = SMALL_SLICE_BYTES;
    // Not at once: a decoder may give what it owes with the next slice.
    else if (grown < LARGE_OUTPUT_BYTES / 16) {
      this.#sliceBytes = Math.min(2 * this.#sliceBytes, SLICE_BYTES);
    }
    return output;
  }

  /** Whether the bytes before `end`, the last ones inflated, are the trailer for the content so far. */
  hasTrailer(bytes: Bytes, end: number): boolean {
    return this.#missing <= 0 && uint32(bytes, end - 4) === this.#size &&
      uint32(bytes, end - 8) === this.#crc;
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

/** A view on the compressed data: `start` to `stop` is to be inflated, the rest is there to be looked at. */
interface Window {
  bytes: Bytes;
  /** Where in the compressed data `bytes` starts. */
  position: number;
  start: number;
  stop: number;
  isLast: boolean;
}

async function* windows(pieces: AsyncIterable<Bytes>): AsyncGenerator<Window> {
  let held: Bytes[] = [];
  let size = 0;
  let start = 0;
  let position = 0;
  for await (const piece of pieces) {
    held.push(piece);
    size += piece.length;
    if (size < start + SLICE_BYTES + TAIL_BYTES) continue;
    const bytes = concat(held, size);
    const stop = size - TAIL_BYTES;
    yield { bytes, position, start, stop, isLast: false };
    start = Math.min(stop, TRAILER_BYTES);
    position += stop - start;
    held = [bytes.slice(stop - start)];
    size = start + TAIL_BYTES;
  }
  yield { bytes: concat(held, size), position, start, stop: size, isLast: true };
}

// Where the next bytes to inflate end: at the first place where the member may, if there is one within a slice.
function nextCut({ bytes, stop, isLast }: Window, start: number, member: Member): number {
  const end = Math.min(start + member.sliceBytes, stop);
  const first = start + Math.max(1, member.missing);
  const candidates = isLast ? everyPlace(first, end) : placesBeforeFollowers(bytes, first, end);
  for (const at of candidates) if (isInReach(uint32(bytes, at - 4) - member.size)) return at;
  return end;
}

function* everyPlace(start: number, end: number): Generator<number> {
  for (let at = start; at < end; at++) yield at;
}

function* placesBeforeFollowers(bytes: Bytes, start: number, end: number): Generator<number> {
  const part = bytes.subarray(0, end);
  let magic = indexOf(part, 0x1f, start);
  let zero = indexOf(part, 0, start);
  while (magic < end || zero < end) {
    const at = Math.min(magic, zero);
    if (at === magic) magic = indexOf(part, 0x1f, at + 1);
    else zero = indexOf(part, 0, at + 1);
    if (isHeader(bytes, at) || isPadding(bytes, at)) yield at;
  }
}

function indexOf(bytes: Bytes, byte: number, start: number): number {
  const at = bytes.indexOf(byte, start);
  return at < 0 ? bytes.length : at;
}

function isHeader(bytes: Bytes, at: number): boolean {
  return bytes[at] === 0x1f && bytes[at + 1] === 0x8b && bytes[at + 2] === 8;
}

function isPadding(bytes: Bytes, start: number): boolean {
  for (let at = start; at < start + PADDING_BYTES; at++) if (bytes[at] !== 0) return false;
  return true;
}

// The trailer tells where a member ends, so a wrong one looks like data that goes on; runtimes notice at different places.
function damaged(number: number, cause?: unknown): Error {
  return new Error(`gzip member ${number} is damaged, ends early or has a wrong checksum`, {
    cause,
  });
}

// Whether a slice can inflate to so much.
function isInReach(growth: number): boolean {
  return growth >>> 0 <= 1032 * SLICE_BYTES;
}

// One byte that could begin a member counts as one: cut data must not pass for data with something behind it.
function startsLikeMember(bytes: Bytes, at: number): boolean {
  return bytes[at] === 0x1f && (at + 1 === bytes.length || bytes[at + 1] === 0x8b);
}

// The zeros in a header, an empty checksum and length as it seems, must not be taken for a trailer.
function headerLength(bytes: Bytes, start: number): number {
  if (!startsLikeMember(bytes, start)) throw new Error("the data is not gzip");
  const flags = bytes[start + 3] ?? 0;
  let at = start + HEADER_BYTES;
  if (flags & EXTRA) at += 2 + ((bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8);
  if (flags & NAME) at = afterZero(bytes, at);
  if (flags & COMMENT) at = afterZero(bytes, at);
  if (flags & HEADER_CHECKSUM) at += 2;
  if (at > bytes.length) {
    throw new Error(`a gzip header ends early or is above ${TAIL_BYTES} bytes`);
  }
  return at - start;
}

function afterZero(bytes: Bytes, start: number): number {
  const zero = bytes.indexOf(0, start);
  return zero < 0 ? Infinity : zero + 1;
}

function uint32(bytes: Bytes, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}
