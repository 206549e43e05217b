import type { BunWriter } from "./bun_globals.ts";
import { toFileError } from "./file_error.ts";
import type { GrowingFile } from "./storage/storage_files.ts";

/** A file that is being written; `path` is what it is called in errors. */
export class BunGrowingFile implements GrowingFile {
  readonly #path: string;
  readonly #writer: BunWriter;
  #closed: Promise<void> | undefined;

  constructor(path: string, writer: BunWriter) {
    this.#path = path;
    this.#writer = writer;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#writer.write(bytes);
      await this.#writer.flush();
    } catch (error) {
      throw toFileError("write", this.#path, error);
    }
  }

  close(): Promise<void> {
    return this.#closed ??= this.#end();
  }

  async #end(): Promise<void> {
    try {
      await this.#writer.end();
    } catch (error) {
      throw toFileError("write", this.#path, error);
    }
  }
}
