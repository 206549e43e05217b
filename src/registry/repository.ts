import { runAll } from "../concurrency.ts";
import { type Digest, digestAlgorithm, digestBytes, isDigest, parseDigest } from "../digest.ts";
import { DigestMismatchError, OciError, RegistryError } from "../errors.ts";
import type { Hasher } from "../incremental_hash.ts";
import { type Descriptor, isJsonObject, type JsonObject, parseDescriptor } from "../media_types.ts";
import { isTag } from "../reference.ts";
import { type BlobSource, type Bytes, toBytes } from "../source.ts";
import { type BlobContent, getBlob } from "./blob_content.ts";
import {
  cancelUpload,
  commitUpload,
  headBlob,
  nameOf,
  openUpload,
  type RepositoryContext,
  sendBody,
  startUpload,
  uploadBlob,
} from "./blobs.ts";
import { deleteBlob, deleteManifest } from "./deletion.ts";
import { type ImageInfo, readImage } from "./image.ts";
import { listReferrers, listTags, MAX_PAGE_NAMES, type ReadHooks } from "./listing.ts";
import {
  getManifest,
  headManifest,
  type ManifestHead,
  type PulledManifest,
  putManifest,
} from "./manifests.ts";
import { keepReferrersTag } from "./referrers_tag.ts";

/** Options that every call to a registry takes. */
export interface CallOptions {
  /** Aborts the call; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Options of a list of names. */
export interface ListNamesOptions extends CallOptions {
  /**
   * Names to ask for at a time, 1000 at most; registry:2 sends all tags at once whatever it is asked for.
   * @default {1000}
   */
  pageSize?: number | undefined;
  /** Begin after this name; registry:2 begins at the first tag all the same. */
  last?: string | undefined;
}

/** What a {@linkcode Repository} shares with the client that made it. */
export interface RepositoryServices {
  /** Signal and listeners for a call; fails when the client is disposed of. */
  hooks(options: CallOptions): ReadHooks;
  /** Makes incremental hashes. */
  hasher: Hasher;
}

/** Requests in flight when tags are asked one by one. */
const CONCURRENCY = 4;

/** One repository of a registry, made by `RegistryClient.repository()`. Nothing is asked before a method is called. */
export class Repository {
  /** Its name below the registry, such as `team/app`. */
  readonly name: string;
  /** Its blobs: configs and layers. */
  readonly blobs: RepositoryBlobs;
  /** Its manifests and indexes. */
  readonly manifests: RepositoryManifests;
  readonly #context: RepositoryContext;
  readonly #services: RepositoryServices;

  /**
   * Made by `RegistryClient.repository()`.
   *
   * @param context Registry and name.
   * @param services What all repositories of a client share.
   */
  constructor(context: RepositoryContext, services: RepositoryServices) {
    this.name = context.repository;
    this.#context = context;
    this.#services = services;
    this.blobs = new RepositoryBlobs(context, services);
    this.manifests = new RepositoryManifests(context, services);
  }

  /**
   * Lists the tags page by page, in the registry's order: the first come before the last were sent.
   *
   * @param options Signal, size of pages, and where to begin.
   * @returns The tags; to leave the loop ends the request.
   * @throws {RegistryError} 404 where there is no such repository.
   */
  tags(options: ListNamesOptions = {}): AsyncIterable<string> {
    const { pageSize, last } = options;
    return listTags(this.#context, { pageSize, last, ...this.#services.hooks(options) });
  }

  /**
   * Lists what refers to a manifest, such as signatures and SBOMs; also where the registry has no referrers API.
   *
   * @param digest The manifest referred to.
   * @param options Signal, and the type of the referrers wanted.
   * @returns Their descriptors.
   */
  referrers(
    digest: string,
    options: CallOptions & { artifactType?: string | undefined } = {},
  ): AsyncIterable<Descriptor> {
    const hooks = this.#services.hooks(options);
    return listReferrers(this.#context, parseDigest(digest), options.artifactType, hooks);
  }

  /**
   * Reads what an image is made of: manifest, config, platform, layers, sizes; for an index, all of its images.
   *
   * @param reference Tag or digest.
   * @param options Signal.
   * @returns Its parts; layers are not read.
   * @throws {RegistryError} 404 where it is not there.
   * @throws {DigestMismatchError} If a document has another digest.
   */
  image(reference: string, options: CallOptions = {}): Promise<ImageInfo> {
    return readImage(this.#context, checkReference(reference), this.#services.hooks(options));
  }
}

/** What {@linkcode RepositoryBlobs.push} takes: bytes, anything with `size` and `slice`, or a stream that comes once. */
export type BlobInput = Uint8Array | BlobSource | ReadableStream<Uint8Array>;

/** The blobs of a repository. */
export class RepositoryBlobs {
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
   * Asks whether a blob is there.
   *
   * @param digest The blob.
   * @param options Signal.
   * @returns Its size in bytes, undefined where the registry does not tell; nothing at all where it is not there.
   * @throws {DigestMismatchError} If the registry names another digest.
   */
  async head(
    digest: string,
    options: CallOptions = {},
  ): Promise<{ size: number | undefined } | undefined> {
    const hooks = this.#services.hooks(options);
    const size = await headBlob(this.#context, parseDigest(digest), hooks);
    return size === undefined ? undefined : { size: size < 0 ? undefined : size };
  }

  /**
   * Reads a blob, or a part of it. The whole is hashed on the way: the stream fails at its end where the digest is wrong.
   * A connection that breaks is opened again where it broke.
   *
   * @param digest The blob.
   * @param options Signal; `start`, the first byte; `end`, one past the last.
   * @returns Length and content; whoever does not read it to its end cancels it.
   * @throws {RangeError} If `start` and `end` make no part.
   * @throws {RegistryError} 404 where it is not there.
   */
  get(
    digest: string,
    options: CallOptions & { start?: number | undefined; end?: number | undefined } = {},
  ): Promise<BlobContent> {
    const { start, end } = options;
    const { hasher } = this.#services;
    const hooks = this.#services.hooks(options);
    return getBlob(this.#context, parseDigest(digest), { start, end, hasher, ...hooks });
  }

  /**
   * Uploads a blob unless it is there. What can be read twice is hashed first, and sent again after a failure that may
   * pass; a stream is hashed on the way and sent once.
   *
   * @param content The content.
   * @param options Signal, and the digest where it is known: it is not computed then, and the registry verifies it.
   * @returns Digest, length, and whether it had to be sent.
   * @throws {RegistryError} If the registry refuses it, also because the content has another digest.
   */
  async push(
    content: BlobInput,
    options: CallOptions & { digest?: string | undefined } = {},
  ): Promise<{ digest: Digest; size: number; status: "pushed" | "exists" }> {
    const hooks = this.#services.hooks(options);
    const named = options.digest === undefined ? undefined : parseDigest(options.digest);
    if (content instanceof ReadableStream) return await this.#pushStream(content, named, hooks);
    const source = content instanceof Uint8Array ? new Blob([toBytes(content)]) : content;
    const open = () => source.slice(0, source.size).stream() as ReadableStream<Bytes>;
    const digest = named ?? await this.#hash(open(), hooks.signal);
    const { size } = source;
    if (await headBlob(this.#context, digest, hooks) === size) {
      return { digest, size, status: "exists" };
    }
    await uploadBlob(this.#context, { digest, size, open }, hooks);
    return { digest, size, status: "pushed" };
  }

  /**
   * Has the registry take a blob from another of its repositories, with nothing sent.
   *
   * @param digest The blob.
   * @param from The repository that has it.
   * @param options Signal.
   * @returns Whether the blob is here now; false where the registry would have it uploaded.
   */
  async mount(digest: string, from: string, options: CallOptions = {}): Promise<boolean> {
    const hooks = this.#services.hooks(options);
    const session = await startUpload(this.#context, hooks, { digest: parseDigest(digest), from });
    if (session) await cancelUpload(this.#context, session);
    return session === undefined;
  }

  /**
   * Deletes a blob. Registries do not ask whether a manifest needs it.
   *
   * @param digest The blob.
   * @param options Signal.
   * @throws {RegistryError} 404 where it is not there, 405 where deletion is switched off.
   */
  delete(digest: string, options: CallOptions = {}): Promise<void> {
    return deleteBlob(this.#context, parseDigest(digest), this.#services.hooks(options));
  }

  async #hash(stream: ReadableStream<Bytes>, signal?: AbortSignal): Promise<Digest> {
    const hash = await this.#services.hasher("sha256");
    for await (const piece of stream) {
      signal?.throwIfAborted();
      await hash.update(piece);
    }
    return await hash.digest();
  }

  async #pushStream(
    stream: ReadableStream<Uint8Array>,
    named: Digest | undefined,
    hooks: ReadHooks,
  ): Promise<{ digest: Digest; size: number; status: "pushed" }> {
    const hash = await this.#services.hasher(named ? digestAlgorithm(named) : "sha256");
    let size = 0;
    const hashing = new TransformStream<Uint8Array, Bytes>({
      async transform(piece, controller) {
        size += piece.length;
        await hash.update(piece);
        controller.enqueue(toBytes(piece));
      },
    });
    const session = await openUpload(this.#context, hooks);
    try {
      await sendBody(this.#context, session, stream.pipeThrough(hashing), hooks);
      const digest = await hash.digest();
      if (named && named !== digest) {
        throw new DigestMismatchError(
          `Cannot push blob to ${
            nameOf(this.#context)
          }: it has digest ${digest}, expected ${named}`,
          { expected: named, actual: digest },
        );
      }
      await commitUpload(this.#context, session, { digest, size }, hooks);
      return { digest, size, status: "pushed" };
    } catch (error) {
      await cancelUpload(this.#context, session);
      throw error;
    }
  }
}

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
   * listed under the referrers tag as well, where the registry does not say that it keeps the list itself.
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
    const bytes = content instanceof Uint8Array
      ? toBytes(content)
      : new TextEncoder().encode(JSON.stringify(content));
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
    if (subject && !answer.has("oci-subject")) {
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
    return (await this.get(reference, options)).digest;
  }

  /**
   * Finds the tags that name a manifest, by asking for every tag of the repository: a request each.
   *
   * @param digest The manifest.
   * @param options Signal.
   * @returns Its tags in the order of the registry.
   */
  async tags(digest: string, options: CallOptions = {}): Promise<string[]> {
    const wanted = parseDigest(digest);
    const hooks = this.#services.hooks(options);
    const found = new Set<string>();
    const look = (tags: string[]) =>
      runAll(tags, CONCURRENCY, async (tag, signal) => {
        if (await this.#digestOf(tag, wanted, signal) === wanted) found.add(tag);
      }, hooks.signal);
    let [batch, order]: [string[], string[]] = [[], []];
    for await (const tag of listTags(this.#context, hooks)) {
      if (!isTag(tag)) continue;
      if (batch.push(tag) < MAX_PAGE_NAMES) continue;
      await look(batch);
      order.push(...batch.filter((tag) => found.has(tag)));
      batch = [];
    }
    await look(batch);
    order = [...order, ...batch.filter((tag) => found.has(tag))];
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
      if (error instanceof RegistryError && error.status === 404) return undefined;
      throw error;
    }
  }
}

/** The only way of what a caller names into a URL. */
function checkReference(reference: string): string {
  if (isTag(reference) || isDigest(reference)) return reference;
  const shown = JSON.stringify(reference.slice(0, 200));
  throw new SyntaxError(`Cannot use ${shown} as a tag or digest: it is neither`);
}

function subjectOf(bytes: Bytes): Descriptor | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isJsonObject(json) && json.subject ? parseDescriptor(json.subject) : undefined;
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
