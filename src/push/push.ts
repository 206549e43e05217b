import { cosignTag } from "../cosign_tags.ts";
import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type ImageArchive, openArchive } from "../image/archive.ts";
import { besideOf } from "../image/beside.ts";
import { blobsOf, type IndexNode, type ManifestNode } from "../image/content.ts";
import { parsePlatforms } from "../image/platforms.ts";
import { formatReference, type Reference, registryOrigin, type Target } from "../reference.ts";
import { headBlob } from "../registry/blobs.ts";
import { httpFor } from "../registry/http/request_options.ts";
import { headManifest } from "../registry/manifests.ts";
import { openSource, type PushSource } from "../source/open_source.ts";
import { type BesideOf, noticeOfLeft } from "./beside.ts";
import { completely } from "./complete.ts";
import { type Absent, chooseContent, COPY_WORDS, PUSH_WORDS } from "./content.ts";
import { chooseKinds, draftsOf, explainRefusedType, type RootChoice } from "./manifest_kind.ts";
import { warnOfLayers } from "./layer_warnings.ts";
import { type PushOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { listUnlisted, placeBelow, placeManifest, type PlaceSettings } from "./place_manifest.ts";
import { placeRoot } from "./place_root.ts";
import { parseTargets, planImages, type PlannedImage, totalsOf } from "./plan.ts";
import { settleDigests, uploadContent } from "./random_access/upload.ts";
import {
  type RegistryState,
  type RepositoryState,
  repositoryState,
  type UploadedBlob,
} from "./repository_state.ts";
import { findOther, leaveTag, type Tagged, type TagSettings, writeTag } from "./tags.ts";
import { hooksFor } from "./upload_settings.ts";

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

/** What goes beside an image under a tag, and whether that names it already. */
interface TaggedBeside {
  node: ManifestNode | IndexNode;
  reference: Tagged;
  stands: boolean;
}

/** One call of {@linkcode pushImage} or `copyImage`: what has been pushed, and what is known of the registries. */
export class Push {
  readonly pushed: PushedImage[] = [];
  bytesUploaded = 0;
  readonly #platforms: ReturnType<typeof parsePlatforms>;
  readonly settings: ResolvedOptions & TagSettings & PlaceSettings;
  readonly #registries = new Map<string, RegistryState>();
  readonly #source: SourceRepository | undefined;
  readonly #toldLayers = new Set<Digest>();

  constructor(
    platforms: ReturnType<typeof parsePlatforms>,
    options: ResolvedOptions,
    source?: SourceRepository,
  ) {
    this.#platforms = platforms;
    this.#source = source;
    this.settings = {
      ...options,
      words: source ? COPY_WORDS : PUSH_WORDS,
      isStanding: false,
      onUploaded: (bytes) => void (this.bytesUploaded += bytes),
    };
  }

  /** Pushes what an archive holds to the targets, image by image. */
  async archive(archive: ImageArchive, targets: readonly Target[]): Promise<void> {
    const { planned, notices } = planImages(archive, targets, this.settings);
    const left = new Set(archive.beside);
    await this.images(
      planned,
      [...archive.notices, ...notices],
      (root) =>
        besideOf(archive.beside, root).map((beside) => {
          left.delete(beside);
          const { node, subject, kind } = beside;
          return { node, tag: kind && cosignTag(subject, kind) };
        }),
    );
    const message = noticeOfLeft(planned, [...left]);
    if (message !== undefined) await this.settings.emit({ type: "warning", message });
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
    const { node, notices } = await chooseContent(image, {
      name,
      platforms: this.#platforms,
      isThere: (absent) => this.#isThere(target, absent),
      words: this.settings.words,
    });
    // To look at what is copied would cost a request for each layer.
    if (!this.#source) notices.push(...await warnOfLayers(node, this.#toldLayers));
    for (const message of notices) await this.settings.emit({ type: "warning", message });
    await settleDigests(node, this.settings);
    const choice = await chooseKinds(node, image.node, reference, target.registry, this.settings);
    if (isTagged(reference) && await this.#isLeft(target, reference, choice)) return;
    const { stands, ...placed } = await this.#place(
      target,
      choice,
      name,
      (uploaded) => placeRoot(target, uploaded, choice, reference, this.settings),
    );
    const { root } = placed;
    const blobs = placed.blobs.map((blob) => typedBy(root, blob));
    const beside = await this.#placeBeside(target, reference, stands, besideOf(root));
    // A failure before this leaves no tag behind, not even one of these.
    await listUnlisted(target, this.settings);
    const tagged = await this.#tagBeside(target, beside, root.digest);
    if (!stands && isTagged(reference) && !this.settings.dryRun) {
      const { isWritten } = await this.#place(target, choice, name, async () => {
        await placeBelow(target, root, this.settings);
        await placeManifest(target, root, this.settings);
        return { root, isWritten: await writeTag(target, reference, root, this.settings) };
      }, placed);
      if (!isWritten) return;
    }
    const { digest, mediaType } = root;
    const pushed = { reference: name, digest, mediaType, blobs };
    this.pushed.push(tagged.length > 0 ? { ...pushed, beside: tagged } : pushed);
    if (!this.settings.dryRun) await this.settings.emit({ type: "tag", reference: name, digest });
  }

  /** Whether a tag that names something else is left as it is; nothing has been sent then, unless from a pipe. */
  async #isLeft(target: RepositoryState, reference: Tagged, choice: RootChoice): Promise<boolean> {
    if (this.settings.onExisting === "overwrite") return false;
    const find = async () => findOther(target, reference, await draftsOf(choice), this.settings);
    let other = await find();
    if (other && blobsOf(choice.node).some(({ origin }) => origin === "hint")) {
      // What a file is merely called after may be wrong, and the image the same after all.
      await settleDigests(choice.node, { ...this.settings, verify: true });
      other = await find();
    }
    const [root] = await draftsOf(choice);
    if (!other || !root) return false;
    await leaveTag(reference, other, root, this.settings);
    return true;
  }

  /** Puts what goes beside an image under its digests; returns what wants a tag. */
  async #placeBeside(
    target: RepositoryState,
    image: Reference,
    isStanding: boolean,
    beside: ReturnType<BesideOf>,
  ): Promise<TaggedBeside[]> {
    const tagged: TaggedBeside[] = [];
    for await (const { node, tag } of await beside) {
      const choice: RootChoice = { node, kinds: [] };
      const reference = referenceBeside(image, tag);
      const { stands } = await this.#place(
        target,
        choice,
        formatReference(reference),
        (uploaded) =>
          placeRoot(target, uploaded, choice, reference, { ...this.settings, isStanding }),
      );
      if (isTagged(reference)) tagged.push({ node, reference, stands });
    }
    return tagged;
  }

  /** Writes the tags of what goes beside an image; returns the references that stand. */
  async #tagBeside(
    target: RepositoryState,
    beside: readonly TaggedBeside[],
    subject: Digest,
  ): Promise<{ reference: string; digest: Digest }[]> {
    const { dryRun, emit } = this.settings;
    const tagged: { reference: string; digest: Digest }[] = [];
    for (const { node, reference, stands } of beside) {
      const { digest } = node;
      if (!stands && !dryRun && !await writeTag(target, reference, node, this.settings)) continue;
      target.tags.set(reference.tag, digest);
      const name = formatReference(reference);
      tagged.push({ reference: name, digest });
      if (!dryRun) await emit({ type: "tag", reference: name, digest, subject });
    }
    return tagged;
  }

  /** Uploads what a node needs, unless `placed` says that it was, then writes; again where the registry lost a part. */
  async #place<T>(
    target: RepositoryState,
    choice: RootChoice,
    name: string,
    write: (uploaded: UploadedContent) => Promise<T>,
    placed?: UploadedContent,
  ): Promise<UploadedContent & T> {
    const { node } = choice;
    try {
      return await completely(target, node, this.settings, async () => {
        const uploaded = placed ?? await uploadContent(target, node, this.settings);
        placed = undefined;
        return { ...uploaded, ...await write(uploaded) };
      });
    } catch (error) {
      throw explainRefusedType(error, choice, target.registry, name, this.settings);
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

/** A blob with the media type that the manifest gives it, whatever it was to be at first. */
function typedBy(root: ManifestNode | IndexNode, blob: UploadedBlob): UploadedBlob {
  if (root.kind === "index") return blob;
  const named = [root.config, ...root.layers].find((named) => named?.digest === blob.digest);
  return named ? { ...blob, mediaType: named.mediaType } : blob;
}

function isTagged(reference: Reference): reference is Tagged {
  return reference.tag !== undefined;
}

function referenceBeside(
  { registry, repository }: Reference,
  tag: string | undefined,
): Reference {
  return tag === undefined ? { registry, repository } : { registry, repository, tag };
}
