import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type ImageArchive, openArchive } from "../image/archive.ts";
import { type ContentNode, type IndexNode, type ManifestNode, walk } from "../image/content.ts";
import { parsePlatforms } from "../image/platforms.ts";
import { formatReference, type Reference, registryOrigin, type Target } from "../reference.ts";
import { headBlob } from "../registry/blobs.ts";
import { httpFor } from "../registry/http/request_options.ts";
import { headManifest } from "../registry/manifests.ts";
import { openSource, type PushSource } from "../source/open_source.ts";
import { completely } from "./complete.ts";
import {
  type Absent,
  checkDigest,
  chooseContent,
  COPY_WORDS,
  PUSH_WORDS,
  type PushWords,
  refuseOtherDigest,
} from "./content.ts";
import { type PushOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { parseTargets, planImages, type PlannedImage, totalsOf } from "./plan.ts";
import {
  listReferrers,
  pushManifest,
  settleDigests,
  uploadContent,
} from "./random_access/upload.ts";
import {
  type RegistryState,
  type RepositoryState,
  repositoryState,
  type UploadedBlob,
} from "./repository_state.ts";
import { hooksFor, type UploadSettings } from "./upload_settings.ts";

/** One reference that was written. */
export interface PushedImage {
  /** `host[:port]/repository:tag`, or `host[:port]/repository@digest` where no tag was asked for. */
  reference: string;
  /** Digest of the manifest or index that stands under the reference. */
  digest: Digest;
  /** Media type of that manifest or index. */
  mediaType: string;
  /** Every blob of the image, each once, and how it came to be in the repository. */
  blobs: UploadedBlob[];
  /** Signatures and the like that stand beside it under tags made of its digest, where there are any. */
  beside?: { reference: string; digest: Digest }[];
}

/** What {@linkcode pushImage} did. */
export interface PushResult {
  /** The references that stand, in the order in which they were written. */
  images: PushedImage[];
  /** Bytes of blobs that were sent; manifests are not counted. */
  bytesUploaded: number;
  /** Bytes that were read of the source. */
  bytesRead: number;
  /** Wall time of the whole call. */
  milliseconds: number;
}

/**
 * Pushes images of a tar to a registry.
 *
 * Blobs go first, then manifests, then tags: at no instant does a tag name something incomplete. Blobs that the
 * registry has are not read, let alone sent. Existing manifests are pushed byte for byte.
 *
 * @example Pushing to a registry in the same process
 * ```ts
 * import { pushImage } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * async function push(tar: Blob) {
 *   const { images } = await pushImage(tar, "localhost:5000/team/app:1.0", { fetch: createRegistry() });
 *   return images[0]?.digest;
 * }
 * ```
 *
 * @param source The archive. A `Blob` or file stays the caller's and is read at any offset; a stream is read once, and
 * cancelled when the push fails; a URL is read by ranges where its server can, else once. gzip and zstd are undone.
 * @param target `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, several of them, or a place for the archive's own names:
 * `HOST[:PORT]`, or a prefix ending in `/`.
 * @param options Settings; see {@linkcode PushOptions}.
 * @returns What was pushed.
 * @throws {SyntaxError} If a target does not parse.
 * @throws {AmbiguousImageError} If several images compete for one reference.
 * @throws {OciError} If the tar, the archive or the registry does not allow it; its `pushed` holds the images that were
 * complete by then.
 */
export async function pushImage(
  source: PushSource,
  target: string | readonly string[],
  options: PushOptions = {},
): Promise<PushResult> {
  const start = performance.now();
  const resolved = resolveOptions(options);
  const targets = parseTargets(target);
  const push = new Push(parsePlatforms(resolved.platforms), resolved);
  await using input = await openSource(source, resolved.signal);
  resolved.signal.throwIfAborted();
  try {
    if (input.kind === "random") {
      await push.archive(await openArchive(input.source, resolved), targets);
    } else {
      const { pushPassing } = await import("./one_pass/one_pass.ts");
      await pushPassing(input, targets, push, resolved);
    }
  } catch (error) {
    if (error instanceof OciError) error.pushed = push.pushed;
    throw error;
  }
  return {
    images: push.pushed,
    bytesUploaded: push.bytesUploaded,
    bytesRead: input.read(),
    milliseconds: Math.round(performance.now() - start),
  };
}

type UploadedContent = Awaited<ReturnType<typeof uploadContent>>;

/** A repository that content is copied from. */
export interface SourceRepository {
  /** Scheme, host and port of its registry. */
  origin: string;
  repository: string;
}

/** What goes into a repository beside an image: signatures and the like. */
export interface Beside {
  node: ManifestNode | IndexNode;
  /** The tag that it is looked for under; what names its subject needs none. */
  tag?: string | undefined;
}

/** What goes beside an image under a tag, and whether that names it already. */
interface TaggedBeside extends Required<Beside> {
  tag: string;
  stands: boolean;
}

type BesideOf = (root: ManifestNode | IndexNode) => Iterable<Beside> | AsyncIterable<Beside>;

/** One call of {@linkcode pushImage} or `copyImage`: what has been pushed, and what is known of the registries. */
export class Push {
  readonly pushed: PushedImage[] = [];
  bytesUploaded = 0;
  readonly #platforms: ReturnType<typeof parsePlatforms>;
  readonly settings: ResolvedOptions & Pick<UploadSettings, "onUploaded">;
  readonly #registries = new Map<string, RegistryState>();
  readonly #source: SourceRepository | undefined;
  readonly #words: PushWords;

  constructor(
    platforms: ReturnType<typeof parsePlatforms>,
    options: ResolvedOptions,
    source?: SourceRepository,
  ) {
    this.#platforms = platforms;
    this.#source = source;
    this.#words = source ? COPY_WORDS : PUSH_WORDS;
    this.settings = { ...options, onUploaded: (bytes) => void (this.bytesUploaded += bytes) };
  }

  /** Pushes what an archive holds to the targets, image by image. */
  async archive(archive: ImageArchive, targets: readonly Target[]): Promise<void> {
    const { planned, notices } = planImages(archive, targets, this.settings);
    const besideOf = (root: ManifestNode | IndexNode) => referrersIn(archive, root);
    await this.images(planned, [...archive.notices, ...notices], besideOf);
  }

  /** Pushes images to references, one after the other, each with what goes beside it. */
  async images(
    planned: readonly PlannedImage[],
    notices: readonly string[],
    besideOf: BesideOf,
  ): Promise<void> {
    for (const message of notices) await this.settings.emit({ type: "warning", message });
    await this.settings.emit({ type: "plan", images: planned.length, ...totalsOf(planned) });
    for (const item of planned) await this.#image(item, besideOf);
  }

  /** What is known of the repository that a reference names. */
  repository(reference: Reference): RepositoryState {
    const origin = registryOrigin(reference, this.settings.plainHttp);
    const registry = this.#registries.get(origin) ?? {
      http: httpFor(origin, this.settings),
      repositories: new Map(),
      buffers: [],
      all: this.#registries,
      sources: this.#source?.origin === origin ? [this.#source.repository] : [],
    };
    this.#registries.set(origin, registry);
    return repositoryState(registry, reference.repository);
  }

  /** Pushes one image to one reference: blobs, manifests, what goes beside them, and last of all its tag. */
  async #image({ image, reference }: PlannedImage, besideOf: BesideOf): Promise<void> {
    const target = this.repository(reference);
    const name = formatReference(reference);
    const { tag } = reference;
    const { node, notices } = await chooseContent(image, {
      name,
      platforms: this.#platforms,
      isThere: (absent) => this.#isThere(target, absent),
      words: this.#words,
    });
    for (const message of notices) await this.settings.emit({ type: "warning", message });
    await settleDigests(node, this.settings);
    await checkDigest(node, reference, this.#words);
    const { stands, ...placed } = await this.#place(target, node, async ({ root, blobs }) => {
      refuseOtherDigest(root.digest, reference, this.#words);
      const stands = await this.#stands(target, root, blobs, tag);
      // By digest first: a registry that makes something else of it is found out before there is a tag.
      if (!stands) await pushManifest(target, root, root.digest, this.settings);
      return { stands };
    });
    const { root, blobs } = placed;
    const beside = await this.#placeBeside(target, besideOf(root));
    // A failure before this leaves no tag behind, not even one of these.
    await listReferrers(target, this.settings);
    const tagged = await this.#tagBeside(reference, beside, root.digest);
    if (!stands && tag !== undefined && !this.settings.dryRun) {
      await this.#place(target, node, async ({ root }) => {
        await pushManifest(target, root, root.digest, this.settings);
        await pushManifest(target, root, tag, this.settings);
      }, placed);
    }
    const { digest, mediaType } = root;
    const pushed = { reference: name, digest, mediaType, blobs };
    this.pushed.push(tagged.length > 0 ? { ...pushed, beside: tagged } : pushed);
    if (!this.settings.dryRun) await this.settings.emit({ type: "tag", reference: name, digest });
  }

  /** Puts what goes beside an image under its digests; returns what wants a tag. */
  async #placeBeside(
    target: RepositoryState,
    beside: ReturnType<BesideOf>,
  ): Promise<TaggedBeside[]> {
    const tagged: TaggedBeside[] = [];
    for await (const { node, tag } of beside) {
      const { stands } = await this.#place(target, node, async ({ root, blobs }) => {
        const stands = await this.#stands(target, root, blobs, tag);
        if (!stands) await pushManifest(target, root, root.digest, this.settings);
        return { stands };
      });
      if (tag !== undefined) tagged.push({ node, tag, stands });
    }
    return tagged;
  }

  /** Writes the tags of what goes beside an image; returns the references that stand. */
  async #tagBeside(
    image: Reference,
    beside: readonly TaggedBeside[],
    subject: Digest,
  ): Promise<{ reference: string; digest: Digest }[]> {
    const target = this.repository(image);
    const tagged: { reference: string; digest: Digest }[] = [];
    for (const { node, tag, stands } of beside) {
      if (!stands) await pushManifest(target, node, tag, this.settings);
      target.tags.set(tag, node.digest);
      const { scheme: _, ...place } = image;
      const reference = formatReference({ ...place, tag });
      const { digest } = node;
      tagged.push({ reference, digest });
      if (!this.settings.dryRun) {
        await this.settings.emit({ type: "tag", reference, digest, subject });
      }
    }
    return tagged;
  }

  /** Uploads what a node needs, unless `placed` says that it was, then writes; again where the registry lost a part. */
  async #place<T>(
    target: RepositoryState,
    node: ContentNode,
    write: (uploaded: UploadedContent) => Promise<T>,
    placed?: UploadedContent,
  ): Promise<UploadedContent & T> {
    return await completely(target, node, this.settings, async () => {
      const uploaded = placed ?? await uploadContent(target, node, this.settings);
      placed = undefined;
      return { ...uploaded, ...await write(uploaded) };
    });
  }

  /** Whether the tag names the manifest already, where every blob was found in place: one question for two writes. */
  async #stands(
    target: RepositoryState,
    root: ManifestNode | IndexNode,
    blobs: readonly UploadedBlob[],
    tag: string | undefined,
  ): Promise<boolean> {
    if (tag === undefined || root.kind === "index" || root.subject || this.settings.dryRun) {
      return false;
    }
    if (target.tags.get(tag) === root.digest) return true;
    if (blobs.some(({ status }) => status !== "exists")) return false;
    try {
      const found = await headManifest(target, tag, hooksFor(this.settings));
      return found?.digest === root.digest;
    } catch (error) {
      // Whatever is wrong with the question, writing the tag will tell.
      if (error instanceof OciError) return false;
      throw error;
    }
  }

  /** Whether the target, or a repository that blobs are mounted from, has what the archive lacks. */
  async #isThere(target: RepositoryState, { kind, digest }: Absent): Promise<boolean> {
    const hooks = hooksFor(this.settings);
    if (kind === "manifest") return await headManifest(target, digest, hooks) !== undefined;
    const places = [target.repository, ...this.settings.mountFrom];
    for (const repository of places) {
      if (await headBlob({ ...target, repository }, digest, hooks) !== undefined) return true;
    }
    return false;
  }
}

/** Signatures and the like that the archive has for what was just pushed. */
function* referrersIn(
  archive: ImageArchive,
  root: ManifestNode | IndexNode,
): Iterable<Beside> {
  const subjects = new Set(walk(root).map(({ digest }) => digest));
  const waiting = new Set(archive.referrers);
  for (let found = true; found;) {
    found = false;
    for (const referrer of waiting) {
      if (!referrer.subject || !subjects.has(referrer.subject.digest)) continue;
      waiting.delete(referrer);
      found = true;
      subjects.add(referrer.digest);
      yield { node: referrer };
    }
  }
}
