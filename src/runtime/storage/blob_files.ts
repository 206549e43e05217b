import type { Bytes } from "../../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import { folderOf } from "./folder_paths.ts";
import type { FolderSettings } from "./folder_settings.ts";
import { renameWhole, writeWhole } from "./repository.ts";
import { hashFile } from "./stored_blobs.ts";

/** A use of a file is noted where the last that was noted is older, in milliseconds. */
export const TOUCH_AGE = 10 * 60 * 1000;

/**
 * The files of blobs and manifests. Where the file system has hard links, content that several repositories have is one file
 * with a name in each of them, and one that all share. Nobody else may work on a `path` meanwhile.
 */
export class BlobFiles {
  readonly #settings: FolderSettings;

  constructor(settings: FolderSettings) {
    this.#settings = settings;
  }

  /** Gives a whole upload its place: the bytes of it, or those that the storage has already. */
  async publish(upload: string, path: string, digest: Digest): Promise<void> {
    const { files, paths } = this.#settings;
    const shared = paths.sharedBlob(digest);
    const size = (await files.stat(upload))?.size;
    if (await this.#takeShared(shared, size, digest, path)) {
      await Promise.all([files.remove(upload), files.sync([folderOf(path)])]);
      return;
    }
    await files.rename(upload, path);
    await Promise.all([files.sync([folderOf(path)]), this.#addShared(path, shared)]);
  }

  /** Puts the shared file of a blob in the place of what has `path`; false where there is none, or it is damaged. */
  async #takeShared(
    shared: string,
    size: number | undefined,
    digest: Digest,
    path: string,
  ): Promise<boolean> {
    const { files, paths, hasLinks } = this.#settings;
    if (!hasLinks || size === undefined || (await files.stat(shared))?.size !== size) return false;
    // Whoever sends it has perhaps found it damaged.
    if (await hashFile(files, shared, size, digestAlgorithm(digest)) !== digest) return false;
    const link = paths.newUpload();
    if (!await files.link(shared, link)) return false;
    try {
      await files.rename(link, path);
    } finally {
      // To rename a file to a name that it has leaves it both.
      await files.remove(link);
    }
    return await this.touch(path);
  }

  async #addShared(path: string, shared: string): Promise<void> {
    if (!this.#settings.hasLinks) return;
    if (await this.#settings.files.stat(shared)) await this.#settings.files.remove(shared);
    // It saves space, and that is all: whether it is there after a crash does not matter.
    await this.#settings.files.link(path, shared);
  }

  /** Gives the file of one repository to another; false where it is gone. */
  async share(source: string, target: string): Promise<boolean> {
    const { files, paths, hasLinks } = this.#settings;
    if (hasLinks && await files.link(source, target)) {
      await this.touch(target);
    } else {
      const found = await files.stat(source);
      if (!found) return false;
      if ((await files.stat(target))?.size === found.size) return await this.touch(target);
      const upload = paths.newUpload();
      await renameWhole(files, upload, target, () => files.copy(source, upload));
    }
    await files.sync([folderOf(target)]);
    return true;
  }

  /** Writes a manifest, unless it is there and whole. */
  async writeManifest(path: string, digest: Digest, bytes: Bytes): Promise<void> {
    const { files, paths } = this.#settings;
    const before = await files.read(path);
    if (before && await digestBytes(before, digestAlgorithm(digest)) === digest) {
      await this.touch(path);
      return;
    }
    await writeWhole(files, paths.newUpload(), bytes, path);
    await files.sync([folderOf(path)]);
  }

  /** Removes a file of a repository, and its shared name with the last of them; false where there is none. */
  async remove(path: string, digest: Digest): Promise<boolean> {
    const { files, paths } = this.#settings;
    const wasThere = await files.remove(path);
    const shared = paths.sharedBlob(digest);
    // Whoever gets the last name at this moment has the content all the same.
    if ((await files.stat(shared))?.links === 1) await files.remove(shared);
    return wasThere;
  }

  /** Notes that a file is used; false where there is none. */
  async touch(path: string): Promise<boolean> {
    const { files, readOnly, now } = this.#settings;
    const found = await files.stat(path);
    if (!found) return false;
    return readOnly || now() - found.modified < TOUCH_AGE || await files.touch(path);
  }
}
