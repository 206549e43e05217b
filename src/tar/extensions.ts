import type { TarError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";
import { parseText, tarError } from "./header.ts";

/** Longest name or link target: far above any file system's limit (4096), far below what would hurt. */
export const MAX_NAME_BYTES = 64 * 1024;

/** What extension records say about an entry; an empty value takes back what an earlier record said. */
export interface Overrides {
  /** Whole name. */
  path?: string;
  /** Whole link target. */
  linkpath?: string;
  /** Length of the body in bytes; `null` where it is taken back. */
  size?: number | null;
  /** Whether the body is stored with its holes left out. */
  sparse?: boolean;
}

/**
 * Reads the records of a PAX extended header: lines of `<length> <key>=<value>`.
 *
 * Keys other than `path`, `linkpath`, `size` and the ones of sparse files are checked in form and left out.
 *
 * @param content The records, without padding.
 * @throws {TarError} If a record is malformed: readers that skip such a record see another archive.
 */
export function parsePax(content: Uint8Array, offset: number): Overrides {
  const overrides: Overrides = {};
  for (let at = 0; at < content.length;) {
    const end = at + recordLength(content, at, offset);
    const record = content.subarray(content.indexOf(SPACE, at) + 1, end - 1);
    const equals = record.indexOf(EQUALS);
    const key = equals < 1 ? "" : decoder.decode(record.subarray(0, equals));
    if (key === "" || key.includes("\0") || content[end - 1] !== NEWLINE) {
      throw paxError(offset, quoteName(decoder.decode(content.subarray(at, end))));
    }
    applyRecord(overrides, key, record.subarray(equals + 1), offset);
    at = end;
  }
  return overrides;
}

/**
 * Reads the body of a GNU long name or long link record: a text that ends with a NUL.
 *
 * @param content The body, without padding.
 * @throws {TarError} If it is empty or too long.
 */
export function parseLongName(content: Uint8Array, offset: number): string {
  if (content.length > MAX_NAME_BYTES + 1) throw nameLengthError(content.length, offset);
  const name = parseText(content, 0, content.length);
  if (name === "") throw tarError(offset, undefined, "GNU long name is empty");
  return name;
}

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const ZERO = 0x30;

// The largest record that fits in the limit of all records has seven digits; two more leave room for leading zeros.
const MAX_LENGTH_DIGITS = 9;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function recordLength(content: Uint8Array, start: number, offset: number): number {
  let length = 0;
  let at = start;
  for (; at < content.length && at - start < MAX_LENGTH_DIGITS; at++) {
    const digit = (content[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) break;
    length = length * 10 + digit;
  }
  const digits = at - start;
  // The shortest record has a one-letter key and no value: digits, " k=\n".
  if (
    digits === 0 || content[at] !== SPACE || length < digits + 4 || start + length > content.length
  ) {
    throw paxError(offset, quoteName(decoder.decode(content.subarray(start, start + 64))));
  }
  return length;
}

function applyRecord(overrides: Overrides, key: string, value: Uint8Array, offset: number): void {
  if (key === "path" || key === "linkpath") overrides[key] = parseName(key, value, offset);
  else if (key === "size") overrides.size = parseSize(value, offset);
  else if (key.startsWith("GNU.sparse.")) overrides.sparse = true;
}

function parseName(key: string, value: Uint8Array, offset: number): string {
  if (value.length > MAX_NAME_BYTES) throw nameLengthError(value.length, offset);
  const name = decoder.decode(value);
  if (!name.includes("\0")) return name;
  throw tarError(offset, undefined, `PAX ${key} is ${quoteName(name)}, expected no NUL in it`);
}

function parseSize(value: Uint8Array, offset: number): number | null {
  const text = decoder.decode(value);
  if (text === "") return null;
  const size = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(size)) return size;
  throw tarError(
    offset,
    undefined,
    `PAX size is ${quoteName(text)}, expected a number from 0 to 2^53 - 1`,
  );
}

function paxError(offset: number, found: string): TarError {
  return tarError(
    offset,
    undefined,
    `PAX record is ${found}, expected "<length> <key>=<value>\\n"`,
  );
}

function nameLengthError(length: number, offset: number): TarError {
  return tarError(
    offset,
    undefined,
    `name has ${length} bytes, expected at most ${MAX_NAME_BYTES}`,
  );
}
