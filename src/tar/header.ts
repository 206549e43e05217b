import { TarError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";

/** Size of a tar block, in bytes: headers are one, bodies are padded to a whole number of them. */
export const BLOCK_BYTES = 512;

/**
 * The fields of one tar header. The names are those of the ustar format.
 *
 * In an entry, `size`, `linkname` and `typeflag` are the effective values: extension records are applied, `size` is 0
 * for types that have no body. `name` and `prefix` stay as written; the full name is the entry's `path`.
 */
export interface TarHeader {
  /** Name field; the latter part of the path where there is a `prefix`. */
  name: string;
  /** Permission bits. */
  mode: number;
  /** Owner's number. */
  uid: number;
  /** Owning group's number. */
  gid: number;
  /** Length of the body in bytes. */
  size: number;
  /** Time of the last change, in seconds since 1970. Numbers beyond 2^53 are rounded, but for the size. */
  mtime: number;
  /** Sum of the header's bytes, as stored. */
  checksum: number;
  /** Kind of entry, one character: `"0"` file, `"1"` hard link, `"2"` symbolic link, `"5"` directory, ... */
  typeflag: string;
  /** Target of a link. */
  linkname: string;
  /** `"ustar\0"` (POSIX) or `"ustar "` (GNU); absent in the old V7 format, with all that follow. */
  magic?: string;
  /** `"00"` (POSIX) or `" \0"` (GNU). */
  version?: string;
  /** Owner's name. */
  uname?: string;
  /** Owning group's name. */
  gname?: string;
  /** Major device number, as written. */
  devmajor?: string;
  /** Minor device number, as written. */
  devminor?: string;
  /** First part of the path; empty in GNU headers, which keep other things in its place. */
  prefix?: string;
}

/**
 * Reads one header block.
 *
 * Knows V7, ustar, star and GNU headers, octal and base-256 numbers, and checksums summed over unsigned or, as old
 * writers did, signed bytes.
 *
 * @param offset Where in the tar they start; 0 means that the error says whether this is a tar at all.
 * @returns The header, or `undefined` for a block of zeros.
 * @throws {TarError} If the checksum is wrong, a number is malformed, or the size negative or too large.
 */
export function parseHeader(block: Uint8Array, offset: number): TarHeader | undefined {
  const all = sumBytes(block);
  if (all === 0) return undefined;
  const sum = sumOf(block, all);
  const checksum = parseOctal(block, 148, 8);
  if (!fits(checksum, block, sum)) throw checksumError(block, offset, sum);

  const name = parseText(block, 0, 100);
  const number = (field: string, at: number, length: number): number => {
    const value = parseNumber(block, at, length);
    if (!Number.isNaN(value)) return value;
    const text = decoder.decode(block.subarray(at, at + length)).replace(/\0+$/, "");
    const state = `${field} is ${quoteName(text)}, expected an octal or base-256 number`;
    throw tarError(offset, name, state);
  };
  const size = number("size", 124, 12);
  if (size < 0) throw tarError(offset, name, `size is ${size}, expected at least 0`);
  if (!Number.isSafeInteger(size)) {
    throw tarError(offset, name, `size is ${size}, expected at most 2^53 - 1`);
  }
  const header: TarHeader = {
    name,
    mode: number("mode", 100, 8),
    uid: number("uid", 108, 8),
    gid: number("gid", 116, 8),
    size,
    mtime: number("mtime", 136, 12),
    checksum,
    typeflag: String.fromCharCode(block[156] ?? 0),
    linkname: parseText(block, 157, 100),
  };
  return isUstar(block) ? addUstarFields(header, block) : header;
}

/** Whether content begins as a tar does: with a header whose checksum is right, or with zero blocks. */
export function isTar(head: Uint8Array): boolean {
  if (head.length < BLOCK_BYTES) return false;
  const block = head.subarray(0, BLOCK_BYTES);
  const all = sumBytes(block);
  return all === 0 || fits(parseOctal(block, 148, 8), block, sumOf(block, all));
}

/** The whole name that a header gives its entry, before extension records. */
export function headerPath(header: TarHeader): string {
  return header.prefix ? `${header.prefix}/${header.name}` : header.name;
}

/** Length of a body with its padding, in bytes. */
export function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Makes the error for what was found at a place in a tar.
 *
 * @param state What was found and what was expected.
 */
export function tarError(
  offset: number,
  entry: string | undefined,
  state: string,
  { Kind = TarError, hint }: { Kind?: typeof TarError; hint?: string } = {},
): TarError {
  const object = entry === undefined ? "tar" : `tar entry ${quoteName(entry)}`;
  return new Kind(`Cannot read ${object} at byte ${offset}: ${state}`, { offset, entry, hint });
}

/** Decodes a text that ends at its first NUL. Bytes that are not UTF-8 become U+FFFD. */
export function parseText(bytes: Uint8Array, start: number, length: number): string {
  const limit = start + length;
  let text = "";
  // Most fields are a few ASCII letters, for which a call of the decoder costs several times as much.
  for (let at = start; at < start + SHORT_BYTES; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0 || at === limit) return text;
    if (byte >= 0x80) break;
    text += String.fromCharCode(byte);
  }
  const nul = bytes.indexOf(0, start);
  return decoder.decode(bytes.subarray(start, nul < 0 || nul > limit ? limit : nul));
}

const SHORT_BYTES = 12;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const SPACE = 0x20;

/** Sum of all bytes; a loop that costs a good part of a header, hence four at a time. */
function sumBytes(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4) {
    sum += (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) + (bytes[at + 2] ?? 0) + (bytes[at + 3] ?? 0);
  }
  return sum;
}

/** What the checksum of a header should be: its own field counts as spaces. */
function sumOf(block: Uint8Array, all: number): number {
  return all - sumBytes(block.subarray(148, 156)) + 8 * SPACE;
}

function fits(checksum: number, block: Uint8Array, sum: number): boolean {
  return checksum === sum || checksum === sumSigned(block, sum);
}

/** What signed bytes add up to, as some old writers summed them. */
function sumSigned(block: Uint8Array, sum: number): number {
  return block.reduce((rest, byte, at) => byte < 0x80 || isChecksum(at) ? rest : rest - 256, sum);
}

function isChecksum(at: number): boolean {
  return at >= 148 && at < 156;
}

function checksumError(block: Uint8Array, offset: number, sum: number): TarError {
  const stored = parseOctal(block, 148, 8);
  const shown = Number.isNaN(stored) ? "no octal number" : String(stored);
  const state = `header checksum is ${shown}, expected ${sum}`;
  return offset === 0
    ? new NotTarError(state, block)
    : tarError(offset, parseText(block, 0, 100), state);
}

/** Input that ends within an entry, or before it. */
export class TruncatedTarError extends TarError {}

/** Input whose beginning is no tar header. What it is instead, `not_a_tar.ts` knows. */
export class NotTarError extends TarError {
  /** The first bytes, as many as there were at hand. */
  readonly head: Uint8Array;

  /** Makes one. */
  constructor(state: string, head: Uint8Array, hint?: string) {
    const message = `Cannot read tar at byte 0: input is not a tar archive, ${state}`;
    super(message, { offset: 0, hint });
    this.head = head;
  }
}

/** NaN where it is none. */
function parseNumber(block: Uint8Array, at: number, length: number): number {
  const first = block[at] ?? 0;
  return first >= 0x80 ? parseBase256(block, at, length) : parseOctal(block, at, length);
}

/**
 * Two's complement, big-endian, with the top bit of the first byte set as the mark of the format; beyond 2^53 rounded, as
 * broken clocks and file systems have led to times that mean nothing.
 */
function parseBase256(block: Uint8Array, at: number, length: number): number {
  const first = block[at] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = negative ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let index = at + 1; index < at + length; index++) {
    value = value * 256 + (block[index] ?? 0);
  }
  return value;
}

/**
 * Octal digits behind spaces, up to a space or NUL; 0 for an empty field and NaN for anything else. Digits behind a NUL
 * are a number to Go and none to other readers, so they are an error.
 */
function parseOctal(block: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let at = start;
  while (at < end && block[at] === SPACE) at++;
  const first = at;
  while (at < end && isBlank(block[at])) at++;
  if (at > first && at < end) return NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  // What follows a NUL is left over from an earlier use of the buffer in some writers.
  for (; at < end && block[at] !== 0; at++) {
    if (block[at] !== SPACE) return NaN;
  }
  return value;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0;
}

function isUstar(block: Uint8Array): boolean {
  return block[257] === 0x75 && block[258] === 0x73 && block[259] === 0x74 &&
    block[260] === 0x61 && block[261] === 0x72 && isBlank(block[262]);
}

function addUstarFields(header: TarHeader, block: Uint8Array): TarHeader {
  const gnu = block[262] === SPACE;
  header.magic = gnu ? "ustar " : "ustar\0";
  header.version = String.fromCharCode(block[263] ?? 0, block[264] ?? 0);
  header.uname = parseText(block, 265, 32);
  header.gname = parseText(block, 297, 32);
  header.devmajor = parseText(block, 329, 8);
  header.devminor = parseText(block, 337, 8);
  header.prefix = gnu ? "" : parseText(block, 345, isStar(block) ? 131 : 155);
  return header;
}

/** Star ends its header with "tar\0" and keeps two times in the last bytes of the prefix. */
function isStar(block: Uint8Array): boolean {
  return block[508] === 0x74 && block[509] === 0x61 && block[510] === 0x72 && block[511] === 0;
}
