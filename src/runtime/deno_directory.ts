import type { Bytes } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import type { BlobSource, FolderFile, FolderSource, SourceSlice } from "../source/blob_source.ts";
import { throwFileError } from "./deno_file_error.ts";
import { fileError, leadsOut } from "./file_error.ts";

/** Bytes of one read of a body: with 64 KiB, Deno uploads at half the speed. */
const PIECE_BYTES = 1024 * 1024;
/** Up to here a read is answered at once. */
const SMALL_READ_BYTES = 1024 * 1024;

/** Opens a folder; see `openDirectory` in mod.ts. */
export async function openDenoDirectory(path: string): Promise<FolderSource> {
  try {
    const info = await Deno.stat(path);
    if (!info.isDirectory) throw fileError("open", path, { text: "it is no folder" });
    return new DenoDirectory(path, await Deno.realPath(path));
  } catch (error) {
    throw throwFileError("open", path, error);
  }
}

class DenoDirectory implements FolderSource {
  readonly #path: string;
  readonly #root: string;

  constructor(path: string, root: string) {
    this.#path = path;
    this.#root = root;
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
    if (isBelow(real, this.#root)) return new DenoFile(real, info.size);
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

  constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
  }

  slice(start: number, end: number): SourceSlice {
    const stop = Math.min(end, this.size);
    const slice: SourceSlice = {
      stream: () => ReadableStream.from(this.#pieces(start, stop)),
      ownStream: () => ReadableStream.from(this.#pieces(start, stop, own)),
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
      file.seekSync(start, Deno.SeekMode.Start);
      let filled = 0;
      while (filled < bytes.length) {
        const count = file.readSync(bytes.subarray(filled));
        if (count === null) break;
        filled += count;
      }
      return filled;
    } catch (error) {
      throw throwFileError("read", this.#path, error);
    }
  }

  async *#pieces(
    start: number,
    end: number,
    use = (piece: Bytes): Bytes => piece,
  ): AsyncGenerator<Uint8Array> {
    using file = await Deno.open(this.#path)
      .catch((error) => throwFileError("read", this.#path, error));
    await file.seek(start, Deno.SeekMode.Start);
    for (let position = start; position < end;) {
      const piece = use(new Uint8Array(Math.min(PIECE_BYTES, end - position)));
      const count = await file.read(piece);
      if (count === null) return;
      position += count;
      yield piece.subarray(0, count);
    }
  }
}
