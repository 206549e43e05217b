import { createStream } from "../bytes.ts";
import { Rests } from "../concurrency.ts";
import type { SourceSlice } from "../source/blob_source.ts";
import type { BunFile, BunGlobals } from "./bun_globals.ts";
import { fileError, type FileIdentity, requireSame, toFileError } from "./file_error.ts";
import type { OpenFile } from "./host.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/** Opens a file; see `openFile` in host.ts. */
export async function openBunFile(path: string | URL): Promise<OpenFile> {
  const file = Bun.file(path);
  try {
    const info = await file.stat();
    if (!info.isFile()) throw fileError("open", path, info.isDirectory() ? "directory" : "special");
    // A Bun file is opened by each read: whether that is allowed shows only now.
    await file.slice(0, 1).bytes();
    return new BunOpenFile(path, info, file);
  } catch (error) {
    throw toFileError("open", path, error);
  }
}

/** A file that is read at any offset, and open only while it is. */
export class BunOpenFile implements OpenFile {
  readonly size: number;
  readonly #path: string | URL;
  readonly #opened: FileIdentity;
  #file: BunFile | undefined;

  constructor(path: string | URL, opened: FileIdentity, file: BunFile) {
    this.#path = path;
    this.size = opened.size;
    this.#opened = opened;
    this.#file = file;
  }

  slice(start: number, end: number): SourceSlice {
    const slice = () => this.#requireOpen().slice(start, Math.min(end, this.size));
    return {
      stream: () => this.#read(slice().stream()),
      arrayBuffer: async () => await slice().arrayBuffer().catch((error) => this.#fail(error)),
      blob: slice,
      checkUnchanged: () => this.#checkUnchanged(),
    };
  }

  /**
   * Bun's own streams stop when their reader does and close their handle; they come in pieces of 512 KiB. Bun opens a file when
   * its stream gets a reader, so that only reading fails where the file is gone.
   */
  #read(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    const rests = new Rests();
    const next = async () => {
      try {
        reader ??= stream.getReader();
        const { value } = await reader.read();
        // Bun reads a file that the system has in memory without a turn for anybody else.
        const rest = value && rests.after(value.length);
        if (rest) await rest;
        return value;
      } catch (error) {
        return this.#fail(error);
      }
    };
    return createStream(next, (reason) => reader?.cancel(reason));
  }

  async #checkUnchanged(): Promise<void> {
    // Another Bun file each time: what one has been asked before, it may answer from memory.
    const now = await Bun.file(this.#path).stat().catch((error) => this.#fail(error));
    requireSame(this.#path, this.#opened, now);
  }

  #fail(error: unknown): never {
    throw toFileError("read", this.#path, error);
  }

  #requireOpen(): BunFile {
    if (!this.#file) throw fileError("read", this.#path, "closed");
    return this.#file;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file = undefined;
    return Promise.resolve();
  }
}
