import type { BlobSource, FolderFile, FolderSource } from "../source/blob_source.ts";
import { DenoFile } from "./deno_file.ts";
import { throwFileError } from "./deno_file_error.ts";
import { fileError, leadsOut } from "./file_error.ts";

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
    if (isBelow(real, this.#root)) return new DenoFile(real, info);
    throw leadsOut(this.#path, path);
  }
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root) && /^[/\\]/.test(path.slice(root.length));
}
