import { type Bytes, concat } from "../bytes.ts";
import { DataError } from "./data_error.ts";

/** Largest window that is accepted, as the zstd command does: the decoder holds that many bytes. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
const MAX_BLOCK_BYTES = 128 * 1024;
/** Headers of frames and blocks that are passed on together; a block inflates to 128 KiB, so these to 2 MiB. */
const MAX_HEADERS = 16;

const MAGIC = 0xfd2fb528;
/** The last four bits are free. */
const SKIPPABLE_MAGIC = 0x184d2a50;

/**
 * Follows the frames of zstd data (RFC 8878, section 3.1) and passes the bytes on unchanged. A decoder behind it gets
 * complete frames with a bounded window, and never so much at once that its output could fill the memory.
 *
 * @returns The same bytes, cut so that no piece holds more than {@linkcode MAX_HEADERS} headers; at the end the size of
 * the content, undefined where not every frame tells its own.
 * @throws {Error} If they are no zstd frames, need a dictionary or a larger window, or end inside a frame.
 */
export async function* zstdBlocks(
  pieces: AsyncIterable<Bytes>,
): AsyncGenerator<Bytes, number | undefined> {
  const walker = new FrameWalker();
  // A header that is not complete waits for the next piece: what is no header must not reach the decoder.
  let rest: Bytes = new Uint8Array(0);
  for await (const piece of pieces) {
    const bytes = rest.length > 0 ? concat([rest, piece], rest.length + piece.length) : piece;
    let at = 0;
    for (let end = walker.advance(bytes, at); end > at; end = walker.advance(bytes, at)) {
      yield bytes.subarray(at, end);
      at = end;
    }
    rest = bytes.slice(at);
  }
  walker.finish(rest);
  return walker.contentSize;
}

const SOMETHING_ELSE = "something else follows the last zstd frame";

/** A part of a frame whose first bytes tell how long it is. */
type Part = "frame header" | "block header" | "block" | "checksum" | "skippable frame";

class FrameWalker {
  /** What the frames so far say that their content has, in all. */
  contentSize: number | undefined = 0;
  #part: Part = "frame header";
  // Bytes of a block, a checksum or a skippable frame that are still to come.
  #remaining = 0;
  #frames = 0;
  #isLastBlock = false;
  #hasChecksum = false;

  /** Where the bytes to pass on together end; they start at `start`, and there are none before a header is complete. */
  advance(bytes: Bytes, start: number): number {
    let headers = 0;
    let at = start;
    while (at < bytes.length && headers < MAX_HEADERS) {
      if (this.#part === "frame header" || this.#part === "block header") {
        const length = this.#readHeader(bytes.subarray(at, at + MAX_HEADER_BYTES));
        if (length === undefined) break;
        at += length;
        headers++;
        continue;
      }
      const step = Math.min(this.#remaining, bytes.length - at);
      at += step;
      this.#remaining -= step;
      if (this.#remaining > 0) break;
      this.#endPart();
    }
    return at;
  }

  /** @param rest Bytes of a header that is not complete. */
  finish(rest: Bytes): void {
    if (this.#part === "frame header" && this.#frames > 0) {
      if (rest.length === 0) return;
      if (!startsLikeFrame(rest)) throw new DataError(SOMETHING_ELSE);
    }
    throw new Error(`the data ends inside a ${this.#part} of zstd frame ${this.#frames + 1}`);
  }

  /** The length of a header, undefined where not all of it is there. */
  #readHeader(header: Bytes): number | undefined {
    return this.#part === "frame header" ? this.#openFrame(header) : this.#openBlock(header);
  }

  #openFrame(header: Bytes): number | undefined {
    if (header.length < 4) return undefined;
    const magic = littleEndian(header, 0, 4);
    if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) return this.#openSkippable(header);
    if (magic !== MAGIC) {
      throw new DataError(
        this.#frames > 0 ? SOMETHING_ELSE : "the data is not zstd",
      );
    }
    const length = frameHeaderLength(header[4]);
    if (length === undefined || header.length < length) return undefined;
    checkFrame(header);
    const size = contentSize(header);
    this.contentSize = size === undefined || this.contentSize === undefined
      ? undefined
      : this.contentSize + size;
    this.#hasChecksum = ((header[4] ?? 0) & 4) !== 0;
    this.#part = "block header";
    return length;
  }

  #openSkippable(header: Bytes): number | undefined {
    if (header.length < 8) return undefined;
    this.#expect("skippable frame", littleEndian(header, 4, 4));
    return 8;
  }

  #openBlock(header: Bytes): number | undefined {
    if (header.length < 3) return undefined;
    const word = littleEndian(header, 0, 3);
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === 3) throw new DataError("a zstd block has the reserved type 3");
    if (size > MAX_BLOCK_BYTES) {
      throw new DataError(`a zstd block has ${size} bytes, above ${MAX_BLOCK_BYTES}`);
    }
    this.#isLastBlock = (word & 1) !== 0;
    // Type 1 is one byte that is repeated `size` times.
    this.#expect("block", type === 1 ? 1 : size);
    return 3;
  }

  #expect(part: Part, size: number): void {
    this.#part = part;
    this.#remaining = size;
    if (size === 0) this.#endPart();
  }

  #endPart(): void {
    if (this.#part === "block" && !this.#isLastBlock) {
      this.#part = "block header";
      return;
    }
    if (this.#part === "block" && this.#hasChecksum) {
      this.#expect("checksum", 4);
      return;
    }
    this.#frames++;
    this.#part = "frame header";
  }
}

/** Magic, descriptor, window, dictionary and content size at their longest. */
const MAX_HEADER_BYTES = 4 + 1 + 1 + 4 + 8;

const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

// Frame_Header_Descriptor: content size flag (2 bits), single segment (1), unused, reserved, checksum, dictionary (2).
const isSingleSegment = (descriptor: number) => (descriptor & 0x20) !== 0;
const dictionaryBytes = (descriptor: number) => DICTIONARY_BYTES[descriptor & 3] ?? 0;

function contentSizeBytes(descriptor: number): number {
  const size = CONTENT_SIZE_BYTES[descriptor >> 6] ?? 0;
  return size === 0 && isSingleSegment(descriptor) ? 1 : size;
}

function frameHeaderLength(descriptor: number | undefined): number | undefined {
  if (descriptor === undefined) return undefined;
  const window = isSingleSegment(descriptor) ? 0 : 1;
  return 5 + window + dictionaryBytes(descriptor) + contentSizeBytes(descriptor);
}

function checkFrame(header: Bytes): void {
  const descriptor = header[4] ?? 0;
  if (descriptor & 8) throw new DataError("a zstd frame header has a reserved bit set");
  const dictionary = littleEndian(header, dictionaryAt(descriptor), dictionaryBytes(descriptor));
  if (dictionary !== 0) throw new DataError(`a zstd frame needs the dictionary ${dictionary}`);
  const window = windowSize(header);
  if (window > MAX_WINDOW_BYTES) {
    throw new DataError(
      `a zstd frame needs a window of ${window} bytes, above the limit of ${MAX_WINDOW_BYTES}`,
      { hint: "pipe it through zstd: zstd -dc --long=31 FILE | tarpush push - TARGET" },
    );
  }
}

function windowSize(header: Bytes): number {
  if (isSingleSegment(header[4] ?? 0)) return contentSize(header) ?? 0;
  const window = header[5] ?? 0;
  const base = 2 ** (10 + (window >> 3));
  return base + base / 8 * (window & 7);
}

function contentSize(header: Bytes): number | undefined {
  const descriptor = header[4] ?? 0;
  const bytes = contentSizeBytes(descriptor);
  if (bytes === 0) return undefined;
  const at = dictionaryAt(descriptor) + dictionaryBytes(descriptor);
  return littleEndian(header, at, bytes) + (bytes === 2 ? 256 : 0);
}

function dictionaryAt(descriptor: number): number {
  return isSingleSegment(descriptor) ? 5 : 6;
}

/** Whether the first bytes of a header, or fewer, are those of a frame. */
function startsLikeFrame(header: Bytes): boolean {
  const length = Math.min(4, header.length);
  const start = littleEndian(header, 0, length);
  const end = 2 ** (8 * length);
  return start === MAGIC % end || (start & ~0xf) >>> 0 === SKIPPABLE_MAGIC % end;
}

function littleEndian(bytes: Bytes, at: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index--) value = value * 256 + (bytes[at + index] ?? 0);
  return value;
}
