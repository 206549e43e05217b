import type { Inflate } from "fflate/browser";
import { crc32 } from "./crc32.ts";
import { type Bytes, concat, toBytes } from "./source.ts";

/** Bytes of compressed data that are inflated at once. Deflate yields at most 1032 bytes for one, so 16.5 MiB. */
const SLICE_BYTES = 16 * 1024;
/** Bytes of a member header that are held until it is complete; real ones carry a file name. */
const MAX_HEADER_BYTES = 128 * 1024;
/** CRC-32 and length of the content, four bytes each. */
const TRAILER_BYTES = 8;

const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const HEADER_CHECKSUM = 2;
const RESERVED = 0xe0;

/**
 * Inflates gzip data (RFC 1952): any number of members, each checked against its CRC-32 and its length. As gzip(1)
 * does, it ignores what follows the last member and is none, such as zero padding, but it reads it to the end.
 *
 * @param pieces Compressed bytes in pieces of any size.
 * @returns The content, as many bytes at a time as {@linkcode SLICE_BYTES} of compressed data give.
 * @throws {Error} If the data is corrupt or ends inside a member.
 */
export async function* gunzip(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const { Inflate } = await import("fflate/browser");
  const reader = new MemberReader((take) => new Inflate(take));
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      yield* reader.push(piece.subarray(at, at + SLICE_BYTES));
    }
  }
  reader.finish();
}

type Stage = "header" | "body" | "trailer" | "ignore";

/** What {@linkcode Inflate} of fflate 0.8.3 keeps: only this tells where deflate data ends. */
interface InflateState {
  /** Input that is not used yet. */
  p: Uint8Array;
  /** `f`: the block is the last one; `l`: its code, until its end; `p`: bits used of the first byte of input. */
  s: { f?: number; l?: unknown; p?: number };
}

class MemberReader {
  readonly #open: (take: (bytes: Uint8Array) => void) => Inflate;
  #stage: Stage = "header";
  #members = 0;
  // The part of a header or trailer that has arrived.
  #held: Bytes = new Uint8Array(0);
  #inflate: Inflate | undefined;
  #output: Bytes[] = [];
  #crc = 0;
  #size = 0;

  constructor(open: (take: (bytes: Uint8Array) => void) => Inflate) {
    this.#open = open;
  }

  push(slice: Bytes): Bytes[] {
    this.#output = [];
    let rest: Bytes | undefined = slice;
    while (rest && rest.length > 0) rest = this.#step(rest);
    return this.#output;
  }

  finish(): void {
    const between = this.#stage === "header" && this.#held.length === 0 && this.#members > 0;
    if (between || this.#stage === "ignore") return;
    throw new Error(`the data ends inside the ${this.#stage} of gzip member ${this.#members + 1}`);
  }

  // Each step takes bytes off the front; undefined when all of them are used or kept.
  #step(bytes: Bytes): Bytes | undefined {
    switch (this.#stage) {
      case "header":
        return this.#readHeader(this.#hold(bytes));
      case "body":
        return this.#readBody(bytes);
      case "trailer":
        return this.#readTrailer(this.#hold(bytes));
      case "ignore":
        return undefined;
    }
  }

  #hold(bytes: Bytes): Bytes {
    const held = this.#held;
    this.#held = new Uint8Array(0);
    return held.length > 0 ? concat([held, bytes], held.length + bytes.length) : bytes;
  }

  #readHeader(bytes: Bytes): Bytes | undefined {
    if (!startsLikeMember(bytes)) {
      if (this.#members === 0) throw new Error("the data is not gzip");
      this.#stage = "ignore";
      return undefined;
    }
    const length = headerLength(bytes);
    if (length === undefined) {
      if (bytes.length > MAX_HEADER_BYTES) {
        throw new Error(`a gzip header is above the limit of ${MAX_HEADER_BYTES} bytes`);
      }
      this.#held = bytes.slice();
      return undefined;
    }
    this.#stage = "body";
    this.#inflate = this.#open((output) => this.#take(toBytes(output)));
    this.#crc = 0;
    this.#size = 0;
    return bytes.subarray(length);
  }

  #readBody(bytes: Bytes): Bytes | undefined {
    const inflate = this.#inflate;
    if (!inflate) throw new Error("no gzip member is open");
    inflate.push(bytes);
    const { p: unused, s: state } = stateOf(inflate);
    const atEnd = state.f && !state.l;
    if (!atEnd) return undefined;
    this.#stage = "trailer";
    this.#inflate = undefined;
    // The last byte of deflate data counts as used when any of its bits is.
    return toBytes(unused.subarray(state.p ? 1 : 0));
  }

  #readTrailer(bytes: Bytes): Bytes | undefined {
    if (bytes.length < TRAILER_BYTES) {
      this.#held = bytes.slice();
      return undefined;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const crc = view.getUint32(0, true);
    const size = view.getUint32(4, true);
    if (crc !== this.#crc) {
      throw new Error(`the checksum of the content is ${hex(this.#crc)}, expected ${hex(crc)}`);
    }
    if (size !== this.#size) {
      throw new Error(`the content has ${this.#size} bytes (modulo 2^32), expected ${size}`);
    }
    this.#members++;
    this.#stage = "header";
    return bytes.subarray(TRAILER_BYTES);
  }

  #take(output: Bytes): void {
    if (output.length === 0) return;
    this.#crc = crc32(output, this.#crc);
    this.#size = (this.#size + output.length) >>> 0;
    this.#output.push(output);
  }
}

// One byte that could begin a member counts as one: cut data must not pass for data with something behind it.
function startsLikeMember(bytes: Bytes): boolean {
  return bytes[0] === 0x1f && (bytes.length < 2 || bytes[1] === 0x8b);
}

// Length of the member header at the start of the bytes; undefined when they end before it does.
function headerLength(bytes: Bytes): number | undefined {
  const [, , method, flags = 0] = bytes;
  if (method !== undefined && method !== 8) throw new Error(`gzip method ${method} is unknown`);
  if (flags & RESERVED) throw new Error(`reserved gzip flags are set: ${hex(flags)}`);
  let at: number | undefined = 10;
  if (flags & EXTRA) at = 12 + ((bytes[10] ?? 0) | (bytes[11] ?? 0) << 8);
  if (flags & NAME) at = afterZero(bytes, at);
  if (flags & COMMENT) at = afterZero(bytes, at);
  if (at === undefined) return undefined;
  const end = flags & HEADER_CHECKSUM ? at + 2 : at;
  if (bytes.length < end) return undefined;
  if (end > at) checkHeader(bytes, at);
  return end;
}

function afterZero(bytes: Bytes, start: number | undefined): number | undefined {
  const zero = start === undefined || start > bytes.length ? -1 : bytes.indexOf(0, start);
  return zero < 0 ? undefined : zero + 1;
}

function checkHeader(bytes: Bytes, length: number): void {
  const actual = crc32(bytes.subarray(0, length)) & 0xffff;
  const expected = (bytes[length] ?? 0) | (bytes[length + 1] ?? 0) << 8;
  if (actual === expected) return;
  throw new Error(`the checksum of a gzip header is ${hex(actual)}, expected ${hex(expected)}`);
}

function stateOf(inflate: Inflate): InflateState {
  const { p, s } = inflate as unknown as Partial<InflateState>;
  if (p instanceof Uint8Array && typeof s === "object") return { p, s };
  throw new TypeError("Cannot tell where gzip data ends: fflate is not the version expected");
}

const hex = (number: number) => `0x${number.toString(16)}`;
