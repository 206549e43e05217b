import type { Bytes } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import type { BlobSource, FolderFile, FolderSource, SourceSlice } from "../source/blob_source.ts";
import { throwFileError } from "./deno_file_error.ts";
import { fileError, type FileIdentity, leadsOut } from "./file_error.ts";

/** Up to here a read is answered at once. */
const SMALL_READ_BYTES = 1024 * 1024;

/** How the files of the host are read. */
interface Reading {
  /** Fills bytes from a position on; returns how many there were. */
  readAt(file: Deno.FsFile, start: number, bytes: Uint8Array): number;
  /** A part of a file in pieces, by a handle of its own. */
  readPieces(
    path: string,
    start: number,
    end: number,
    use?: (piece: Bytes) => Bytes,
  ): AsyncGenerator<Uint8Array>;
  /** Fails where a file is not what it was. */
  checkUnchanged(path: string, opened: FileIdentity): Promise<void>;
}

/** Opens a folder; see `openDirectory` in mod.ts. */
export async function openDenoDirectory(path: string, reading: Reading): Promise<FolderSource> {
  try {
    const info = await Deno.stat(path);
    if (!info.isDirectory) throw fileError("open", path, { text: "it is no folder" });
    return new DenoDirectory(path, await Deno.realPath(path), reading);
  } catch (error) {
    throw throwFileError("open", path, error);
  }
}

class DenoDirectory implements FolderSource {
  readonly #path: string;
  readonly #root: string;
  readonly #reading: Reading;

  constructor(path: string, root: string, reading: Reading) {
    this.#path = path;
    this.#root = root;
    this.#reading = reading;
  }

  async *files(): AsyncGenerator<FolderFile> {
    try {
      yield* this.#list("");
    } catch (error) {
      throw throwFileError("read", this.#path, error);
    }
  }

  async *#list(folder: string): AsyncGenerator<FolderFile> {
    for await (const { name, isDirectory, isSymlink } of Deno.readDir(`${this.#root}/${folder}`)) {
      const path = `${folder}${name}`;
      if (isDirectory) {
        if (folder === "" || folder === "blobs/") yield* this.#list(`${path}/`);
        continue;
      }
      yield { path, open: () => this.#open(path, isSymlink) };
    }
  }

  async #open(path: string, isLink: boolean): Promise<BlobSource | undefined> {
    const full = `${this.#root}/${path}`;
    const info = await Deno.stat(full).catch((error) => {
      // A link that leads nowhere matters only where it is needed.
      if (isLink) return undefined;
      throw throwFileError("read", full, error);
    });
    if (!info?.isFile) return undefined;
    const real = isLink ? await Deno.realPath(full) : full;
    if (isBelow(real, this.#root)) return new DenoFile(real, info, this.#reading);
    throw leadsOut(this.#path, path);
  }
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root) && /^[/\\]/.test(path.slice(root.length));
}

/** A file that is open only while it is read: a folder may have very many. */
class DenoFile implements BlobSource {
  readonly size: number;
  readonly #path: string;
  readonly #opened: FileIdentity;
  readonly #reading: Reading;

  constructor(path: string, opened: FileIdentity, reading: Reading) {
    this.#path = path;
    this.size = opened.size;
    this.#opened = opened;
    this.#reading = reading;
  }

  slice(start: number, end: number): SourceSlice {
    const stop = Math.min(end, this.size);
    const { readPieces, checkUnchanged } = this.#reading;
    const slice: SourceSlice = {
      stream: () => ReadableStream.from(readPieces(this.#path, start, stop)),
      ownStream: () => ReadableStream.from(readPieces(this.#path, start, stop, own)),
      checkUnchanged: () => checkUnchanged(this.#path, this.#opened),
    };
    if (stop - start > SMALL_READ_BYTES) return slice;
    slice.arrayBuffer = async () => {
      const bytes = new Uint8Array(stop - start);
      const length = await Promise.resolve(this.#readNow(start, bytes));
      return length === bytes.length ? bytes.buffer : bytes.slice(0, length).buffer;
    };
    slice.readInto = (buffer) => this.#readNow(start, buffer.subarray(0, stop - start));
    return slice;
  }

  #readNow(start: number, bytes: Uint8Array): number {
    try {
      using file = Deno.openSync(this.#path);
      return this.#reading.readAt(file, start, bytes);
    } catch (error) {
      throw throwFileError("read", this.#path, error);
    }
  }
}
