import type { Digest } from "../digest.ts";
import { OciError, RegistryError } from "../errors.ts";
import { type DocumentNode, walk } from "../image/content.ts";
import { nameOf, type ReadHooks, type RepositoryContext } from "../registry/blobs.ts";
import { isAbsence } from "../registry/get_manifest.ts";
import { listReferrers } from "../registry/listing.ts";
import { type CosignTag, findCosignTags } from "./find_cosign_tags.ts";
import { readRemoteContent } from "./remote_content.ts";
import type { RemoteReadOptions } from "./remote_file.ts";

/** Attempts to ask for what may not be there, at a registry that fails: one that has it may do so for a moment. */
const HASTY_ATTEMPTS = 2;

export interface ReferrersOptions extends RemoteReadOptions {
  /** Told of an entry of a list that cannot be used. */
  warn(message: string): Promise<void>;
  /** Leave out what names its subject itself; what cosign keeps under tags is read alone. */
  tagsOnly?: boolean;
}

/** Something about a manifest: a signature, an attestation, an SBOM. */
export interface RemoteReferrer {
  node: DocumentNode;
  /** The tag that it is looked for under, where it does not name its subject itself. */
  cosign?: CosignTag;
}

/** Referrers of one image, those of referrers included: their manifests are held, and a list is the registry's word. */
const MAX_REFERRERS = 1000;

/**
 * Reads what refers to a manifest and to what stands below it: signatures, attestations, SBOMs; then what refers to
 * that, and so on. A registry without the referrers API is asked for the tag that clients keep in its place, and every
 * registry for the tags that cosign keeps.
 *
 * @yields Manifests and indexes after what they refer to, not those that stand below `root`; each once, or once for each
 * of cosign's tags.
 * @throws {OciError} If there are too many.
 */
export function readReferrers(
  context: RepositoryContext,
  root: DocumentNode,
  options: ReferrersOptions,
): AsyncIterable<RemoteReferrer> {
  return new ReferrersReader(context, root, options).read();
}

class ReferrersReader {
  readonly #context: RepositoryContext;
  readonly #root: DocumentNode;
  readonly #options: ReferrersOptions;
  /** What may be referred to; it grows while it is gone through. */
  readonly #subjects: Set<Digest>;
  readonly #seen: Set<Digest>;
  #count = 0;

  constructor(
    context: RepositoryContext,
    root: DocumentNode,
    options: ReferrersOptions,
  ) {
    this.#context = context;
    this.#root = root;
    this.#options = options;
    this.#subjects = new Set(walk(root).map(({ digest }) => digest));
    this.#seen = new Set(this.#subjects);
  }

  async *read(): AsyncGenerator<RemoteReferrer, void, void> {
    const asked = new Set<Digest>();
    const tags: CosignTag[] = [];
    // What is added to a set while it is gone through comes at its end.
    for (const subject of this.#subjects) {
      if (!this.#options.tagsOnly) yield* this.#listed(subject);
      if (!asked.has(subject)) {
        const next = [...this.#subjects].filter((each) => !asked.has(each));
        tags.push(...await this.#findTags(next));
        for (const each of next) asked.add(each);
      }
      while (tags[0]?.subject === subject) {
        const cosign = tags.shift();
        if (cosign) yield* this.#tagged(cosign);
      }
    }
  }

  #hooks(): ReadHooks {
    const { signal, onRetry } = this.#options;
    return { signal, onRetry };
  }

  async #findTags(subjects: readonly Digest[]): Promise<CosignTag[]> {
    if (!this.#options.tagsOnly) return await this.#askForTags(subjects);
    try {
      return await this.#askForTags(subjects, HASTY_ATTEMPTS);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.retryable && error.status !== 500) return await this.#askForTags(subjects);
      // Something before the registry may have a page, or a refusal, for tags that are not there, and a cache before one may
      // fail (500, ociregistry of 2026-08): the image is there all the same.
      await this.#options.warn(`what cosign keeps of it is left out: ${error.message}`);
      return [];
    }
  }

  async #askForTags(subjects: readonly Digest[], attempts = Infinity): Promise<CosignTag[]> {
    const { http } = this.#context;
    const retry = { ...http.retry, attempts: Math.min(attempts, http.retry.attempts) };
    const context = { ...this.#context, http: { ...http, retry } };
    return await findCosignTags(context, subjects, this.#hooks());
  }

  async *#listed(subject: Digest): AsyncGenerator<RemoteReferrer, void, void> {
    const list = listReferrers(this.#context, subject, this.#hooks());
    for await (const { digest } of list) {
      if (this.#seen.has(digest)) continue;
      this.#seen.add(digest);
      this.#countOne();
      const name = nameOf(this.#context);
      const where = `the list of referrers of ${subject} in ${name} names ${digest}`;
      const node = await this.#content(digest, where);
      if (!node) continue;
      if (node.subject?.digest === subject) yield this.#add({ node });
      else await this.#options.warn(`${where}, which refers to something else and is left out`);
    }
  }

  async *#tagged(cosign: CosignTag): AsyncGenerator<RemoteReferrer, void, void> {
    this.#countOne();
    const node = await this.#content(
      cosign.tag,
      `${nameOf(this.#context)} listed the tag ${cosign.tag}`,
    );
    if (node) yield this.#add({ node, cosign });
  }

  #add(referrer: RemoteReferrer): RemoteReferrer {
    for (const { digest } of walk(referrer.node)) {
      this.#seen.add(digest);
      this.#subjects.add(digest);
    }
    return referrer;
  }

  #countOne(): void {
    if (++this.#count <= MAX_REFERRERS) return;
    const image = `${this.#root.digest} in ${nameOf(this.#context)}`;
    throw new OciError(
      `Cannot read the referrers of ${image}: there are more than ${MAX_REFERRERS}`,
    );
  }

  /** Undefined, with a notice, where the repository does not have it. */
  async #content(
    reference: string,
    where: string,
  ): Promise<DocumentNode | undefined> {
    try {
      return await readRemoteContent(this.#context, reference, this.#options);
    } catch (error) {
      if (!isAbsence(error, reference)) throw error;
      await this.#options.warn(`${where}, which the repository does not have`);
      return undefined;
    }
  }
}
