import { runAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { DigestMismatchError, OciError } from "../errors.ts";
import type { ArchiveBlob, DocumentNode, IndexEntry } from "../image/content.ts";
import {
  emptyContent,
  MAX_DOCUMENT_BYTES,
  MAX_INDEX_DEPTH,
  parseDocument,
} from "../image/documents.ts";
import { type Descriptor, isForeignLayer } from "../media_types.ts";
import { headBlob, nameOf, type RepositoryContext } from "../registry/blobs.ts";
import { getManifest, isAbsence } from "../registry/get_manifest.ts";
import { badAnswer } from "../registry/http/answer_body.ts";
import { remoteFile, type RemoteReadOptions } from "./remote_file.ts";

/** Manifests below one reference: the largest official images have some twenty. */
const MAX_MANIFESTS = 1000;
/** Documents asked for at the same time. */
const CONCURRENCY = 4;

/**
 * Reads a manifest of a registry, and of an index all manifests and indexes below it that the repository has. Blobs are
 * not read: their files read them when they are asked to. What the repository lacks stays absent, as in an archive:
 * entries of a sparse index, and layers that may not be distributed.
 *
 * @param context The repository; it must answer as long as the files are used.
 * @param reference Tag or digest.
 * @param options Signal, listeners and hasher, of this call and of all later reads of blobs.
 * @throws {RegistryError} 404 where it is not there; other statuses where documents are not what they should be.
 * @throws {DigestMismatchError} If a document has another digest or size than its reference says.
 * @throws {OciError} If there are too many manifests.
 */
export async function readRemoteContent(
  context: RepositoryContext,
  reference: string,
  options: RemoteReadOptions = {},
): Promise<DocumentNode> {
  return await new RemoteReader(context, reference, options).read();
}

class RemoteReader {
  readonly #context: RepositoryContext;
  readonly #reference: string;
  readonly #options: RemoteReadOptions;
  readonly #nodes = new Map<Digest, DocumentNode>();
  readonly #foreign = new Map<Digest, ArchiveBlob[]>();
  #bytes = 0;

  constructor(context: RepositoryContext, reference: string, options: RemoteReadOptions) {
    this.#context = context;
    this.#reference = reference;
    this.#options = options;
  }

  async read(): Promise<DocumentNode> {
    const root = await this.#document(this.#reference, this.#options.signal);
    // Level by level: documents name each other by hash, so there is no circle, but one may be named very often.
    let level = root.kind === "index" ? root.entries : [];
    for (let depth = 1; level.length > 0; depth++) {
      if (depth > MAX_INDEX_DEPTH) {
        throw this.#tooMuch(`it is nested more than ${MAX_INDEX_DEPTH} indexes deep`);
      }
      level = await this.#attach(level);
    }
    await this.#askForForeign();
    return root;
  }

  /** Reads what entries name; returns the entries of the indexes among that. */
  async #attach(entries: readonly IndexEntry[]): Promise<IndexEntry[]> {
    const manifests = entries.filter(({ blob }) => !blob);
    const digests = manifests.map(({ descriptor }) => descriptor.digest);
    const wanted = new Set(digests.filter((digest) => !this.#nodes.has(digest)));
    if (this.#nodes.size + wanted.size > MAX_MANIFESTS) {
      throw this.#tooMuch(`more than ${MAX_MANIFESTS} manifests are below it`);
    }
    await runAll(wanted, CONCURRENCY, async (digest, signal) => {
      try {
        await this.#document(digest, signal);
      } catch (error) {
        // Registries take an index that lacks platforms, and tools push such ones.
        if (!isAbsence(error, digest)) throw error;
      }
    }, this.#options.signal);
    for (const entry of manifests) {
      const node = this.#nodes.get(entry.descriptor.digest);
      if (!node) continue;
      this.#checkSize(entry.descriptor, node.bytes.length);
      entry.node = node;
    }
    return [...wanted].flatMap((digest) => {
      const node = this.#nodes.get(digest);
      return node?.kind === "index" ? node.entries : [];
    });
  }

  async #document(
    reference: string,
    signal: AbortSignal | undefined,
  ): Promise<DocumentNode> {
    const { onRetry, onRead } = this.#options;
    const pulled = await getManifest(this.#context, reference, { signal, onRetry });
    onRead?.(pulled.bytes.length);
    this.#bytes += pulled.bytes.length;
    if (this.#bytes > MAX_DOCUMENT_BYTES) {
      throw this.#tooMuch(`the manifests below it have more than ${MAX_DOCUMENT_BYTES} bytes`);
    }
    const node = parsePulled(pulled, (descriptor) => this.#blob(descriptor));
    this.#nodes.set(node.digest, node);
    return node;
  }

  #blob(descriptor: Descriptor): ArchiveBlob {
    const { digest, size, mediaType } = descriptor;
    if (!isForeignLayer(mediaType)) {
      const file = emptyContent(digest) ?? remoteFile(this.#context, descriptor, this.#options);
      return { digest, size, mediaType, origin: "named", file };
    }
    const blob: ArchiveBlob = { digest, size, mediaType, origin: "descriptor" };
    this.#foreign.set(digest, [...this.#foreign.get(digest) ?? [], blob]);
    return blob;
  }

  /** Layers that may not be distributed are seldom in a registry, but some registries have them. */
  async #askForForeign(): Promise<void> {
    const { onRetry } = this.#options;
    await runAll(this.#foreign, CONCURRENCY, async ([digest, blobs], signal) => {
      if (await headBlob(this.#context, digest, { signal, onRetry }) === undefined) return;
      for (const blob of blobs) {
        const file = remoteFile(this.#context, { digest, size: blob.size }, this.#options);
        Object.assign(blob, { origin: "named", file });
      }
    }, this.#options.signal);
  }

  #checkSize({ digest, size: expected }: Descriptor, actual: number): void {
    if (actual === expected) return;
    const state = `it has ${actual} bytes, its index says ${expected}`;
    throw new DigestMismatchError(
      `Cannot trust manifest ${digest} of ${nameOf(this.#context)}: ${state}`,
      { expected: digest },
    );
  }

  #tooMuch(problem: string): OciError {
    return new OciError(
      `Cannot read manifest ${this.#reference} of ${nameOf(this.#context)}: ${problem}`,
    );
  }
}

/** The node of a manifest or index that a registry sent, as {@linkcode parseDocument} makes it. */
export function parsePulled(
  pulled: Awaited<ReturnType<typeof getManifest>>,
  toBlob: (descriptor: Descriptor) => ArchiveBlob,
): DocumentNode {
  const malformed = (problem: string, cause?: unknown) =>
    badAnswer(pulled.call, pulled.response, `a manifest that cannot be used: ${problem}`, {
      cause,
    });
  return parseDocument({ ...pulled, malformed }, toBlob);
}
