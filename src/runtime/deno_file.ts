import type { Bytes } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import type { SourceSlice } from "../source/blob_source.ts";
import { failed, throwFileError } from "./deno_file_error.ts";
import { fileError, type FileIdentity, requireSame } from "./file_error.ts";
import type { OpenFile, OpenFileOptions } from "./host.ts";

/** Bytes of one read of a body: with 64 KiB, Deno uploads at half the speed. */
export const PIECE_BYTES = 1024 * 1024;
/** Pieces of all files that are read at the same time, before they get smaller. */
const SHARED_BYTES = 16 * PIECE_BYTES;
/** Smaller pieces cost more than they spare. */
const LEAST_PIECE_BYTES = 64 * 1024;
/** Up to here a read is answered at once. */
const SMALL_READ_BYTES = 1024 * 1024;

/** Opens a file; see `openFile` in host.ts. */
export async function openDenoFile(
  path: string | URL,
  { isHeld = true }: OpenFileOptions = {},
): Promise<OpenFile> {
  try {
    // Asked before opening: to open a pipe waits for somebody to write to it.
    const info = await Deno.stat(path);
    if (!info.isFile) throw fileError("open", path, info.isDirectory ? "directory" : "special");
    const handle = await Deno.open(path, { read: true });
    if (isHeld) return new DenoFile(path, info, handle);
    handle.close();
    return new DenoFile(path, info);
  } catch (error) {
    throw throwFileError("open", path, error);
  }
}

/** A file that is read at any offset. One without a handle is open only while it is read: a folder may have very many. */
export class DenoFile implements OpenFile {
  readonly size: number;
  readonly #path: string | URL;
  readonly #opened: FileIdentity;
  /** For small reads. */
  readonly #handle: Deno.FsFile | undefined;
  #isClosed = false;

  constructor(path: string | URL, opened: FileIdentity, handle?: Deno.FsFile) {
    this.#path = path;
    this.size = opened.size;
    this.#opened = opened;
    this.#handle = handle;
  }

  slice(start: number, end: number): SourceSlice {
    const stop = Math.min(end, this.size);
    const length = Math.max(0, stop - start);
    const isSmall = length <= SMALL_READ_BYTES;
    return {
      stream: () =>
        isSmall
          ? this.#readAtOnce(start, length)
          : ReadableStream.from(this.#readPieces(start, stop)),
      ownStream: () => ReadableStream.from(this.#readPieces(start, stop, own)),
      checkUnchanged: () => this.#checkUnchanged(),
      // Deno loads its streams when the first one is made, which takes as long as the rest of a repeated push.
      ...isSmall && {
        arrayBuffer: async () => {
          const bytes = new Uint8Array(length);
          const filled = await Promise.resolve(this.#readNow(start, bytes));
          return filled === length ? bytes.buffer : bytes.slice(0, filled).buffer;
        },
        readInto: (buffer) => this.#readNow(start, buffer.subarray(0, length)),
      },
    };
  }

  #readAtOnce(start: number, length: number): ReadableStream<Uint8Array> {
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      const bytes = new Uint8Array(length);
      const filled = this.#readNow(start, bytes);
      if (filled > 0) controller.enqueue(bytes.subarray(0, filled));
      controller.close();
    };
    return new ReadableStream({ pull }, { highWaterMark: 0 });
  }

  #readNow(start: number, bytes: Uint8Array): number {
    this.#requireOpen();
    if (this.#handle) return readAt(this.#handle, start, bytes);
    try {
      using file = Deno.openSync(this.#path);
      return readAt(file, start, bytes);
    } catch (error) {
      throw throwFileError("read", this.#path, error);
    }
  }

  async *#readPieces(
    start: number,
    end: number,
    use?: (piece: Bytes) => Bytes,
  ): AsyncGenerator<Uint8Array> {
    this.#requireOpen();
    yield* readPieces(this.#path, start, end, use);
  }

  async #checkUnchanged(): Promise<void> {
    const now = await Deno.stat(this.#path).catch(failed("read", this.#path));
    requireSame(this.#path, this.#opened, now);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw fileError("read", this.#path, "closed");
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.#handle?.close();
    this.#isClosed = true;
    return Promise.resolve();
  }
}

/**
 * Reads a part of a file by a handle of its own.
 *
 * @param use Where the memory of each piece comes from or goes to.
 * @returns Where it ended: before `end`, if the file has no more.
 */
export async function* readPieces(
  path: string | URL,
  start: number,
  end: number,
  use = (piece: Bytes): Bytes => piece,
): AsyncGenerator<Bytes, number> {
  using file = await Deno.open(path, { read: true }).catch(failed("read", path));
  await file.seek(start, Deno.SeekMode.Start);
  let position = start;
  readers++;
  try {
    while (position < end) {
      const piece = use(new Uint8Array(Math.min(bytesOfPiece(), end - position)));
      const count = await file.read(piece);
      if (count === null) break;
      position += count;
      yield piece.subarray(0, count);
    }
    return position;
  } finally {
    readers--;
  }
}

/** Who reads a file in pieces now. Each has two or three of them in hand, for as long as a client likes that takes nothing. */
let readers = 0;

/** Smaller pieces for many readers: all of them share some memory. */
function bytesOfPiece(): number {
  const share = SHARED_BYTES / readers;
  return Math.max(LEAST_PIECE_BYTES, Math.min(PIECE_BYTES, 2 ** Math.floor(Math.log2(share))));
}

/** Fills bytes from a position on; returns how many there were. Nothing comes between seek and read: handles are shared. */
function readAt(file: Deno.FsFile, start: number, bytes: Uint8Array): number {
  let filled = 0;
  file.seekSync(start, Deno.SeekMode.Start);
  while (filled < bytes.length) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}
