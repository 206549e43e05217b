import { writeAll } from "./output.ts";
import { needsFolder, throwFileError } from "./deno_file_error.ts";
import { fileError } from "./file_error.ts";
import type { NewFile } from "./host.ts";
import { temporaryName } from "./temporary_name.ts";

/** Begins a file; see `createFile` of the host in host.ts. */
export async function createDenoFile(path: string): Promise<NewFile> {
  const temporary = temporaryName(path);
  try {
    const info = await Deno.stat(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    if (info && !info.isFile) {
      throw fileError("write", path, info.isDirectory ? "directory" : "special");
    }
    const file = await Deno.open(temporary, { write: true, createNew: true });
    return new DenoNewFile(path, temporary, file);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw needsFolder(path, error);
    if (error instanceof Deno.errors.NotFound) {
      throw fileError("write", path, "folder", { cause: error });
    }
    throw throwFileError("write", path, error);
  }
}

class DenoNewFile implements NewFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: Deno.FsFile;
  #isOpen = true;
  #isThere = true;

  constructor(path: string, temporary: string, file: Deno.FsFile) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#file, bytes).catch((error) => throwFileError("write", this.#path, error));
  }

  async end(): Promise<void> {
    if (!this.#isOpen) return;
    try {
      // Some file systems find out only here that there is no room.
      await this.#file.sync();
      this.#close();
    } catch (error) {
      throw throwFileError("write", this.#path, error);
    }
  }

  async commit(): Promise<void> {
    await this.end();
    try {
      await Deno.rename(this.#temporary, this.#path);
      this.#isThere = false;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw needsFolder(this.#path, error);
      throw throwFileError("write", this.#path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    // Somebody else may have removed it; what led here is what counts.
    if (this.#isThere) await Deno.remove(this.#temporary).catch(() => {});
    this.#isThere = false;
  }

  #close(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
  }
}
