import { piecesOf, toStream } from "../bytes.ts";
import type { BlobSource } from "../source/blob_source.ts";

/** A part of a blob: first byte, and one past the last. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Most ranges of one request: containers/image asks for that many chunks of a zstd:chunked layer at a time. */
const MAX_RANGES = 1024;

/**
 * The parts of a blob that a request asks for (RFC 9110, 14.2): lazy snapshotters and partial pulls name several.
 *
 * @returns The ranges, none where no byte of the blob is in any; undefined for the whole.
 */
export function chooseRanges(
  { method, headers }: Request,
  size: number,
  etag: string,
): ByteRange[] | undefined {
  const header = headers.get("Range");
  if (header === null || method !== "GET") return undefined;
  if ((headers.get("If-Range") ?? etag) !== etag) return undefined;
  return parseRanges(header, size);
}

/**
 * Reads the header Range against a known size (RFC 9110, 14.1.2).
 *
 * @returns The ranges that have bytes; undefined for what a server may ignore: another unit or form, and more to send than
 *   the whole has.
 */
export function parseRanges(header: string, size: number): ByteRange[] | undefined {
  const [, list] = /^bytes=(.*)$/i.exec(header.trim()) ?? [];
  const texts = list?.split(",", MAX_RANGES + 1) ?? [];
  if (texts.length === 0 || texts.length > MAX_RANGES) return undefined;
  const ranges: ByteRange[] = [];
  let length = 0;
  for (const text of texts) {
    const range = parseRange(text, size);
    if (!range) return undefined;
    if (range.start >= range.end) continue;
    ranges.push(range);
    length += range.end - range.start;
  }
  return length > size ? undefined : ranges;
}

/** Where a range has no byte, its end is not after its start. */
function parseRange(text: string, size: number): ByteRange | undefined {
  const [, first, last] = /^\s*([0-9]*)-([0-9]*)\s*$/.exec(text) ?? [];
  if (first === undefined || last === undefined || first + last === "") return undefined;
  if (first === "") return { start: size - Math.min(Number(last), size), end: size };
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}

/** A range as the header Content-Range tells it. */
export function formatRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** Several parts of a blob in one body (RFC 9110, 14.6). */
export function multipart(
  blob: BlobSource,
  ranges: readonly ByteRange[],
  partType: string,
): { contentType: string; length: number; body: ReadableStream<Uint8Array> } {
  const boundary = crypto.randomUUID();
  const encoder = new TextEncoder();
  const parts = ranges.map((range) => ({
    range,
    head: encoder.encode(
      `\r\n--${boundary}\r\nContent-Type: ${partType}\r\n` +
        `Content-Range: ${formatRange(range, blob.size)}\r\n\r\n`,
    ),
  }));
  const end = encoder.encode(`\r\n--${boundary}--\r\n`);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const { head, range } of parts) {
      yield head;
      yield* piecesOf(blob.slice(range.start, range.end).stream());
    }
    yield end;
  }
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length: parts.reduce(
      (sum, { head, range }) => sum + head.length + range.end - range.start,
      end.length,
    ),
    body: toStream(pieces()),
  };
}
