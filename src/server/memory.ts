import type { Digest } from "../digest.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";
import { readNamedContent } from "../named_content.ts";
import type { BlobSource } from "../source/blob_source.ts";
import type { BlobWriter, Storage, StoredManifest } from "../storage.ts";
import { type MemoryBlob, MemoryWriter } from "./memory_blob.ts";
import { MemoryRepository } from "./memory_repository.ts";

/** Options for {@linkcode MemoryStorage}. */
export interface MemoryStorageOptions {
  /**
   * Hash for blobs above 64 MiB; smaller ones go through Web Crypto.
   * @default {createHash}
   */
  hasher?: Hasher;
  /**
   * Size of all content above which it removes what nobody needs: manifests to which no tag leads, by way of an index or
   * of a referrer either way, and blobs that no manifest names. What a client was told is there stays for an hour; what it
   * has sent until something names it, a manifest a blob, a tag or an index a manifest, and for an hour at most.
   * @default {268435456}
   */
  collectAboveBytes?: number;
  /**
   * The clock, in milliseconds.
   * @default {Date.now}
   */
  now?: () => number;
}

/** Content of this size is no burden, whether it is needed or not. */
const COLLECT_ABOVE_BYTES = 256 * 1024 * 1024;
/** How much content may grow after a collection before the next one, which would find little to remove. */
const GROWTH = 1.5;

/**
 * Keeps everything in memory, for tests and short-lived registries; nothing but the memory limits how much.
 *
 * Bodies are kept in the pieces in which they arrive. A blob is dropped when the last repository loses it, and what nobody
 * needs when there is much: see `collectAboveBytes`.
 *
 * @example Looking into the storage of a registry
 * ```ts
 * import { createRegistry, MemoryStorage } from "@tarpush/tarpush/registry";
 * const storage = new MemoryStorage();
 * const registry = createRegistry({ storage });
 * await registry(new Request("http://registry/v2/"));
 * if ((await storage.listRepositories()).length !== 0) throw new Error("unreachable");
 * ```
 */
export class MemoryStorage implements Storage {
  readonly #hasher: Hasher;
  readonly #now: () => number;
  readonly #collectAbove: number;
  readonly #contents = new Map<Digest, MemoryBlob>();
  readonly #repositories = new Map<string, MemoryRepository>();
  /** Bytes of all blobs. */
  #size = 0;
  /** Size from which on it is worth to look for what nobody needs. */
  #limit: number;

  /**
   * Makes an empty storage.
   *
   * @param options The hash to use, and when to remove what nobody needs.
   */
  constructor(options: MemoryStorageOptions = {}) {
    const { hasher = createHash, collectAboveBytes = COLLECT_ABOVE_BYTES, now = Date.now } =
      options;
    this.#hasher = hasher;
    this.#now = now;
    this.#collectAbove = collectAboveBytes;
    this.#limit = collectAboveBytes;
  }

  /** See {@linkcode Storage}. */
  createBlob(): Promise<BlobWriter> {
    return Promise.resolve(
      new MemoryWriter(this.#hasher, (name, digest, blob) => {
        this.#add(digest, blob);
        const repository = this.#open(name);
        repository.blobs.add(digest);
        repository.noteSent(digest, this.#now());
        if (this.#size > this.#limit) this.#collect();
      }),
    );
  }

  /** See {@linkcode Storage}. */
  openBlob(repository: string, digest: Digest): Promise<BlobSource | undefined> {
    const shown = this.#repositories.get(repository)?.blobs.has(digest);
    return Promise.resolve(shown ? this.#contents.get(digest) : undefined);
  }

  /** See {@linkcode Storage}. */
  keep(name: string, digest: Digest): Promise<boolean> {
    const repository = this.#repositories.get(name);
    const shown = repository?.blobs.has(digest) || repository?.manifests.has(digest);
    if (shown) repository?.noteTold(digest, this.#now());
    return Promise.resolve(shown ?? false);
  }

  /** See {@linkcode Storage}. */
  mountBlob(from: string, to: string, digest: Digest): Promise<boolean> {
    if (!this.#repositories.get(from)?.blobs.has(digest)) return Promise.resolve(false);
    this.#open(to).blobs.add(digest);
    return this.keep(to, digest);
  }

  /** See {@linkcode Storage}. */
  deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const deleted = this.#repositories.get(repository)?.blobs.delete(digest) ?? false;
    const shown = [...this.#repositories.values()].some(({ blobs }) => blobs.has(digest));
    if (!shown) this.#drop(digest);
    return Promise.resolve(deleted);
  }

  /** See {@linkcode Storage}. */
  getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
    return Promise.resolve(this.#repositories.get(repository)?.manifests.get(digest));
  }

  /** See {@linkcode Storage}. */
  putManifest(
    name: string,
    manifest: StoredManifest,
    tags: readonly string[] = [],
  ): Promise<void> {
    const repository = this.#open(name);
    repository.manifests.set(manifest.digest, manifest);
    repository.noteSent(manifest.digest, this.#now());
    const { blobs, children } = readNamedContent(manifest.bytes);
    for (const digest of [...blobs, ...children]) repository.noteNamed(digest);
    for (const tag of tags) repository.tags.set(tag, manifest.digest);
    if (tags.length > 0) repository.noteNamed(manifest.digest);
    return Promise.resolve();
  }

  /** See {@linkcode Storage}. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const { manifests, tags } = this.#repositories.get(repository) ?? new MemoryRepository();
    for (const [tag, target] of tags) {
      if (target === digest) tags.delete(tag);
    }
    return Promise.resolve(manifests.delete(digest));
  }

  /** See {@linkcode Storage}. */
  listReferrers(repository: string, subject: Digest): Promise<Digest[]> {
    const manifests = this.#repositories.get(repository)?.manifests.values() ?? [];
    const referrers = [...manifests].filter((manifest) => manifest.subject === subject);
    return Promise.resolve(referrers.map(({ digest }) => digest));
  }

  /** See {@linkcode Storage}. */
  getTag(repository: string, tag: string): Promise<Digest | undefined> {
    return Promise.resolve(this.#repositories.get(repository)?.tags.get(tag));
  }

  /** See {@linkcode Storage}. */
  deleteTag(repository: string, tag: string): Promise<boolean> {
    return Promise.resolve(this.#repositories.get(repository)?.tags.delete(tag) ?? false);
  }

  /** See {@linkcode Storage}. */
  listTags(repository: string): Promise<string[] | undefined> {
    const tags = this.#repositories.get(repository)?.tags;
    return Promise.resolve(tags && [...tags.keys()]);
  }

  /** See {@linkcode Storage}. */
  listRepositories(): Promise<string[]> {
    return Promise.resolve([...this.#repositories.keys()]);
  }

  #add(digest: Digest, blob: MemoryBlob): void {
    if (this.#contents.has(digest)) return;
    this.#contents.set(digest, blob);
    this.#size += blob.size;
  }

  #drop(digest: Digest): void {
    this.#size -= this.#contents.get(digest)?.size ?? 0;
    this.#contents.delete(digest);
  }

  /** Removes what nobody needs, in one step. */
  #collect(): void {
    const shown = new Set<Digest>();
    for (const repository of this.#repositories.values()) {
      repository.collect(this.#now());
      for (const digest of repository.blobs) shown.add(digest);
    }
    for (const digest of [...this.#contents.keys()]) if (!shown.has(digest)) this.#drop(digest);
    this.#limit = Math.max(this.#collectAbove, this.#size * GROWTH);
  }

  #open(name: string): MemoryRepository {
    const repository = this.#repositories.get(name) ?? new MemoryRepository();
    this.#repositories.set(name, repository);
    return repository;
  }
}
