import type { Bytes } from "../../bytes.ts";
import { blobPath, type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import type { OciError } from "../../errors.ts";
import { readNamedContent } from "../../named_content.ts";
import { fileError, reasonOf } from "../file_error.ts";
import { folderOf, type FolderPaths } from "./folder_paths.ts";
import { RepositoryIndex } from "./repository_index.ts";
import type { StorageFiles } from "./storage_files.ts";

/** What the folder of every repository has, and what another program looks for (image-spec, image-layout.md). */
const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}\n';

/** One repository: an OCI layout in a folder of its own. */
export class Repository {
  readonly name: string;
  /** The folder. */
  readonly path: string;
  /** Work that holds on to it; one that is used is not forgotten. */
  users = 0;
  readonly #files: StorageFiles;
  readonly #paths: FolderPaths;
  /** The index that changes are made to, once it is there. */
  #index: RepositoryIndex | undefined;
  #loading: Promise<RepositoryIndex | undefined> | undefined;
  #creating: Promise<RepositoryIndex> | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** The same, of an index that is still the one that changes are made to: it fails where they could not be saved. */
  #saved: Promise<void> = Promise.resolve();
  #nextSave: Promise<void> | undefined;
  /** Why the last index that could not be saved was not: changes that were made to it meanwhile fail with that, too. */
  #failure: unknown;

  constructor(name: string, files: StorageFiles, paths: FolderPaths) {
    this.name = name;
    this.path = paths.repository(name);
    this.#files = files;
    this.#paths = paths;
  }

  /** Its index as it is now; undefined where there is no such repository. */
  async index(): Promise<RepositoryIndex | undefined> {
    if (this.#index) return this.#index;
    try {
      return await (this.#loading ??= this.#load());
    } finally {
      this.#loading = undefined;
    }
  }

  /** The same, of a repository that is made where there is none. */
  async create(): Promise<RepositoryIndex> {
    const index = await this.index();
    if (index) return index;
    try {
      return await (this.#creating ??= this.#make());
    } finally {
      this.#creating = undefined;
    }
  }

  /**
   * Changes the index; settled when the change is on the disk.
   *
   * @param change Makes the change, in one step; false where all is as it should be, though perhaps not on the disk yet.
   */
  async update(change: (index: RepositoryIndex) => boolean): Promise<void> {
    let index = await this.create();
    // One that could not be saved is not what the repository has.
    while (index !== this.#index) index = await this.create();
    await (change(index) ? this.#save(index) : this.#saved);
  }

  /**
   * Reads a manifest.
   *
   * @returns Its bytes; undefined where they are not there.
   * @throws {OciError} If they have another digest.
   */
  async readManifest(digest: Digest): Promise<Bytes | undefined> {
    const path = this.blobPath(digest);
    const bytes = await this.#files.read(path);
    if (bytes && await digestBytes(bytes, digestAlgorithm(digest)) !== digest) {
      throw damaged(path);
    }
    return bytes;
  }

  /** Where it has a blob or a manifest. */
  blobPath(digest: Digest): string {
    return `${this.path}/${blobPath(digest)}`;
  }

  async #load(): Promise<RepositoryIndex | undefined> {
    const path = `${this.path}/index.json`;
    const bytes = await this.#files.read(path);
    if (!bytes) return undefined;
    let index: RepositoryIndex;
    try {
      index = RepositoryIndex.parse(new TextDecoder().decode(bytes));
    } catch (cause) {
      const text = `${reasonOf(cause)}, expected the index of an OCI layout`;
      throw fileError("read", path, { text }, { cause });
    }
    if (!index.isComplete) await this.#complete(index);
    return this.#index ??= index;
  }

  /** Adds what another program did not list: manifests that an index names, and what refers to what. */
  async #complete(index: RepositoryIndex): Promise<void> {
    const queue = [...index.manifests.keys()];
    for (const digest of queue) {
      const listed = index.manifests.get(digest);
      const bytes = await this.#files.read(this.blobPath(digest));
      if (!listed || !bytes) continue;
      const { subject, children } = readNamedContent(bytes);
      listed.subject = subject;
      for (const child of children) {
        const size = (await this.#files.stat(this.blobPath(child)))?.size;
        if (size === undefined || index.manifests.has(child)) continue;
        const mediaType = typeOf(await this.#files.read(this.blobPath(child)));
        index.manifests.set(child, { digest: child, mediaType, size });
        queue.push(child);
      }
    }
  }

  async #make(): Promise<RepositoryIndex> {
    const index = RepositoryIndex.empty();
    const blobs = `${this.path}/blobs/sha256`;
    await this.#files.makeDirectory(blobs);
    const { root } = this.#paths;
    const above: string[] = [];
    for (let path = folderOf(blobs); path.length >= root.length; path = folderOf(path)) {
      above.push(path);
    }
    await Promise.all([
      this.#replace("oci-layout", OCI_LAYOUT),
      this.#replace("index.json", index.format()),
      this.#files.sync(above),
    ]);
    await this.#files.sync([this.path]);
    return this.#index ??= index;
  }

  /** Saves the index as it is when that begins: changes that come close together are saved at once. */
  #save(index: RepositoryIndex): Promise<void> {
    this.#nextSave ??= this.#saving.then(async () => {
      this.#nextSave = undefined;
      try {
        if (index !== this.#index) throw this.#failure;
        await this.#replace("index.json", index.format());
        await this.#files.sync([this.path]);
      } catch (error) {
        // What could not be saved is not so: the next reader finds what is on the disk.
        if (index === this.#index) {
          this.#index = undefined;
          this.#failure = error;
          this.#saved = Promise.resolve();
        }
        throw error;
      }
    });
    const save = this.#nextSave;
    this.#saved = save;
    this.#saving = save.catch(() => {});
    return save;
  }

  async #replace(name: string, text: string): Promise<void> {
    const upload = this.#paths.newUpload();
    await writeWhole(this.#files, upload, new TextEncoder().encode(text), `${this.path}/${name}`);
  }
}

/**
 * Writes a file that has its name when it is whole, and not before; the folder is for the caller to sync.
 *
 * @param temporary What it is called meanwhile.
 */
export async function writeWhole(
  files: StorageFiles,
  temporary: string,
  bytes: Uint8Array,
  path: string,
): Promise<void> {
  await renameWhole(files, temporary, path, () => writeFile(files, temporary, bytes));
}

/** Brings what `make` has put into a file to the disk, and gives it its name; where that fails nothing is left of it. */
export async function renameWhole(
  files: StorageFiles,
  temporary: string,
  path: string,
  make: () => Promise<void>,
): Promise<void> {
  try {
    await make();
    await files.sync([temporary]);
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Writes a new file; that it is on the disk is for the caller. */
export async function writeFile(
  files: StorageFiles,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await files.create(path);
  try {
    await file.write(bytes);
  } finally {
    await file.close();
  }
}

/** The error for content that is not any more what its name says. */
export function damaged(path: string): OciError {
  return fileError("read", path, {
    text: "it is damaged, expected content of the digest in its name",
  }, {
    hint: "tarpush serve --dir PATH --scrub finds all that is damaged, and takes it away",
  });
}

function typeOf(bytes: Bytes | undefined): string {
  try {
    const { mediaType }: { mediaType?: unknown } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof mediaType === "string" ? mediaType : "";
  } catch {
    return "";
  }
}
