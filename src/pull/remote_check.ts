import { runAll } from "../concurrency.ts";
import { type Digest, digestAlgorithm, digestBytes, isDigest } from "../digest.ts";
import {
  DigestMismatchError,
  hasStatus,
  NetworkError,
  OciError,
  RegistryError,
} from "../errors.ts";
import { FindingList } from "../image/check/findings.ts";
import type { DocumentNode, IndexNode } from "../image/content.ts";
import { MAX_DOCUMENT_BYTES } from "../image/documents.ts";
import { formatPlatform } from "../media_types.ts";
import { nameOf, type RepositoryContext } from "../registry/blobs.ts";
import { describeManifest, isAbsence, requestManifest } from "../registry/get_manifest.ts";
import { headerOf } from "../registry/http/call.ts";
import { listReferrers, listTags } from "../registry/listing.ts";
import { headManifest } from "../registry/manifests.ts";
import { findCosignTags } from "./find_cosign_tags.ts";
import { type RemoteBlobOptions, RemoteBlobs, reportHeader, reportSize } from "./remote_blobs.ts";
import { parsePulled } from "./remote_content.ts";

export interface RemoteCheckOptions extends RemoteBlobOptions {
  onProgress: ((progress: { bytes: number; total?: number }) => void) | undefined;
}

/** A manifest that is to be read: what it is called, and what else is said of it. */
interface Wanted {
  /** Tag or digest. */
  reference: string;
  /** The digest that it should have, and its length, as what names it says. */
  digest?: Digest | undefined;
  size?: number | undefined;
  /** What names it, for messages. */
  role: string;
}

/** Manifests of one check: the largest official images have some twenty, and a repository has thousands of tags. */
const MAX_MANIFESTS = 20_000;

/** Answers that say nothing of the content, but keep everybody from it. */
const KEEPS_OUT: ReadonlySet<number> = new Set([401, 403, 407, 429]);
/** Answers of what stands before a registry, or of one that is busy. */
const BUSY: ReadonlySet<number> = new Set([502, 503, 504]);

/** A check of one reference: what was found, and what was read. */
export class RemoteCheck {
  readonly findings = new FindingList();
  /** Manifests and indexes that were read. */
  manifests = 0;
  readonly #context: RepositoryContext;
  readonly #options: RemoteCheckOptions;
  /** What was read, or asked for in vain. */
  readonly #seen = new Map<Digest, DocumentNode | undefined>();
  readonly #blobs: RemoteBlobs;
  /** The digest that the reference leads to, as far as anybody says. */
  #rootDigest: Digest | undefined;
  #asked = 0;
  #documentBytes = 0;
  #read = 0;
  /** Whether the registry has answered with content: what fails later is no reason to give up. */
  #hasAnswered = false;

  constructor(context: RepositoryContext, options: RemoteCheckOptions) {
    this.#context = context;
    this.#options = options;
    this.#blobs = new RemoteBlobs(context, options, this.findings, {
      count: (bytes) => this.#count(bytes),
      requireTrouble: (error) => this.#requireTrouble(error),
    });
  }

  /** Different configs and layers. */
  get blobs(): number {
    return this.#blobs.size;
  }

  /** Their lengths together, in bytes. */
  get bytes(): number {
    return this.#blobs.bytes;
  }

  /**
   * Checks all that is below a reference, and what refers to it.
   *
   * @param reference Tag or digest.
   * @param expected The digest that it should have, where the caller knows.
   * @returns The digest that it has, where that could be found.
   */
  async run(reference: string, expected: Digest | undefined): Promise<Digest | undefined> {
    this.#rootDigest = expected;
    const root = await this.#readManifest({ reference, digest: expected, role: "" });
    if (root) await this.#checkBelow([root]);
    return root?.digest ?? this.#rootDigest;
  }

  /** Checks all that is below the tags of the repository, and what refers to it. */
  async runAllTags(): Promise<undefined> {
    const wanted: Wanted[] = [];
    const { signal } = this.#options;
    for await (const tag of listTags(this.#context, { signal })) {
      wanted.push({ reference: tag, role: ` (a tag of ${this.#name})` });
    }
    this.#hasAnswered = true;
    await this.#checkBelow(await this.#readAll(wanted));
  }

  async #checkBelow(roots: readonly DocumentNode[]): Promise<void> {
    this.#hasAnswered = true;
    await this.#readBelow(roots);
    await this.#readReferrers();
    await this.#blobs.check();
  }

  get #name(): string {
    return nameOf(this.#context);
  }

  /** Reads what stands below indexes, level by level. */
  async #readBelow(roots: readonly DocumentNode[]): Promise<void> {
    let level = [...roots];
    while (level.length > 0) {
      const wanted = level.flatMap((node) => node.kind === "index" ? entriesOf(node) : []);
      level = await this.#readAll(wanted);
    }
  }

  /** Reads manifests that have not been read; returns those that could be. */
  async #readAll(wanted: readonly Wanted[]): Promise<DocumentNode[]> {
    const nodes: DocumentNode[] = [];
    await runAll(wanted, this.#options.concurrency, async (each, signal) => {
      if (each.digest && this.#seen.has(each.digest)) return;
      if (each.digest) this.#seen.set(each.digest, undefined);
      const node = await this.#readManifest(each, signal);
      if (node) nodes.push(node);
    }, this.#options.signal);
    return nodes;
  }

  /** Reads what refers to all that was read, then what refers to that. */
  async #readReferrers(): Promise<void> {
    const done = new Set<Digest>();
    for (;;) {
      const subjects = [...this.#seen].flatMap(([digest, node]) =>
        node && !done.has(digest) ? [digest] : []
      );
      if (subjects.length === 0) return;
      const wanted: Wanted[] = [];
      await runAll(subjects, this.#options.concurrency, async (subject, signal) => {
        done.add(subject);
        wanted.push(...await this.#listReferrers(subject, signal));
      }, this.#options.signal);
      wanted.push(...await this.#listCosignTags(subjects));
      await this.#readBelow(await this.#readAll(wanted));
    }
  }

  async #listReferrers(subject: Digest, signal: AbortSignal): Promise<Wanted[]> {
    const role = ` (the list of what refers to ${subject} names it)`;
    const wanted: Wanted[] = [];
    await this.#tolerate(`the list of what refers to ${subject}`, async () => {
      for await (
        const { digest, size } of listReferrers(this.#context, subject, { signal })
      ) {
        wanted.push({ reference: digest, digest, size, role });
      }
    });
    return wanted;
  }

  async #listCosignTags(subjects: readonly Digest[]): Promise<Wanted[]> {
    const wanted: Wanted[] = [];
    await this.#tolerate("the tags of cosign", async () => {
      const { signal } = this.#options;
      for (const { tag, subject } of await findCosignTags(this.#context, subjects, { signal })) {
        wanted.push({ reference: tag, role: ` (what cosign keeps of ${subject})` });
      }
    });
    return wanted;
  }

  /** Goes on without what a registry does not tell: it need not have such lists. */
  async #tolerate(what: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (error instanceof DigestMismatchError) {
        this.findings.error("wrong-digest", `${what}: ${error.message}`);
      } else if (error instanceof RegistryError) {
        this.findings.warning("unchecked", `${what} cannot be read: ${error.message}`);
      } else throw error;
    }
  }

  async #readManifest(
    wanted: Wanted,
    signal: AbortSignal | undefined = this.#options.signal,
  ): Promise<DocumentNode | undefined> {
    if (++this.#asked > MAX_MANIFESTS || this.#documentBytes > MAX_DOCUMENT_BYTES) {
      this.findings.error("limit", `there is more below the reference than is checked`, {
        expected: `at most ${MAX_MANIFESTS} manifests of ${MAX_DOCUMENT_BYTES} bytes together`,
      });
      return undefined;
    }
    const { reference, digest, role } = wanted;
    try {
      return await this.#parseManifest(wanted, signal);
    } catch (error) {
      if (!(error instanceof OciError)) throw error;
      const details = digest ? { digest } : isDigest(reference) ? { digest: reference } : {};
      if (isAbsence(error, reference) && (this.#hasAnswered || isTold(error))) {
        this.findings.error(
          "missing-manifest",
          `manifest ${reference} is not in ${this.#name}${role}`,
          details,
        );
        return undefined;
      }
      if (hasStatus(error, 200)) {
        this.findings.error("malformed", `${error.message}${role}`, details);
        return undefined;
      }
      await this.#requireTrouble(error);
      this.findings.error("unreadable", `${error.message}${role}`, details);
      return undefined;
    }
  }

  async #parseManifest(
    { reference, digest: expected, size, role }: Wanted,
    signal: AbortSignal | undefined,
  ): Promise<DocumentNode | undefined> {
    const { call, response, bytes } = await requestManifest(this.#context, reference, { signal });
    this.manifests++;
    this.#count(bytes.length);
    this.#documentBytes += bytes.length;
    const header = headerOf(response, "docker-content-digest");
    const named = expected ??
      (isDigest(reference) ? reference : isDigest(header) ? header : undefined);
    this.#rootDigest ??= named;
    const digest = await digestBytes(bytes, named ? digestAlgorithm(named) : "sha256");
    const what = `manifest ${reference} of ${this.#name}${role}`;
    if (named && named !== digest) {
      this.findings.error("wrong-digest", `${what} has digest ${digest}, expected ${named}`, {
        digest: named,
        expected: named,
        actual: digest,
      });
      return undefined;
    }
    if (header && header !== digest && !isOtherAlgorithm(header, digest)) {
      reportHeader(this.findings, what, digest, header);
    }
    if (size !== undefined && size !== bytes.length) {
      reportSize(this.findings, what, digest, size, bytes.length);
    }
    const pulled = { digest, bytes, ...describeManifest(call, response, bytes), call, response };
    const node = parsePulled(pulled, (descriptor) => this.#blobs.add(descriptor, digest));
    this.#seen.set(digest, node);
    return node;
  }

  /**
   * Tells content that cannot be read from a registry that cannot be reached, or does not let anybody read: that is no
   * finding.
   *
   * @throws `error`, where it is the second.
   */
  async #requireTrouble(error: OciError): Promise<void> {
    const status = error instanceof RegistryError ? error.status : undefined;
    if (status !== undefined && KEEPS_OUT.has(status)) throw error;
    const isOnTheWay = error instanceof NetworkError || (status !== undefined && BUSY.has(status));
    const isOwnWord = status !== undefined && !isOnTheWay;
    if (isOwnWord && (status >= 500 || this.#hasAnswered)) return;
    if (!isOnTheWay || !this.#hasAnswered) throw error;
    const [known] = [...this.#seen].find(([, node]) => node) ?? [];
    if (known === undefined) throw error;
    await headManifest(this.#context, known, { signal: this.#options.signal });
  }

  #count(bytes: number): void {
    this.#read += bytes;
    const total = this.#options.quick ? undefined : this.bytes + this.#documentBytes;
    this.#options.onProgress?.({ bytes: this.#read, ...(total !== undefined && { total }) });
  }
}

/** The manifests that an index names. */
function entriesOf(index: IndexNode): Wanted[] {
  return index.entries.filter(({ blob }) => !blob).map(({ descriptor }) => {
    const { digest, size, platform } = descriptor;
    const what = platform ? `, for ${formatPlatform(platform)}` : "";
    return { reference: digest, digest, size, role: ` (${index.digest} names it${what})` };
  });
}

/** Whether it is a registry that says that something is absent: any server has a 404. */
function isTold(error: unknown): boolean {
  return error instanceof RegistryError && error.errors.length > 0;
}

/** By tag a registry tells the digest of its own algorithm. */
function isOtherAlgorithm(header: string, digest: Digest): boolean {
  return isDigest(header) && digestAlgorithm(header) !== digestAlgorithm(digest);
}
