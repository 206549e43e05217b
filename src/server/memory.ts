import { concat, toBytes } from "../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
import { createHash, type Hasher, type IncrementalHash } from "../incremental_hash.ts";
import type { BlobSource } from "../source/blob_source.ts";
import type { BlobWriter, Storage, StoredManifest } from "../storage.ts";

/** Options for {@linkcode MemoryStorage}. */
export interface MemoryStorageOptions {
  /**
   * Hash for blobs above 64 MiB; smaller ones go through Web Crypto.
   * @default {createHash}
   */
  hasher?: Hasher;
}

/** Largest blob that is hashed in one piece by Web Crypto, which is the fastest way but takes a copy meanwhile. */
const MAX_ONE_PIECE_BYTES = 64 * 1024 * 1024;
/** Size of the pieces in which a blob is read: large enough to cost little, small enough to copy. */
const READ_BYTES = 1024 * 1024;

interface Repository {
  blobs: Set<Digest>;
  manifests: Map<Digest, StoredManifest>;
  tags: Map<string, Digest>;
}

/**
 * Keeps everything in memory, for tests and short-lived registries; nothing but the memory limits how much.
 *
 * Bodies are kept in the pieces in which they arrive. A blob is dropped when the last repository loses it.
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
  readonly #contents = new Map<Digest, MemoryBlob>();
  readonly #repositories = new Map<string, Repository>();

  /**
   * Makes an empty storage.
   *
   * @param options The hash to use.
   */
  constructor(options: MemoryStorageOptions = {}) {
    this.#hasher = options.hasher ?? createHash;
  }

  /** See {@linkcode Storage}. */
  createBlob(): Promise<BlobWriter> {
    return Promise.resolve(
      new MemoryWriter(this.#hasher, (repository, digest, blob) => {
        if (!this.#contents.has(digest)) this.#contents.set(digest, blob);
        this.#open(repository).blobs.add(digest);
      }),
    );
  }

  /** See {@linkcode Storage}. */
  openBlob(repository: string, digest: Digest): Promise<BlobSource | undefined> {
    const shown = this.#repositories.get(repository)?.blobs.has(digest);
    return Promise.resolve(shown ? this.#contents.get(digest) : undefined);
  }

  /** See {@linkcode Storage}. */
  mountBlob(from: string, to: string, digest: Digest): Promise<boolean> {
    const shown = this.#repositories.get(from)?.blobs.has(digest) ?? false;
    if (shown) this.#open(to).blobs.add(digest);
    return Promise.resolve(shown);
  }

  /** See {@linkcode Storage}. */
  deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const deleted = this.#repositories.get(repository)?.blobs.delete(digest) ?? false;
    const shown = [...this.#repositories.values()].some(({ blobs }) => blobs.has(digest));
    if (!shown) this.#contents.delete(digest);
    return Promise.resolve(deleted);
  }

  /** See {@linkcode Storage}. */
  getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
    return Promise.resolve(this.#repositories.get(repository)?.manifests.get(digest));
  }

  /** See {@linkcode Storage}. */
  putManifest(repository: string, manifest: StoredManifest): Promise<void> {
    this.#open(repository).manifests.set(manifest.digest, manifest);
    return Promise.resolve();
  }

  /** See {@linkcode Storage}. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const { manifests, tags } = this.#repositories.get(repository) ?? emptyRepository();
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
  putTag(repository: string, tag: string, digest: Digest): Promise<void> {
    this.#open(repository).tags.set(tag, digest);
    return Promise.resolve();
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

  #open(name: string): Repository {
    const repository = this.#repositories.get(name) ?? emptyRepository();
    this.#repositories.set(name, repository);
    return repository;
  }
}

function emptyRepository(): Repository {
  return { blobs: new Set(), manifests: new Map(), tags: new Map() };
}

type Publish = (repository: string, digest: Digest, blob: MemoryBlob) => void;

class MemoryWriter implements BlobWriter {
  readonly #hasher: Hasher;
  readonly #publish: Publish;
  #pieces: Uint8Array[] | undefined = [];
  /** SHA-256 on the way, once the blob is too large for one piece; few blobs have another algorithm. */
  #hash: IncrementalHash | undefined;
  #size = 0;

  constructor(hasher: Hasher, publish: Publish) {
    this.#hasher = hasher;
    this.#publish = publish;
  }

  get size(): number {
    return this.#size;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#pieces) throw new Error("Cannot write blob: its writer has ended");
    const piece = ownPiece(bytes);
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size <= MAX_ONE_PIECE_BYTES) return;
    if (this.#hash) return await this.#hash.update(piece);
    this.#hash = await hashPieces(this.#pieces, await this.#hasher("sha256"));
  }

  async commit(repository: string, digest: Digest): Promise<void> {
    const pieces = this.#pieces;
    if (!pieces) throw new Error("Cannot commit blob: its writer has ended");
    this.#pieces = undefined;
    const actual = await this.#digest(pieces, digest);
    if (actual !== digest) {
      throw new DigestMismatchError(
        `Cannot commit blob of ${this.#size} bytes: its digest is ${actual}, expected ${digest}`,
        { expected: digest, actual },
      );
    }
    this.#publish(repository, digest, new MemoryBlob(pieces, this.#size));
  }

  discard(): Promise<void> {
    this.#pieces = undefined;
    return Promise.resolve();
  }

  async #digest(pieces: readonly Uint8Array[], expected: Digest): Promise<Digest> {
    const algorithm = digestAlgorithm(expected);
    if (this.#size <= MAX_ONE_PIECE_BYTES) {
      return await digestBytes(concat(pieces, this.#size), algorithm);
    }
    if (this.#hash && algorithm === "sha256") return await this.#hash.digest();
    return await (await hashPieces(pieces, await this.#hasher(algorithm))).digest();
  }
}

/** The bytes in a buffer that they do not share with much else, so that keeping them keeps little more alive. */
function ownPiece(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.byteLength ? bytes.slice() : toBytes(bytes);
}

async function hashPieces(
  pieces: readonly Uint8Array[],
  hash: IncrementalHash,
): Promise<IncrementalHash> {
  for (const piece of pieces) await hash.update(piece);
  return hash;
}

class MemoryBlob implements BlobSource {
  readonly size: number;
  readonly #pieces: readonly Uint8Array[];

  constructor(pieces: readonly Uint8Array[], size: number) {
    this.#pieces = pieces;
    this.size = size;
  }

  slice(start: number, end: number): { stream(): ReadableStream<Uint8Array> } {
    return {
      stream: () => {
        const pieces = this.#read(start, Math.min(end, this.size));
        return new ReadableStream<Uint8Array>({
          pull(controller) {
            const { value } = pieces.next();
            if (value) return controller.enqueue(value);
            controller.close();
          },
        }, { highWaterMark: 0 });
      },
    };
  }

  // Copies, not views: a reader that changes or transfers what it got must not change what the next one gets.
  *#read(start: number, end: number): Generator<Uint8Array, undefined> {
    let offset = 0;
    for (const piece of this.#pieces) {
      const last = Math.min(piece.length, end - offset);
      for (let from = Math.max(0, start - offset); from < last; from += READ_BYTES) {
        yield piece.slice(from, Math.min(last, from + READ_BYTES));
      }
      offset += piece.length;
      if (offset >= end) return;
    }
  }
}
