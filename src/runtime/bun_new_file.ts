import type { BunGlobals, BunWriter } from "./bun_globals.ts";
import { errorCode, fileError, toFileError } from "./file_error.ts";
import type { NewFile } from "./host.ts";
import { shellFailure } from "./bun_shell_failure.ts";
import { temporaryName } from "./temporary_name.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/** Begins a file; see `createFile` of the host in host.ts. */
export async function createBunFile(path: string): Promise<NewFile> {
  const temporary = temporaryName(path);
  const info = await Bun.file(path).stat().catch(() => undefined);
  if (info && !info.isFile()) {
    throw fileError("write", path, info.isDirectory() ? "directory" : "special");
  }
  try {
    // The writer would open it with the first byte only: whether that is allowed shows now.
    await Bun.write(temporary, "", { createPath: false });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw fileError("write", path, "folder", { cause: error });
    throw toFileError("write", path, error);
  }
  return new BunNewFile(path, temporary, Bun.file(temporary).writer());
}

class BunNewFile implements NewFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #writer: BunWriter;
  #isOpen = true;
  #isThere = true;

  constructor(path: string, temporary: string, writer: BunWriter) {
    this.#path = path;
    this.#temporary = temporary;
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

  async end(): Promise<void> {
    if (!this.#isOpen) return;
    try {
      this.#isOpen = false;
      await this.#writer.end();
    } catch (error) {
      throw toFileError("write", this.#path, error);
    }
  }

  async commit(): Promise<void> {
    await this.end();
    // Bun has no rename of its own but that of its shell, which is built in; what starts with a dash is no option.
    const [from, to] = [this.#temporary, this.#path].map((name) => name.replace(/^-/, "./-"));
    const ended = await Bun.$`mv ${from} ${to}`.quiet().nothrow();
    if (ended.exitCode !== 0) throw shellFailure("write", this.#path, ended);
    this.#isThere = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A writer that failed fails again; what led here is what counts.
    if (this.#isOpen) await Promise.resolve(this.#writer.end()).catch(() => {});
    this.#isOpen = false;
    if (this.#isThere) await Bun.file(this.#temporary).delete().catch(() => {});
    this.#isThere = false;
  }
}
