import { type Bytes, giveUp } from "../bytes.ts";
import { OciError } from "../errors.ts";
import { BLOCK_BYTES, paddedSize } from "./header.ts";

/** An entry to be written. */
export interface PackedEntry {
  /** Whole name; one that ends in `/` is a folder. */
  path: string;
  /** Content of a file: bytes, or a length and what opens as many bytes when their turn has come. */
  body?: Bytes | StreamedBody;
}

/** Content that is streamed: opened once, read to its end or cancelled. */
export interface StreamedBody {
  /** Length in bytes; the stream must have as many. */
  size: number;
  /** Opens the content. */
  open(): ReadableStream<Uint8Array>;
}

/** What {@linkcode formatHeader} writes. */
export interface PackedHeader {
  path: string;
  size: number;
}

/** Two blocks of zeros end a tar (POSIX pax, "ustar Interchange Format"). */
export const END_BYTES = 2 * BLOCK_BYTES;
/** Largest size that eleven octal digits hold: one byte below 8 GiB. */
const MAX_OCTAL_SIZE = 0o77777777777;
const NAME_BYTES = 100;
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/**
 * Writes a tar as a stream. The same entries give the same bytes: owner and time are 0. Nothing is read ahead: a reader
 * that stops reading stops the body at hand, one that cancels cancels it.
 *
 * @param entries What to write, in order; a body is opened when all before it has been read.
 * @returns The tar; it fails where a body does, or has another length than it said. Then it has no end blocks.
 */
export function packTar(entries: Iterable<PackedEntry>): ReadableStream<Bytes> {
  const rest = entries[Symbol.iterator]();
  let open: OpenBody | undefined;
  const next = (): Bytes | undefined => {
    const { done, value: entry } = rest.next();
    if (done) return undefined;
    const { path, body } = entry;
    const size = body === undefined ? 0 : body instanceof Uint8Array ? body.length : body.size;
    const header = formatHeader({ path, size });
    if (body === undefined) return header;
    if (body instanceof Uint8Array) return padded([header, body]);
    open = new OpenBody(path, body);
    return header;
  };
  return new ReadableStream<Bytes>({
    async pull(controller) {
      if (open) {
        const piece = await open.read();
        if (piece) return controller.enqueue(piece);
        const padding = paddedSize(open.size) - open.size;
        open = undefined;
        if (padding > 0) return controller.enqueue(new Uint8Array(padding));
      }
      const bytes = next();
      controller.enqueue(bytes ?? new Uint8Array(END_BYTES));
      if (!bytes) controller.close();
    },
    cancel: (reason) => open?.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Length of the tar that {@linkcode packTar} makes of these entries, in bytes. */
export function packedSize(entries: Iterable<PackedEntry>): number {
  let total = END_BYTES;
  for (const { path, body } of entries) {
    const size = body === undefined ? 0 : body instanceof Uint8Array ? body.length : body.size;
    total += formatHeader({ path, size }).length + paddedSize(size);
  }
  return total;
}

/**
 * Writes the header of an entry: one ustar block, preceded by a PAX header where the name is longer than 100 bytes or
 * the size is 8 GiB or more. Such a size stands in the block as well, in base-256, so that readers that know one of the
 * two find the same end of the body.
 *
 * @returns One block, or three and more.
 * @throws {RangeError} If the size is no whole number from 0 to 2^53 - 1.
 */
export function formatHeader({ path, size }: PackedHeader): Bytes {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(`Cannot write tar entry of ${size} bytes: expected a whole number from 0`);
  }
  const records: [key: string, value: string][] = [];
  if (encoder.encode(path).length > NAME_BYTES) records.push(["path", path]);
  if (size > MAX_OCTAL_SIZE) records.push(["size", String(size)]);
  const block = formatBlock(path, size, path.endsWith("/") ? "5" : "0");
  if (records.length === 0) return block;
  const content = encoder.encode(records.map(([key, value]) => paxRecord(key, value)).join(""));
  return padded([formatBlock("PaxHeaders/entry", content.length, "x"), content], block);
}

const encoder = new TextEncoder();

class OpenBody {
  readonly size: number;
  readonly #path: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #left: number;

  constructor(path: string, body: StreamedBody) {
    this.#path = path;
    this.size = this.#left = body.size;
    this.#reader = body.open().getReader();
  }

  /** The next piece; undefined at the end. Also the end is read, since a source may find fault with the whole there. */
  async read(): Promise<Bytes | undefined> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done && this.#left > 0) throw this.#wrongLength(`${this.#left} bytes less`);
      if (done) return undefined;
      if (value.length > this.#left) {
        const error = this.#wrongLength("more");
        giveUp(this.#reader, error);
        throw error;
      }
      this.#left -= value.length;
      if (value.length > 0) return value as Bytes;
    }
  }

  cancel(reason: unknown): Promise<void> {
    return this.#reader.cancel(reason);
  }

  #wrongLength(found: string): OciError {
    return new OciError(
      `Cannot write tar entry ${JSON.stringify(this.#path)}: its content has ${found}, ` +
        `expected ${this.size} bytes`,
    );
  }
}

function formatBlock(path: string, size: number, typeflag: "0" | "5" | "x"): Bytes {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (at: number, text: string) => block.set(encoder.encode(text), at);
  const octal = (at: number, length: number, value: number) =>
    put(at, value.toString(8).padStart(length - 1, "0"));
  // Whole characters, as many as there is room for; a longer name stands in the PAX header.
  encoder.encodeInto(path, block.subarray(0, NAME_BYTES));
  octal(100, 8, typeflag === "5" ? FOLDER_MODE : FILE_MODE);
  octal(108, 8, 0);
  octal(116, 8, 0);
  if (size <= MAX_OCTAL_SIZE) octal(124, 12, size);
  else block.set(base256(size), 124);
  octal(136, 12, 0);
  put(156, typeflag);
  put(257, "ustar\x0000");
  octal(329, 8, 0);
  octal(337, 8, 0);
  // The sum counts its own field as spaces, and ends in NUL and space as POSIX has it.
  put(148, "        ");
  const sum = block.reduce((all, byte) => all + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** A size of the GNU format: big-endian, with the top bit of the first byte set. */
function base256(size: number): Bytes {
  const bytes = new Uint8Array(12);
  for (let at = bytes.length - 1; size > 0; at--, size = Math.floor(size / 256)) {
    bytes[at] = size % 256;
  }
  bytes[0] = 0x80;
  return bytes;
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = encoder.encode(rest).length;
  let length = bytes + 1;
  while (String(length).length + bytes !== length) length = String(length).length + bytes;
  return `${length}${rest}`;
}

/** The parts, filled up to whole blocks, and then `last`. */
function padded(parts: readonly Bytes[], last: Bytes = new Uint8Array(0)): Bytes {
  const filled = parts.reduce((sum, { length }) => sum + length, 0);
  const all = new Uint8Array(paddedSize(filled) + last.length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  all.set(last, paddedSize(filled));
  return all;
}
