import { type Bytes, encodeJson, toBytes } from "../bytes.ts";
import { runAll } from "../concurrency.ts";
import { type Digest, digestAlgorithm, digestBytes, isDigest, parseDigest } from "../digest.ts";
import { DigestMismatchError, hasStatus, OciError } from "../errors.ts";
import {
  type Descriptor,
  isJsonObject,
  type JsonObject,
  parseDescriptor,
  readJsonObject,
} from "../media_types.ts";
import { isTag } from "../reference.ts";
import { nameOf, type RepositoryContext } from "./blobs.ts";
import type { CallOptions, ListNamesOptions, RepositoryServices } from "./call_options.ts";
import { deleteManifest } from "./deletion.ts";
import { getManifest, type PulledManifest } from "./get_manifest.ts";
import { hasReferrersList, listTags } from "./listing.ts";
import { headManifest, type ManifestHead, putManifest } from "./manifests.ts";
import { MAX_PAGE_NAMES } from "./name_list.ts";
import { keepReferrersTag } from "./referrers_tag.ts";

/** Requests in flight when tags are asked one by one. */
const CONCURRENCY = 4;

/** The manifests and indexes of a repository. */
export class RepositoryManifests {
  readonly #context: RepositoryContext;
  readonly #services: RepositoryServices;

  /**
   * Made with its {@linkcode Repository}.
   *
   * @param context Registry and name.
   * @param services What all repositories of a client share.
   */
  constructor(context: RepositoryContext, services: RepositoryServices) {
    this.#context = context;
    this.#services = services;
  }

  /**
   * Asks whether a manifest is there.
   *
   * @param reference Tag or digest.
   * @param options Signal.
   * @returns What the registry tells of it; undefined where it is not there.
   */
  head(reference: string, options: CallOptions = {}): Promise<ManifestHead | undefined> {
    const hooks = this.#services.hooks(options);
    return headManifest(this.#context, checkReference(reference), hooks);
  }

  /**
   * Reads a manifest or index, at most 8 MiB, and checks digest and media type.
   *
   * @param reference Tag or digest.
   * @param options Signal.
   * @returns Its exact bytes, and what they say.
   * @throws {RegistryError} 404 where it is not there.
   * @throws {DigestMismatchError} If it has another digest than was asked for or than the registry says.
   */
  async get(reference: string, options: CallOptions = {}): Promise<PulledManifest> {
    const hooks = this.#services.hooks(options);
    const { digest, mediaType, bytes, json } = await getManifest(
      this.#context,
      checkReference(reference),
      hooks,
    );
    return { digest, mediaType, bytes, json };
  }

  /**
   * Stores a manifest or index under a tag or its digest. All that it names must be there before. One with a subject is
   * listed under the referrers tag as well, where the registry does not keep the list itself.
   *
   * @param reference Tag, or the digest that the content must have.
   * @param content Exact bytes, or an object to be written as JSON.
   * @param options Signal, and the media type where the content does not name its own.
   * @returns Its digest, length and media type.
   * @throws {TypeError} If no media type is known.
   * @throws {DigestMismatchError} If the content, or what the registry stored, has another digest than it should.
   */
  async put(
    reference: string,
    content: Uint8Array | JsonObject,
    options: CallOptions & { mediaType?: string | undefined } = {},
  ): Promise<Descriptor> {
    const hooks = this.#services.hooks(options);
    checkReference(reference);
    const bytes = content instanceof Uint8Array ? toBytes(content) : encodeJson(content);
    const mediaType = options.mediaType ?? mediaTypeOf(bytes);
    const algorithm = isDigest(reference) ? digestAlgorithm(reference) : "sha256";
    const digest = await digestBytes(bytes, algorithm);
    if (isDigest(reference) && digest !== reference) {
      throw new DigestMismatchError(
        `Cannot push manifest to ${
          nameOf(this.#context)
        }: it has digest ${digest}, expected ${reference}`,
        { expected: reference, actual: digest },
      );
    }
    const manifest = { digest, mediaType, bytes };
    const answer = await putManifest(this.#context, reference, manifest, hooks);
    const subject = subjectOf(bytes);
    if (
      subject &&
      !(answer.has("oci-subject") &&
        await hasReferrersList(this.#context, subject.digest, hooks))
    ) {
      await keepReferrersTag(this.#context, { ...manifest, subject }, hooks);
    }
    return { mediaType, digest, size: bytes.length };
  }

  /**
   * Deletes a manifest by its digest, with every tag that names it, or a tag alone. registry:2 does not delete tags alone:
   * see {@linkcode RepositoryManifests.tags} for what else goes with a digest.
   *
   * @param reference Tag or digest.
   * @param options Signal.
   * @throws {RegistryError} 404 where it is not there; 400 or 405 where the registry does not delete it.
   */
  delete(reference: string, options: CallOptions = {}): Promise<void> {
    const hooks = this.#services.hooks(options);
    return deleteManifest(this.#context, checkReference(reference), hooks);
  }

  /**
   * Finds the digest under a tag, or checks that a digest is there.
   *
   * @param reference Tag or digest.
   * @param options Signal.
   * @returns The digest.
   * @throws {RegistryError} 404 where it is not there.
   */
  async resolve(reference: string, options: CallOptions = {}): Promise<Digest> {
    const head = await this.head(reference, options);
    if (head && isDigest(reference)) return reference;
    if (head && isDigest(head.digest)) return head.digest;
    // Older registries do not name the digest; and only an answer with a body says why something is not there.
    const hooks = { ...this.#services.hooks(options), isFresh: true };
    return (await getManifest(this.#context, checkReference(reference), hooks)).digest;
  }

  /**
   * Finds the tags that name a manifest, by asking for every tag of the repository: a request each.
   *
   * @param digest The manifest.
   * @param options Signal, and who is told where the registry may have more tags than it gave.
   * @returns Its tags in the order of the registry.
   */
  async tags(
    digest: string,
    options: CallOptions & Pick<ListNamesOptions, "onWarning"> = {},
  ): Promise<string[]> {
    const wanted = parseDigest(digest);
    const hooks = this.#services.hooks(options);
    const order: string[] = [];
    let batch: string[] = [];
    const look = async () => {
      const found = new Set<string>();
      await runAll(batch, CONCURRENCY, async (tag, signal) => {
        if (await this.#digestOf(tag, wanted, signal) === wanted) found.add(tag);
      }, hooks.signal);
      order.push(...batch.filter((tag) => found.has(tag)));
      batch = [];
    };
    for await (const tag of listTags(this.#context, { ...hooks, onWarning: options.onWarning })) {
      if (isTag(tag) && batch.push(tag) >= MAX_PAGE_NAMES) await look();
    }
    await look();
    return order;
  }

  async #digestOf(tag: string, wanted: Digest, signal: AbortSignal): Promise<Digest | undefined> {
    const head = await this.head(tag, { signal });
    if (!head) return undefined;
    if (isDigest(head.digest) && digestAlgorithm(head.digest) === digestAlgorithm(wanted)) {
      return head.digest;
    }
    try {
      const { bytes } = await this.get(tag, { signal });
      return await digestBytes(bytes, digestAlgorithm(wanted));
    } catch (error) {
      // Deleted since it was listed.
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }
}

/** The only way of what a caller names into a URL. */
export function checkReference(reference: string): string {
  if (isTag(reference) || isDigest(reference)) return reference;
  const shown = JSON.stringify(reference.slice(0, 200));
  throw new SyntaxError(`Cannot use ${shown} as a tag or digest: it is neither`);
}

function subjectOf(bytes: Bytes): Descriptor | undefined {
  try {
    const { subject } = readJsonObject(bytes) ?? {};
    return subject ? parseDescriptor(subject) : undefined;
  } catch {
    // The registry took it: nothing of this is for the client to refuse.
    return undefined;
  }
}

function mediaTypeOf(bytes: Bytes): string {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (isJsonObject(json) && typeof json.mediaType === "string") return json.mediaType;
  } catch (cause) {
    throw new OciError("Cannot push manifest: it is not JSON", { cause });
  }
  throw new TypeError("Cannot push manifest: it names no mediaType, expected the option mediaType");
}
