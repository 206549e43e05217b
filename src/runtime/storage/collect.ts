import { runAll } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { DiskError } from "../../errors.ts";
import { type NamedContent, reachContent, readNamedContent } from "../../named_content.ts";
import { TOUCH_AGE } from "./blob_files.ts";
import type { FolderStorage } from "./folder_storage.ts";
import type { Repository } from "./repository.ts";
import { listBlobs } from "./stored_blobs.ts";

/** What a collection leaves alone. */
export interface CollectOptions {
  /**
   * How long a manifest stays to which no tag leads: by way of an index, or of a referrer either way.
   * @default {86400}
   */
  untaggedSeconds?: number;
  /**
   * How long a blob stays that no manifest names, after it was uploaded, mounted, or a client was told that it is there.
   * @default {3600}
   */
  unusedSeconds?: number;
  /**
   * How long an upload stays open to which nothing is added.
   * @default {86400}
   */
  idleSeconds?: number;
  /** Ends the collection between two files. */
  signal?: AbortSignal;
}

/** What a collection removed. */
export interface CollectedContent {
  /** How many manifests. */
  manifests: number;
  /** How many blobs; one that several repositories had counts once. */
  blobs: number;
  /** How many uploads that nobody had gone on with. */
  uploads: number;
  /** Bytes that the disk has again. */
  bytes: number;
}

/** Manifests removed at the same time, so that one index.json does for many. */
const CONCURRENCY = 64;

/** Removes what nobody needs; see `collect` of `FolderRegistryStorage`. */
export async function collectFolder(
  storage: FolderStorage,
  options: CollectOptions,
): Promise<CollectedContent> {
  const collection = new Collection(storage, options);
  for (const name of await storage.listRepositories()) {
    await storage.use(name, (repository) => collection.collect(repository));
  }
  await collection.collectShared();
  await collection.endUploads();
  return collection.collected;
}

/** Manifests that are not needed, and that none of the others like them names: an index goes before what it lists. */
function nextUnneeded(
  roots: ReadonlySet<Digest>,
  manifests: ReadonlyMap<Digest, NamedContent>,
): Digest[] {
  const needed = reachContent(roots, manifests).manifests;
  const unneeded = [...manifests].filter(([digest]) => !needed.has(digest));
  const named = new Set(
    unneeded.flatMap(([, { children, subject = [] }]) => children.concat(subject)),
  );
  return unneeded.map(([digest]) => digest).filter((digest) => !named.has(digest));
}

/** To remove a manifest takes some room, for the new list: blobs make it, and the next collection has it. */
function falseWhereFull(error: unknown): false {
  if (error instanceof DiskError) return false;
  throw error;
}

class Collection {
  readonly collected: CollectedContent = { manifests: 0, blobs: 0, uploads: 0, bytes: 0 };
  readonly #storage: FolderStorage;
  readonly #options: Required<Omit<CollectOptions, "signal">>;
  readonly #signal: AbortSignal | undefined;

  constructor(storage: FolderStorage, { signal, ...options }: CollectOptions) {
    const { untaggedSeconds = 86_400, unusedSeconds = 3600, idleSeconds = 86_400 } = options;
    this.#storage = storage;
    this.#options = { untaggedSeconds, unusedSeconds, idleSeconds };
    this.#signal = signal;
  }

  async collect(repository: Repository): Promise<void> {
    const index = await repository.index();
    if (!index) return;
    const manifests = new Map<Digest, NamedContent>();
    const roots = new Set(index.tags.values());
    for (const digest of index.manifests.keys()) {
      const path = repository.blobPath(digest);
      const bytes = await repository.readManifest(digest).catch(() => undefined);
      // What a damaged manifest names nobody knows: everything stays until a push has brought it again.
      if (!bytes) return;
      manifests.set(digest, readNamedContent(bytes));
      if (await this.#isUsed(path, this.#options.untaggedSeconds)) roots.add(digest);
      this.#signal?.throwIfAborted();
    }
    const known = new Set(manifests.keys());
    for (let next = nextUnneeded(roots, manifests); next.length > 0;) {
      await runAll(next, CONCURRENCY, async (digest) => {
        const isRemoved = await this.#removeManifest(repository, digest).catch(falseWhereFull);
        if (isRemoved) manifests.delete(digest);
        // What somebody has asked for since stays, and all that it needs.
        else roots.add(digest);
      });
      next = nextUnneeded(roots, manifests);
    }
    await this.#collectBlobs(repository, known, reachContent(roots, manifests).blobs);
  }

  /** Removes the shared names of what no repository has any more. */
  async collectShared(): Promise<void> {
    const { files, paths } = this.#storage.settings;
    for await (const { path } of listBlobs(files, paths.shared, this.#signal)) {
      const found = await files.stat(path);
      if (found?.links !== 1 || await this.#isUsed(path, this.#options.unusedSeconds)) continue;
      if (await files.remove(path)) this.#count("blobs", found.size);
    }
  }

  /** Ends uploads that nobody has gone on with. */
  async endUploads(): Promise<void> {
    const latest = this.#storage.settings.now() - this.#options.idleSeconds * 1000;
    for (const writer of [...this.#storage.room.open]) {
      if (writer.touched > latest) continue;
      await writer.discard();
      this.collected.uploads++;
    }
  }

  /** Removes a manifest, unless it was put, asked for or tagged meanwhile; false where it stays. */
  async #removeManifest(repository: Repository, digest: Digest): Promise<boolean> {
    const path = repository.blobPath(digest);
    return await this.#storage.alone(path, async () => {
      if (await this.#isUsed(path, this.#options.untaggedSeconds)) return false;
      let isRemoved = false;
      await repository.update(({ manifests, tags }) => {
        if ([...tags.values()].includes(digest)) return false;
        return isRemoved = manifests.delete(digest);
      });
      if (!isRemoved) return false;
      const found = await this.#storage.settings.files.stat(path);
      await this.#storage.settings.files.remove(path);
      this.#count("manifests", found?.size ?? 0);
      return true;
    });
  }

  async #collectBlobs(
    repository: Repository,
    known: Set<Digest>,
    needed: Set<Digest>,
  ): Promise<void> {
    const { files } = this.#storage.settings;
    for await (const { digest, path } of listBlobs(files, repository.path, this.#signal)) {
      if (needed.has(digest)) continue;
      await this.#storage.alone(path, async () => {
        if (await this.#isUsed(path, this.#options.unusedSeconds)) return;
        await this.#addNew(repository, known, needed);
        if (needed.has(digest) || (await repository.index())?.manifests.has(digest)) return;
        const found = await files.stat(path);
        await this.#storage.blobFiles.remove(path, digest);
        // Its shared name is the other one.
        if (found && found.links <= 2) this.#count("blobs", found.size);
      });
    }
  }

  /** Adds what manifests name that have come since the repository was looked at. */
  async #addNew(
    repository: Repository,
    known: Set<Digest>,
    needed: Set<Digest>,
  ): Promise<void> {
    for (const digest of (await repository.index())?.manifests.keys() ?? []) {
      if (known.has(digest)) continue;
      const bytes = await repository.readManifest(digest);
      // One that is on its way is read by the next.
      if (!bytes) continue;
      known.add(digest);
      const { blobs, foreign } = readNamedContent(bytes);
      for (const blob of [...blobs, ...foreign]) needed.add(blob);
    }
  }

  /** Whether a file was used within a time; what was not noted because of a note shortly before counts. */
  async #isUsed(path: string, seconds: number): Promise<boolean> {
    const { files, now } = this.#storage.settings;
    const found = await files.stat(path);
    return found !== undefined && now() - found.modified < seconds * 1000 + TOUCH_AGE;
  }

  #count(what: "manifests" | "blobs", bytes: number): void {
    this.collected[what]++;
    this.collected.bytes += bytes;
  }
}
