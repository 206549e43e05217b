import { type Bytes, concat } from "../bytes.ts";

/** Compressed bytes that are inflated at once. Deflate yields at most 1032 bytes for one, so 16.5 MiB. */
export const SLICE_BYTES = 16 * 1024;
const MAX_RATIO = 1032;
/** Most that a decoder may hold whose output comes late: streams of Node.js take 64 KiB and what goes beyond it. */
const MAX_HELD_BYTES = 64 * 1024 + SLICE_BYTES;
/** Bytes that are held back until the end is known: a header, or what follows the last member, may be as long. */
const TAIL_BYTES = 64 * 1024;
/** CRC-32 and length of the content, four bytes each, behind the deflate data of a member. */
export const TRAILER_BYTES = 8;
/** So many zeros look like padding. */
const PADDING_BYTES = 8;

export const HEADER_BYTES = 10;
const HEADER_CHECKSUM = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;

/** A view on the compressed data: `start` to `stop` is to be inflated, the rest is there to be looked at. */
export interface Window {
  bytes: Bytes;
  /** Where in the compressed data `bytes` starts. */
  position: number;
  start: number;
  stop: number;
  /** Where zeros begin in `bytes` that go on to its end. */
  zeros: number;
  isLast: boolean;
}

/** Cuts data into pieces that overlap: in front of each is the end of the one before, behind it what may follow. */
export async function* windows(pieces: AsyncIterable<Bytes>): AsyncGenerator<Window> {
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
    yield { bytes, position, start, stop, zeros: startOfZeros(bytes), isLast: false };
    start = Math.min(stop, TRAILER_BYTES);
    position += stop - start;
    held = [bytes.slice(stop - start)];
    size = start + TAIL_BYTES;
  }
  const bytes = concat(held, size);
  yield { bytes, position, start, stop: size, zeros: startOfZeros(bytes), isLast: true };
}

function startOfZeros(bytes: Bytes): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

/** How far a member is. */
export interface Progress {
  /** Bytes that it needs at least before it can be over. */
  readonly missing: number;
  /** Compressed bytes to inflate next at most. */
  readonly sliceBytes: number;
  /** Length of the content so far, modulo 2^32 as in the trailer. */
  readonly size: number;
  /** Compressed bytes that were handed over, and whose content may not be out yet. */
  readonly unheard: number;
}

/** Where the next bytes to inflate end. */
export interface Cut {
  end: number;
  /** The length of the content if the member ends there, where it may. */
  size?: number;
  /** Whether what follows looks as if it did. */
  isLikely?: boolean;
}

/** The next cut: the first place where the member may end, if there is one within a slice. */
export function nextCut(window: Window, start: number, member: Progress): Cut {
  const { bytes, stop, zeros, isLast } = window;
  const end = Math.min(start + member.sliceBytes, stop);
  const first = start + Math.max(1, member.missing);
  // What ends with the slice may be an end, too; that of the data shows by itself.
  const behind = Math.min(end + 1, bytes.length);
  const candidates = isLast
    ? everyPlace(first, behind)
    : placesBeforeFollowers(bytes, first, behind);
  for (const at of candidates) {
    const size = uint32(bytes, at - 4);
    // Runs of zeros, compressed, have zeros that go on for long, but seldom to the end of a window.
    const isLikely = isHeader(bytes, at) || (at >= zeros && isPadding(bytes, at));
    if (isInReach(size, member, isLikely, SLICE_BYTES)) return { end: at, size, isLikely };
  }
  return { end };
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

/**
 * Whether what a member lacks of a length can come of what it was handed and is not heard of, and of `more` bytes. Where the end
 * is likely, what a busy decoder holds is not underrated.
 */
export function isInReach(size: number, member: Progress, isLikely: boolean, more = 0): boolean {
  const held = isLikely ? MAX_HELD_BYTES : Math.min(member.unheard, MAX_HELD_BYTES);
  return size - member.size >>> 0 <= MAX_RATIO * (held + more);
}

/** Whether a member begins. One byte that could counts as one: cut data must not pass for data with something behind it. */
export function startsLikeMember(bytes: Bytes, at: number): boolean {
  return bytes[at] === 0x1f && (at + 1 === bytes.length || bytes[at + 1] === 0x8b);
}

/** How long a header is: zeros in it, an empty checksum and length as it seems, must not be taken for a trailer. */
export function headerLength(bytes: Bytes, start: number): number {
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

/** A number as gzip writes it. */
export function uint32(bytes: Bytes, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}
