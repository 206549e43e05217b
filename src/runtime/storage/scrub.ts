import { type Digest, digestAlgorithm } from "../../digest.ts";
import { readNamedContent } from "../../named_content.ts";
import type { FolderStorage } from "./folder_storage.ts";
import type { Repository } from "./repository.ts";
import type { FoundFile } from "./storage_files.ts";
import { hashFile, listBlobs } from "./stored_blobs.ts";

/** Something that is wrong with the content of a storage. */
export interface StorageProblem {
  /**
   * `damaged`: content has not the digest in its name any more, and was taken away, so that a push brings it again.
   * `missing`: a manifest or tag names what is not there.
   */
  kind: "damaged" | "missing";
  /** The repository; undefined for content that no repository has any more. */
  repository: string | undefined;
  /** What is damaged or missing. */
  digest: Digest;
  /** Of what is missing: the tag, or the digest of the manifest, that names it. */
  namedBy?: string;
}

/** Reads everything and tells what is wrong; see `scrub` of `FolderRegistryStorage`. */
export async function* scrubFolder(
  storage: FolderStorage,
  signal: AbortSignal | undefined,
): AsyncGenerator<StorageProblem> {
  const scrub = new Scrub(storage, signal);
  const shared = await Array.fromAsync(scrub.shared());
  for (const name of (await storage.listRepositories()).sort()) {
    yield* scrub.repository(name);
  }
  // What a repository has was told of there.
  for (const digest of shared) {
    if (!scrub.told.has(digest)) yield { kind: "damaged", repository: undefined, digest };
  }
}

class Scrub {
  /** Damaged content that was told of. */
  readonly told = new Set<Digest>();
  /** Files that are damaged, under whatever names. */
  readonly #damaged = new Set<string>();
  readonly #storage: FolderStorage;
  readonly #signal: AbortSignal | undefined;

  constructor(storage: FolderStorage, signal: AbortSignal | undefined) {
    this.#storage = storage;
    this.#signal = signal;
  }

  /** Hashes each shared blob; those that are damaged are taken away. */
  async *shared(): AsyncGenerator<Digest> {
    const { files, paths } = this.#storage.settings;
    for await (const { digest, path } of listBlobs(files, paths.shared, this.#signal)) {
      const found = await files.stat(path);
      if (!found || await this.#hash(path, found, digest) === digest) continue;
      this.#damaged.add(found.id);
      await this.#takeAway(path, digest);
      yield digest;
    }
  }

  async *repository(name: string): AsyncGenerator<StorageProblem> {
    const { files, paths } = this.#storage.settings;
    for await (const { digest, path } of listBlobs(files, paths.repository(name), this.#signal)) {
      if (await this.#isWhole(path, digest)) continue;
      await this.#takeAway(path, digest);
      this.told.add(digest);
      yield { kind: "damaged", repository: name, digest };
    }
    yield* await this.#storage.use(name, (repository) => this.#findMissing(repository));
  }

  async #isWhole(path: string, digest: Digest): Promise<boolean> {
    const { files, paths } = this.#storage.settings;
    const found = await files.stat(path);
    if (!found) return true;
    if (this.#damaged.has(found.id)) return false;
    // The same file under its shared name has been hashed.
    if ((await files.stat(paths.sharedBlob(digest)))?.id === found.id) return true;
    return await this.#hash(path, found, digest) === digest;
  }

  async #findMissing(repository: Repository): Promise<StorageProblem[]> {
    const { files } = this.#storage.settings;
    const index = await repository.index();
    const problems: StorageProblem[] = [];
    const isThere = async (digest: Digest) => await files.stat(repository.blobPath(digest));
    const add = (digest: Digest, namedBy: string) => {
      problems.push({ kind: "missing", repository: repository.name, digest, namedBy });
    };
    for (const [tag, digest] of index?.tags ?? []) if (!await isThere(digest)) add(digest, tag);
    for (const digest of index?.manifests.keys() ?? []) {
      this.#signal?.throwIfAborted();
      const bytes = await files.read(repository.blobPath(digest));
      if (!bytes) continue;
      const { blobs, children } = readNamedContent(bytes);
      for (const named of [...blobs, ...children]) if (!await isThere(named)) add(named, digest);
    }
    return problems;
  }

  #hash(path: string, { size }: FoundFile, digest: Digest): Promise<Digest> {
    const { files } = this.#storage.settings;
    return hashFile(files, path, size, digestAlgorithm(digest), this.#signal);
  }

  async #takeAway(path: string, digest: Digest): Promise<void> {
    const { files, paths } = this.#storage.settings;
    const away = `${paths.damaged}/${digest.replace(":", "-")}`;
    await files.makeDirectory(paths.damaged);
    const [found, before] = [await files.stat(path), await files.stat(away)];
    // To rename a file to a name that it has leaves it both.
    if (found?.id === before?.id) await files.remove(path);
    else await files.rename(path, away);
  }
}
