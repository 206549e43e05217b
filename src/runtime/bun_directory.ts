import type { BlobSource, FolderFile, FolderSource } from "../source/blob_source.ts";
import { BunOpenFile } from "./bun_file.ts";
import type { BunGlobals } from "./bun_globals.ts";
import { failed, fileError, leadsOut, toFileError } from "./file_error.ts";

const { Bun, process } = globalThis as unknown as BunGlobals;

/** Where an image has its files; folders that are links are not looked into, unless a pattern names them outright. */
const PATTERNS = ["*", "*/*", "[b]lobs/*/*"];

/** Opens a folder; see `openDirectory` in mod.ts. */
export async function openBunDirectory(path: string): Promise<FolderSource> {
  try {
    const info = await Bun.file(path).stat();
    if (!info.isDirectory()) throw fileError("open", path, { text: "it is no folder" });
    return new BunDirectory(path);
  } catch (error) {
    throw toFileError("open", path, error);
  }
}

class BunDirectory implements FolderSource {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async *files(): AsyncGenerator<FolderFile> {
    try {
      for (const pattern of PATTERNS) yield* this.#match(pattern);
    } catch (error) {
      throw toFileError("read", this.#path, error);
    }
  }

  async *#match(pattern: string): AsyncGenerator<FolderFile> {
    const files = new Set<string>();
    for await (const path of this.#scan(pattern, true)) {
      files.add(path);
      yield { path, open: () => this.#open(path) };
    }
    for await (const path of this.#scan(pattern, false)) {
      if (files.has(path) || await this.#isFolder(path)) continue;
      yield { path, open: () => this.#follow(path) };
    }
  }

  async #isFolder(path: string): Promise<boolean> {
    const info = await Bun.file(`${this.#path}/${path}`).stat().catch(() => undefined);
    return info?.isDirectory() ?? false;
  }

  /** Opens what is no file: a link to one, else nothing. */
  async #follow(path: string): Promise<BlobSource | undefined> {
    const info = await Bun.file(`${this.#path}/${path}`).stat().catch(() => undefined);
    if (!info?.isFile()) return undefined;
    if (!await this.#leadsInside(path)) throw leadsOut(this.#path, path);
    return await this.#open(path);
  }

  async #open(path: string): Promise<BlobSource> {
    const name = `${this.#path}/${path}`;
    const file = Bun.file(name);
    const opened = await file.stat().catch(failed("open", name));
    return new BunOpenFile(name, opened, file);
  }

  async *#scan(pattern: string, onlyFiles: boolean): AsyncGenerator<string> {
    const glob = new Bun.Glob(pattern);
    for await (const path of glob.scan({ cwd: this.#path, dot: true, onlyFiles })) {
      // Elsewhere it may be part of a name.
      yield process.platform === "win32" ? path.replaceAll("\\", "/") : path;
    }
  }

  /** Whether a link leads to a file of the folder. Bun tells where only when it resolves a module. */
  async #leadsInside(path: string): Promise<boolean> {
    const root = await this.#realRoot();
    if (root === undefined) return false;
    try {
      const real = this.#resolve(path);
      return real.startsWith(root) && /^[/\\]/.test(real.slice(root.length));
    } catch {
      return false;
    }
  }

  #resolve(path: string): string {
    const isAbsolute = /^(?:[/\\]|[A-Za-z]:)/.test(this.#path);
    return Bun.resolveSync(`./${path}`, isAbsolute ? this.#path : `${process.cwd()}/${this.#path}`);
  }

  /** The folder itself without links on the way to it, told by a file in it that is none. */
  async #realRoot(): Promise<string | undefined> {
    for (const pattern of PATTERNS) {
      for await (const path of this.#scan(pattern, true)) {
        return this.#resolve(path).slice(0, -path.length - 1);
      }
    }
    return undefined;
  }
}
