import { type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import type { BlobSource } from "../../source/blob_source.ts";
import type { BlobWriter, Storage, StoredManifest } from "../../storage.ts";
import { folderOf, type FolderPaths } from "./folder_paths.ts";
import { KeyedLock } from "./keyed_lock.ts";
import { damaged, renameWhole, Repository, writeWhole } from "./repository.ts";
import type { RepositoryIndex } from "./repository_index.ts";
import { RepositoryNames } from "./repository_names.ts";
import type { StorageFiles } from "./storage_files.ts";
import { hashFile } from "./stored_blobs.ts";
import { UploadWriter, WriterRoom } from "./upload_writer.ts";
import { VerifiedBlob } from "./verified_blob.ts";

/** What a storage in a folder is made with. */
export interface FolderSettings {
  files: StorageFiles;
  paths: FolderPaths;
  /** Whether nothing is written at all. */
  readOnly: boolean;
  /** Whether the file system has hard links. */
  hasLinks: boolean;
  /** The clock, in milliseconds. */
  now: () => number;
  /** Told of content that is found to be damaged while it is served. */
  onDamage: (error: Error) => void;
}

/** Repositories that are remembered at a time: each has its tags and manifests in memory. */
const MAX_REPOSITORIES = 1000;

/** A use of a file is noted where the last that was noted is older, in milliseconds. */
export const TOUCH_AGE = 10 * 60 * 1000;

/** Keeps the content of a registry in a folder: an OCI layout for each repository. */
export class FolderStorage implements Storage {
  readonly settings: FolderSettings;
  readonly room = new WriterRoom();
  /** What happens to a file of a repository that somebody may be about to remove. */
  readonly #blobs = new KeyedLock();
  readonly #repositories = new Map<string, Repository>();
  readonly #names: RepositoryNames;

  constructor(settings: FolderSettings) {
    this.settings = settings;
    this.#names = new RepositoryNames(settings.files, settings.paths);
  }

  createBlob(): Promise<BlobWriter> {
    const { files, paths } = this.settings;
    return Promise.resolve(
      new UploadWriter(
        files,
        paths.newUpload(),
        this.room,
        (path, repository, digest) => this.#publish(path, repository, digest),
      ),
    );
  }

  async openBlob(repository: string, digest: Digest): Promise<BlobSource | undefined> {
    const { files, paths, onDamage } = this.settings;
    const path = paths.blob(repository, digest);
    const found = await files.stat(path);
    if (!found) return undefined;
    const source = files.open(path, found.size);
    const startHash = (signal: AbortSignal) =>
      files.hashWhole(path, digestAlgorithm(digest), signal);
    return new VerifiedBlob(source, digest, startHash, () => {
      const error = damaged(path);
      onDamage(error);
      return error;
    });
  }

  keep(repository: string, digest: Digest): Promise<boolean> {
    const path = this.settings.paths.blob(repository, digest);
    return this.#blobs.run(path, () => this.#touch(path));
  }

  async mountBlob(from: string, to: string, digest: Digest): Promise<boolean> {
    const { paths } = this.settings;
    const source = paths.blob(from, digest);
    const target = paths.blob(to, digest);
    if (source === target) return await this.keep(from, digest);
    if (!await this.settings.files.stat(source)) return false;
    await this.#prepare(to, digest);
    return await this.#blobs.run(target, () => this.#share(source, target));
  }

  async deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const index = await this.#index(repository);
    if (!index || index.manifests.has(digest)) return false;
    const path = this.settings.paths.blob(repository, digest);
    return await this.#blobs.run(path, () => this.removeBlob(path, digest));
  }

  getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
    return this.use(repository, async (found) => {
      const listed = (await found.index())?.manifests.get(digest);
      const bytes = listed && await found.readManifest(digest);
      if (!bytes) return undefined;
      return { digest, mediaType: listed.mediaType, bytes, subject: listed.subject };
    });
  }

  putManifest(
    repository: string,
    { digest, mediaType, bytes, subject }: StoredManifest,
    newTags: readonly string[] = [],
  ): Promise<void> {
    return this.use(repository, async (found) => {
      const path = await this.#prepare(repository, digest);
      await this.#blobs.run(path, () => this.#writeManifest(path, digest, bytes));
      for (const tag of newTags) await this.#keepTagged(found, tag);
      await found.update(({ manifests, tags }) => {
        const before = manifests.get(digest);
        const isListed = before?.mediaType === mediaType && before.subject === subject;
        if (!isListed) manifests.set(digest, { digest, mediaType, size: bytes.length, subject });
        const moved = newTags.filter((tag) => tags.get(tag) !== digest);
        for (const tag of moved) tags.set(tag, digest);
        return !isListed || moved.length > 0;
      });
    });
  }

  deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    return this.#change(repository, ({ manifests, tags }) => {
      for (const [tag, target] of tags) if (target === digest) tags.delete(tag);
      return manifests.delete(digest);
    });
  }

  async listReferrers(repository: string, subject: Digest): Promise<Digest[]> {
    const index = await this.#index(repository);
    const referrers = [...index?.manifests.values() ?? []];
    return referrers.filter((manifest) => manifest.subject === subject)
      .map(({ digest }) => digest);
  }

  async getTag(repository: string, tag: string): Promise<Digest | undefined> {
    return (await this.#index(repository))?.tags.get(tag);
  }

  async deleteTag(repository: string, tag: string): Promise<boolean> {
    await this.use(repository, (found) => this.#keepTagged(found, tag));
    return await this.#change(repository, ({ tags }) => tags.delete(tag));
  }

  async listTags(repository: string): Promise<string[] | undefined> {
    const index = await this.#index(repository);
    return index && [...index.tags.keys()];
  }

  listRepositories(): Promise<string[]> {
    return this.#names.list();
  }

  /** Runs `work` while nobody adds, keeps or removes this file of a repository. */
  alone<T>(path: string, work: () => Promise<T>): Promise<T> {
    return this.#blobs.run(path, work);
  }

  /** Removes a file of a repository, and its shared name with the last of them; false where there is none. */
  async removeBlob(path: string, digest: Digest): Promise<boolean> {
    const { files, paths } = this.settings;
    const wasThere = await files.remove(path);
    const shared = paths.sharedBlob(digest);
    // Whoever gets the last name at this moment has the content all the same.
    if ((await files.stat(shared))?.links === 1) await files.remove(shared);
    return wasThere;
  }

  /** What a tag is about to leave stays for its time from now on. */
  async #keepTagged(repository: Repository, tag: string): Promise<void> {
    const digest = (await repository.index())?.tags.get(tag);
    if (digest) await this.keep(repository.name, digest);
  }

  /** Lets `work` have a repository, which exists or does not. */
  async use<T>(name: string, work: (repository: Repository) => Promise<T>): Promise<T> {
    const { files, paths } = this.settings;
    const repository = this.#repositories.get(name) ?? new Repository(name, files, paths);
    // The last that was used is the last to be forgotten.
    this.#repositories.delete(name);
    this.#repositories.set(name, repository);
    repository.users++;
    try {
      return await work(repository);
    } finally {
      repository.users--;
      this.#forgetSome();
    }
  }

  #forgetSome(): void {
    for (const [name, { users }] of this.#repositories) {
      if (this.#repositories.size <= MAX_REPOSITORIES) return;
      if (users === 0) this.#repositories.delete(name);
    }
  }

  /** The index of a repository, where it exists. */
  #index(name: string): Promise<RepositoryIndex | undefined> {
    return this.use(name, (found) => found.index());
  }

  /** Changes the index of a repository that exists; false where nothing was changed. */
  async #change(name: string, change: (index: RepositoryIndex) => boolean): Promise<boolean> {
    return await this.use(name, async (found) => {
      if (!await found.index()) return false;
      let isChanged = false;
      await found.update((index) => isChanged = change(index));
      return isChanged;
    });
  }

  /** Gives a whole upload its place: the bytes of it, or those that the storage has already. */
  async #publish(upload: string, repository: string, digest: Digest): Promise<void> {
    const { files, paths } = this.settings;
    const path = await this.#prepare(repository, digest);
    await this.#blobs.run(path, async () => {
      const shared = paths.sharedBlob(digest);
      const size = (await files.stat(upload))?.size;
      if (await this.#takeShared(shared, size, digest, path)) {
        await Promise.all([files.remove(upload), files.sync([folderOf(path)])]);
        return;
      }
      await files.rename(upload, path);
      await Promise.all([files.sync([folderOf(path)]), this.#addShared(path, shared)]);
    });
  }

  /** Puts the shared file of a blob in the place of what has `path`; false where there is none, or it is damaged. */
  async #takeShared(
    shared: string,
    size: number | undefined,
    digest: Digest,
    path: string,
  ): Promise<boolean> {
    const { files, paths, hasLinks } = this.settings;
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
    return await this.#touch(path);
  }

  async #addShared(path: string, shared: string): Promise<void> {
    if (!this.settings.hasLinks) return;
    if (await this.settings.files.stat(shared)) await this.settings.files.remove(shared);
    // It saves space, and that is all: whether it is there after a crash does not matter.
    await this.settings.files.link(path, shared);
  }

  /** Gives the file of one repository to another; false where it is gone. */
  async #share(source: string, target: string): Promise<boolean> {
    const { files, paths, hasLinks } = this.settings;
    if (hasLinks && await files.link(source, target)) {
      await this.#touch(target);
    } else {
      const found = await files.stat(source);
      if (!found) return false;
      if ((await files.stat(target))?.size === found.size) return await this.#touch(target);
      await this.#copy(source, target, paths.newUpload());
    }
    await files.sync([folderOf(target)]);
    return true;
  }

  async #copy(source: string, target: string, upload: string): Promise<void> {
    const { files } = this.settings;
    await renameWhole(files, upload, target, () => files.copy(source, upload));
  }

  async #writeManifest(path: string, digest: Digest, bytes: Uint8Array<ArrayBuffer>) {
    const { files, paths } = this.settings;
    const before = await files.read(path);
    if (before && await digestBytes(before, digestAlgorithm(digest)) === digest) {
      await this.#touch(path);
      return;
    }
    await writeWhole(files, paths.newUpload(), bytes, path);
    await files.sync([folderOf(path)]);
  }

  /** Makes a repository and what a blob of it needs; returns where that is to be. */
  async #prepare(repository: string, digest: Digest): Promise<string> {
    const { files, paths } = this.settings;
    await this.use(repository, (found) => found.create());
    this.#names.add(repository);
    const path = paths.blob(repository, digest);
    // Every repository has the folder of the usual algorithm.
    if (digestAlgorithm(digest) !== "sha256") await files.makeDirectory(folderOf(path));
    return path;
  }

  async #touch(path: string): Promise<boolean> {
    const { files, readOnly, now } = this.settings;
    const found = await files.stat(path);
    if (!found) return false;
    return readOnly || now() - found.modified < TOUCH_AGE || await files.touch(path);
  }
}
