import { piecesOf } from "../bytes.ts";
import { runAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { DigestMismatchError, hasStatus, OciError } from "../errors.ts";
import type { FindingList } from "../image/check/findings.ts";
import type { ArchiveBlob } from "../image/content.ts";
import { EMPTY_JSON } from "../image/documents.ts";
import type { Hasher } from "../incremental_hash.ts";
import { type Descriptor, isForeignLayer } from "../media_types.ts";
import { getBlob } from "../registry/blob_content.ts";
import { headBlob, nameOf, type RepositoryContext } from "../registry/blobs.ts";

export interface RemoteBlobOptions {
  signal: AbortSignal | undefined;
  /** Whether blobs are asked for and not read. */
  quick: boolean;
  concurrency: number;
  hasher: Hasher;
}

/** A config or layer that is to be checked. */
interface RemoteBlob extends ArchiveBlob {
  digest: Digest;
  /** What names it, for messages. */
  role: string;
}

/** What a check of blobs needs of the whole check. */
export interface RemoteBlobHooks {
  /** Told of bytes that were read. */
  count: (bytes: number) => void;
  /** Rejects with the error where it says nothing of the blob. */
  requireTrouble: (error: OciError) => Promise<void>;
}

/** The configs and layers below a reference: each is checked once, however many manifests name it. */
export class RemoteBlobs {
  /** Lengths of all together, in bytes. */
  bytes = 0;
  readonly #context: RepositoryContext;
  readonly #options: RemoteBlobOptions;
  readonly #findings: FindingList;
  readonly #hooks: RemoteBlobHooks;
  readonly #blobs = new Map<Digest, RemoteBlob>();

  constructor(
    context: RepositoryContext,
    options: RemoteBlobOptions,
    findings: FindingList,
    hooks: RemoteBlobHooks,
  ) {
    this.#context = context;
    this.#options = options;
    this.#findings = findings;
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#blobs.size;
  }

  /** Adds what a manifest names, once. */
  add(descriptor: Descriptor, manifest: Digest): ArchiveBlob {
    const { digest, size, mediaType } = descriptor;
    const blob = { digest, size, mediaType, origin: "named" as const };
    const known = this.#blobs.get(digest);
    if (!known) {
      this.#blobs.set(digest, { ...blob, role: ` (${manifest} names it)` });
      this.bytes += size;
    } else if (known.size !== size) {
      const what = `blob ${digest} of ${nameOf(this.#context)}`;
      reportSize(this.#findings, what, digest, size, known.size);
    }
    return blob;
  }

  async check(): Promise<void> {
    const { concurrency, signal } = this.#options;
    await runAll(this.#blobs.values(), concurrency, async (blob, signal) => {
      await this.#checkBlob(blob, signal);
    }, signal);
  }

  async #checkBlob(
    blob: RemoteBlob,
    signal: AbortSignal,
  ): Promise<void> {
    const { digest, role } = blob;
    const what = `blob ${digest} of ${nameOf(this.#context)}${role}`;
    try {
      if (this.#options.quick) await this.#askForBlob(blob, what, signal);
      else await this.#readBlob(blob, what, signal);
    } catch (error) {
      if (!(error instanceof OciError)) throw error;
      if (error instanceof DigestMismatchError) {
        // What is said of it in a header comes before its content, and is no word of that.
        reportHeader(this.#findings, what, digest, error.actual ?? "another");
        return;
      }
      if (hasStatus(error, 404)) {
        this.#reportAbsent(blob, what);
        return;
      }
      await this.#hooks.requireTrouble(error);
      const reading = `Cannot read blob ${digest} of ${nameOf(this.#context)}: `;
      const why = error.message.replace(reading, "");
      this.#findings.error("unreadable", `${what} cannot be read: ${why}`, { digest });
    }
  }

  async #askForBlob(
    blob: RemoteBlob,
    what: string,
    signal: AbortSignal,
  ): Promise<void> {
    const size = await headBlob(this.#context, blob.digest, { signal });
    if (size === undefined) this.#reportAbsent(blob, what);
    else if (size >= 0 && size !== blob.size) {
      reportSize(this.#findings, what, blob.digest, blob.size, size);
    }
  }

  async #readBlob(
    { digest, size }: RemoteBlob,
    what: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { hasher } = this.#options;
    const content = await getBlob(this.#context, digest, { signal, size, hasher });
    let length = 0;
    try {
      for await (const piece of piecesOf(content.body)) {
        length += piece.length;
        this.#hooks.count(piece.length);
        // Whatever follows, it is not what was pushed.
        if (length > size) break;
      }
    } catch (error) {
      if (!(error instanceof DigestMismatchError)) throw error;
      if (length !== size) return reportSize(this.#findings, what, digest, size, length);
      const { actual = "" } = error;
      this.#findings.error("wrong-digest", `${what} has digest ${actual}, expected ${digest}`, {
        digest,
        expected: digest,
        actual,
      });
      return;
    }
    if (length !== size) reportSize(this.#findings, what, digest, size, length);
  }

  #reportAbsent({ digest, mediaType }: ArchiveBlob, what: string): void {
    const details = digest ? { digest } : {};
    if (isForeignLayer(mediaType) || digest === EMPTY_JSON) {
      this.#findings.note("absent-blob", `${what} is not there, as it may be`, details);
    } else this.#findings.error("missing-blob", `${what} is not there`, details);
  }
}

/** Reports a length that is not what was said. */
export function reportSize(
  findings: FindingList,
  what: string,
  digest: Digest,
  expected: number,
  actual: number,
): void {
  findings.error("wrong-size", `${what} has ${actual} bytes, expected ${expected}`, {
    digest,
    expected: `${expected}`,
    actual: `${actual}`,
  });
}

/** Reports a digest that the registry says in a header, and that is not that of the content. */
export function reportHeader(
  findings: FindingList,
  what: string,
  expected: Digest,
  header: string,
): void {
  const actual = header.slice(0, 80);
  findings.error(
    "wrong-header",
    `${what}: the registry says that its digest is ${actual}, expected ${expected}`,
    { digest: expected, expected, actual },
  );
}
