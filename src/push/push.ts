import type { Digest } from "../digest.ts";
import { DigestMismatchError, OciError } from "../errors.ts";
import { type ImageArchive, openArchive } from "../image/archive.ts";
import {
  blobsOf,
  type ContentNode,
  type IndexNode,
  type ManifestNode,
  walk,
} from "../image/content.ts";
import { buildManifest } from "../image/docker_save.ts";
import { readPlatform } from "../image/inspect.ts";
import { formatReference, type Reference, registryOrigin } from "../reference.ts";
import { headBlob } from "../registry/blobs.ts";
import { headManifest } from "../registry/manifests.ts";
import { type BlobSource, isBlobSource } from "../source.ts";
import { absentFrom, type Choice, fallBack, narrow, parsePlatforms } from "./content.ts";
import { httpFor, type PushOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { parseTargets, planImages, type PlannedImage } from "./plan.ts";
import {
  pushManifest,
  type RegistryState,
  type RepositoryState,
  repositoryState,
  settleDigests,
  uploadContent,
  type UploadedBlob,
  type UploadSettings,
} from "./upload.ts";

/** One reference that was written. */
export interface PushedImage {
  /** `host[:port]/repository:tag`, or `host[:port]/repository@digest` where no tag was asked for. */
  reference: string;
  /** Digest of the manifest or index that stands under the reference. */
  digest: Digest;
  mediaType: string;
  /** Every blob of the image, each once, and how it came to be in the repository. */
  blobs: UploadedBlob[];
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
 * @param source The tar, readable at any offset; it stays the caller's.
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
  source: BlobSource,
  target: string | readonly string[],
  options: PushOptions = {},
): Promise<PushResult> {
  const start = performance.now();
  const resolved = resolveOptions(options);
  const targets = parseTargets(target);
  const platforms = parsePlatforms(resolved.platforms);
  if (!isBlobSource(source)) throw new TypeError("Cannot push: the source is no Blob or file");
  resolved.signal.throwIfAborted();

  const counted = countReads(source);
  const archive = await openArchive(counted, { signal: resolved.signal });
  const { planned, notices } = planImages(archive, targets, resolved);
  for (const message of [...archive.notices, ...notices]) {
    await resolved.emit({ type: "warning", message });
  }
  await resolved.emit({ type: "plan", images: planned.length, ...totals(planned) });

  const push = new Push(archive, platforms, resolved);
  try {
    for (const item of planned) await push.image(item);
  } catch (error) {
    if (error instanceof OciError) error.pushed = push.pushed;
    throw error;
  }
  return {
    images: push.pushed,
    bytesUploaded: push.bytesUploaded,
    bytesRead: counted.read(),
    milliseconds: Math.round(performance.now() - start),
  };
}

/** One call of {@linkcode pushImage}: what has been pushed, and what is known of the registries. */
class Push {
  readonly pushed: PushedImage[] = [];
  bytesUploaded = 0;
  readonly #archive: ImageArchive;
  readonly #platforms: ReturnType<typeof parsePlatforms>;
  readonly #options: ResolvedOptions & Pick<UploadSettings, "onUploaded">;
  readonly #registries = new Map<string, RegistryState>();

  constructor(
    archive: ImageArchive,
    platforms: ReturnType<typeof parsePlatforms>,
    options: ResolvedOptions,
  ) {
    this.#archive = archive;
    this.#platforms = platforms;
    this.#options = { ...options, onUploaded: (bytes) => void (this.bytesUploaded += bytes) };
  }

  /** Pushes one image to one reference: blobs, manifests below it, its own manifest under the tag. */
  async image({ image, reference }: PlannedImage): Promise<void> {
    const target = this.#repository(reference);
    const name = formatReference(reference);
    const { node } = await this.#choose(image, name, target);
    await settleDigests(node, this.#options);
    await checkDigest(node, reference);
    const { root, blobs } = await uploadContent(target, node, this.#options);
    refuseOtherDigest(root.digest, reference);
    await pushManifest(target, root, reference.tag ?? root.digest, this.#options);
    await this.#pushReferrers(target, root);
    const { digest, mediaType } = root;
    this.pushed.push({ reference: name, digest, mediaType, blobs });
    if (!this.#options.dryRun) await this.#options.emit({ type: "tag", reference: name, digest });
  }

  /** Settles what is pushed when platforms were asked for, or when the archive lacks parts of the image. */
  async #choose(
    image: PlannedImage["image"],
    name: string,
    target: RepositoryState,
  ): Promise<Choice> {
    const platformOf = (node: ContentNode) => readPlatform(node);
    let choice = await narrow(image, this.#platforms, platformOf);
    const missing = new Set<Digest>();
    for (const { kind, digest } of absentFrom(choice.node)) {
      if (!await this.#isThere(target, kind, digest)) missing.add(digest);
    }
    if (missing.size > 0) choice = await fallBack(name, image, choice.node, missing, platformOf);
    for (const message of choice.notices) await this.#options.emit({ type: "warning", message });
    return choice;
  }

  async #isThere(
    target: RepositoryState,
    kind: "manifest" | "blob",
    digest: Digest,
  ): Promise<boolean> {
    const { signal } = this.#options;
    if (kind === "manifest") return await headManifest(target, digest, { signal });
    const places = [target.repository, ...this.#options.mountFrom];
    for (const repository of places) {
      if (await headBlob({ ...target, repository }, digest, { signal }) !== undefined) return true;
    }
    return false;
  }

  /** Signatures and the like that the archive has for what was just pushed. */
  async #pushReferrers(target: RepositoryState, root: ManifestNode | IndexNode): Promise<void> {
    const subjects = new Set(walk(root).map(({ digest }) => digest));
    const waiting = new Set(this.#archive.referrers);
    for (let found = true; found;) {
      found = false;
      for (const referrer of waiting) {
        if (!referrer.subject || !subjects.has(referrer.subject.digest)) continue;
        waiting.delete(referrer);
        found = true;
        subjects.add(referrer.digest);
        await uploadContent(target, referrer, this.#options);
        await pushManifest(target, referrer, referrer.digest, this.#options);
      }
    }
  }

  #repository(reference: Reference): RepositoryState {
    const origin = registryOrigin(reference, this.#options.plainHttp);
    const registry = this.#registries.get(origin) ??
      { http: httpFor(origin, this.#options), repositories: new Map() };
    this.#registries.set(origin, registry);
    return repositoryState(registry, reference.repository);
  }
}

/** Compares the digest of a reference with what will be pushed, before anything is. */
async function checkDigest(node: ContentNode, reference: Reference): Promise<void> {
  if (!reference.digest) return;
  if (node.kind !== "docker") return refuseOtherDigest(node.digest, reference);
  const digests = node.layers.map(({ digest }) => digest).filter((digest) => digest !== undefined);
  refuseOtherDigest((await buildManifest(node, digests)).digest, reference);
}

function refuseOtherDigest(actual: Digest, reference: Reference): void {
  const { digest: expected } = reference;
  if (!expected || expected === actual) return;
  throw new DigestMismatchError(
    `Cannot push to ${
      formatReference(reference)
    }: the image's digest is ${actual}, expected ${expected}`,
    { expected, actual },
  );
}

function totals(planned: readonly PlannedImage[]): { blobs: number; bytes: number } {
  const sizes = new Map<string, number>();
  for (const { image } of planned) {
    for (const { digest, file, size } of blobsOf(image.node)) {
      sizes.set(digest ?? file?.path ?? "", size);
    }
  }
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  return { blobs: sizes.size, bytes };
}

/** A source that counts what is read of it. */
function countReads(source: BlobSource): BlobSource & { read(): number } {
  let read = 0;
  return {
    size: source.size,
    slice: (start, end) => ({
      stream: () => {
        const reader = source.slice(start, end).stream().getReader();
        return new ReadableStream<Uint8Array>({
          async pull(controller) {
            const { done, value } = await reader.read();
            if (done) return controller.close();
            read += value.length;
            controller.enqueue(value);
          },
          cancel: (reason) => reader.cancel(reason),
        }, { highWaterMark: 0 });
      },
    }),
    read: () => read,
  };
}
