import { type FolderPaths, toComponent } from "./folder_paths.ts";
import type { StorageFiles } from "./storage_files.ts";

/** The names of all repositories of a folder, which is looked through once, while the registry answers already. */
export class RepositoryNames {
  readonly #files: StorageFiles;
  readonly #paths: FolderPaths;
  readonly #names: Promise<Set<string>>;

  constructor(files: StorageFiles, paths: FolderPaths) {
    this.#files = files;
    this.#paths = paths;
    this.#names = this.#find();
    // Whoever lists them hears of it.
    this.#names.catch(() => {});
  }

  /** Adds a repository that was made: who lists them waits until all are found, and has it then. */
  add(name: string): void {
    void this.#names.then((names) => names.add(name), () => {});
  }

  /** All names, in no order. */
  async list(): Promise<string[]> {
    return [...await this.#names];
  }

  async #find(): Promise<Set<string>> {
    const names = new Set<string>();
    await this.#walk("", names);
    return names;
  }

  async #walk(name: string, names: Set<string>): Promise<void> {
    const isRoot = name === "";
    const path = isRoot ? this.#paths.root : this.#paths.repository(name);
    const entries = await this.#files.list(path);
    if (!isRoot && entries.some((entry) => entry.name === "index.json")) names.add(name);
    for (const entry of entries) {
      // A component of this name has a low line before it.
      if (!entry.isDirectory || entry.name === "blobs") continue;
      const component = toComponent(entry.name);
      if (component) await this.#walk(isRoot ? component : `${name}/${component}`, names);
    }
  }
}
