import { createXXHash64 } from "hash-wasm";
import { crc32 } from "../../src/codec/crc32.ts";
import { type Bytes, concat } from "../../src/bytes.ts";

const MAX_ZSTD_BLOCK_BYTES = 128 * 1024;
const MAX_LZMA2_CHUNK_BYTES = 64 * 1024;

/** What a zstd frame says of itself. */
export interface ZstdFrameOptions {
  /** The checksum that it ends with; the right one unless given, none where `null`. */
  checksum?: number | null;
  /** The size in its header; the right one unless given. */
  contentSize?: number;
  /** The byte that tells its window; 128 KiB unless given. */
  window?: number;
  /** Number of the dictionary that it needs. */
  dictionary?: number;
}

/** Writes a frame of zstd (RFC 8878) whose blocks hold the content as it is. */
export async function zstdFrame(
  content: Bytes,
  options: ZstdFrameOptions = {},
): Promise<Bytes> {
  const { contentSize = content.length, window = 0x38, dictionary } = options;
  const checksum = options.checksum === undefined ? await xxHash64(content) : options.checksum;
  const descriptor = 0x80 | (checksum === null ? 0 : 4) | (dictionary === undefined ? 0 : 1);
  const parts = [bytes(0x28, 0xb5, 0x2f, 0xfd, descriptor, window)];
  if (dictionary !== undefined) parts.push(bytes(dictionary));
  parts.push(uint32(contentSize));
  let at = 0;
  do {
    const block = content.subarray(at, at + MAX_ZSTD_BLOCK_BYTES);
    at += block.length;
    const isLast = at === content.length;
    parts.push(uint32(block.length << 3 | (isLast ? 1 : 0)).subarray(0, 3), block);
  } while (at < content.length);
  if (checksum !== null) parts.push(uint32(checksum));
  return joined(...parts);
}

/** The last four bytes of the hash, which is what a frame ends with. */
async function xxHash64(content: Bytes): Promise<number> {
  const hash = (await createXXHash64()).init().update(content).digest("hex");
  return parseInt(hash.slice(8), 16);
}

/** What an xz stream says of itself. */
export interface XzStreamOptions {
  /** Bytes of content in each block; all of it in one unless given. */
  blockSize?: number;
  /** The byte that tells the size of the dictionary; 8 MiB unless given. */
  dictionary?: number;
}

/** Writes a stream of xz, with CRC-32, whose blocks hold the content as it is. */
export function xzStream(content: Bytes, options: XzStreamOptions = {}): Bytes {
  const { blockSize = content.length, dictionary = 0x16 } = options;
  const flags = bytes(0, 1);
  const parts = [bytes(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), flags, uint32(crc32(flags))];
  const records: Bytes[] = [];
  for (let at = 0; at < content.length; at += blockSize) {
    const block = content.subarray(at, at + blockSize);
    // Size of the header in words, one filter, which is LZMA2 with one byte of properties, and padding.
    const header = bytes(2, 0, 0x21, 1, dictionary, 0, 0, 0);
    const body = joined(header, uint32(crc32(header)), ...chunks(block));
    parts.push(body, padding(body.length), uint32(crc32(block)));
    records.push(variable(body.length + 4), variable(block.length));
  }
  const index = joined(bytes(0), variable(records.length / 2), ...records);
  const padded = joined(index, padding(index.length));
  const footer = joined(uint32(padded.length / 4), flags);
  parts.push(padded, uint32(crc32(padded)), uint32(crc32(footer)), footer, bytes(0x59, 0x5a));
  return joined(...parts);
}

/** LZMA2 chunks that are not compressed, the first of which resets the dictionary, and the end of them. */
function chunks(block: Bytes): Bytes[] {
  const parts: Bytes[] = [];
  for (let at = 0; at < block.length; at += MAX_LZMA2_CHUNK_BYTES) {
    const chunk = block.subarray(at, at + MAX_LZMA2_CHUNK_BYTES);
    const size = chunk.length - 1;
    parts.push(bytes(at === 0 ? 1 : 2, size >> 8, size & 255), chunk);
  }
  return [...parts, bytes(0)];
}

/** Numbers of xz: seven bits a byte, the lowest first. */
function variable(value: number): Bytes {
  const groups: number[] = [];
  for (let rest = value; groups.length === 0 || rest > 0; rest = Math.floor(rest / 128)) {
    groups.push(rest % 128 + (rest >= 128 ? 128 : 0));
  }
  return bytes(...groups);
}

function padding(length: number): Bytes {
  return new Uint8Array((4 - length % 4) % 4);
}

function uint32(value: number): Bytes {
  const result = new Uint8Array(4);
  new DataView(result.buffer).setUint32(0, value, true);
  return result;
}

export function bytes(...values: number[]): Bytes {
  return Uint8Array.from(values);
}

export function base64(value: string): Bytes {
  return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
}

/** The pieces one after the other. */
export function joined(...parts: Bytes[]): Bytes {
  return concat(parts, parts.reduce((size, part) => size + part.length, 0));
}

/** The same with some bits of one byte changed. */
export function changed(data: Bytes, at: number, mask = 0x10): Bytes {
  const copy = data.slice();
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}
