import { type Digest, digestAlgorithm } from "../../digest.ts";
import type { BlobSource } from "../../source/blob_source.ts";
import type { BlobWriter, Storage, StoredManifest } from "../../storage.ts";
import { BlobFiles } from "./blob_files.ts";
import { folderOf } from "./folder_paths.ts";
import type { FolderSettings } from "./folder_settings.ts";
import { damaged, Repository } from "./repository.ts";
import type { RepositoryIndex } from "./repository_index.ts";
import { findRepositories } from "./repository_names.ts";
import { UploadWriter, WriterRoom } from "./upload_writer.ts";
import { VerifiedBlob } from "./verified_blob.ts";

/** Repositories that are remembered at a time: each has its tags and manifests in memory. */
const MAX_REPOSITORIES = 1000;

/** Keeps the content of a registry in a folder: an OCI layout for each repository. */
export class FolderStorage implements Storage {
  readonly settings: FolderSettings;
  readonly blobFiles: BlobFiles;
  readonly room = new WriterRoom();
  /** What happens to a file of a repository that somebody may be about to remove. */
  readonly #busy = new KeyedLock();
  readonly #repositories = new Map<string, Repository>();
  /** The folder is looked through once, while the registry answers already. */
  readonly #names: Promise<Set<string>>;

  constructor(settings: FolderSettings) {
    this.settings = settings;
    this.blobFiles = new BlobFiles(settings);
    this.#names = findRepositories(settings.files, settings.paths);
    // Whoever lists them hears of it.
    this.#names.catch(() => {});
  }

  createBlob(): Promise<BlobWriter> {
    const { files, paths } = this.settings;
    return Promise.resolve(
      new UploadWriter(
        files,
        paths.newUpload(),
        this.room,
        (upload, repository, digest) => this.#publish(upload, repository, digest),
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
    return this.alone(path, () => this.blobFiles.touch(path));
  }

  async mountBlob(from: string, to: string, digest: Digest): Promise<boolean> {
    const { paths } = this.settings;
    const source = paths.blob(from, digest);
    const target = paths.blob(to, digest);
    if (source === target) return await this.keep(from, digest);
    if (!await this.settings.files.stat(source)) return false;
    await this.#prepare(to, digest);
    return await this.alone(target, () => this.blobFiles.share(source, target));
  }

  async deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const index = await this.#index(repository);
    if (!index || index.manifests.has(digest)) return false;
    const path = this.settings.paths.blob(repository, digest);
    return await this.alone(path, () => this.blobFiles.remove(path, digest));
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
      await this.alone(path, () => this.blobFiles.writeManifest(path, digest, bytes));
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

  async listRepositories(): Promise<string[]> {
    return [...await this.#names];
  }

  /** Runs `work` while nobody adds, keeps or removes this file of a repository. */
  alone<T>(path: string, work: () => Promise<T>): Promise<T> {
    return this.#busy.run(path, work);
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

  async #publish(upload: string, repository: string, digest: Digest): Promise<void> {
    const path = await this.#prepare(repository, digest);
    await this.alone(path, () => this.blobFiles.publish(upload, path, digest));
  }

  /** Makes a repository and what a blob of it needs; returns where that is to be. */
  async #prepare(repository: string, digest: Digest): Promise<string> {
    const { files, paths } = this.settings;
    await this.use(repository, (found) => found.create());
    // Whoever lists them waits until all are found, and has it then.
    void this.#names.then((names) => names.add(repository), () => {});
    const path = paths.blob(repository, digest);
    // Every repository has the folder of the usual algorithm.
    if (digestAlgorithm(digest) !== "sha256") await files.makeDirectory(folderOf(path));
    return path;
  }
}

/** Lets one piece of work after the other have what a key stands for. */
class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when all that was asked for before under this key has ended. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const run = before ? before.then(work, work) : work();
    this.#last.set(key, run);
    try {
      return await run;
    } finally {
      if (this.#last.get(key) === run) this.#last.delete(key);
    }
  }
}
