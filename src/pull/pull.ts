import type { Bytes } from "../bytes.ts";
import { anySignal } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { DigestMismatchError, OciError } from "../errors.ts";
import { type IndexNode, type ManifestNode, walk } from "../image/content.ts";
import { readPlatform } from "../image/image_config.ts";
import {
  childImages,
  listPlatforms,
  listTexts,
  platformOptions,
  selectPlatforms,
} from "../image/platforms.ts";
import {
  type ArchivePlan,
  type NamedContent,
  planArchive,
  type WrittenBlob,
} from "../image/write_archive.ts";
import { formatReference, parseReference, type Reference, registryOrigin } from "../reference.ts";
import { httpFor } from "../registry/http/request_options.ts";
import { type PullOptions, type ResolvedPullOptions, resolvePullOptions } from "./options.ts";
import { readRemoteContent } from "./remote_content.ts";
import { readReferrers, type ReferrersOptions } from "./remote_referrers.ts";

/**
 * Pulls an image from a registry as a tar that docker load, podman load, skopeo and {@linkcode pushImage} take.
 *
 * Manifests are kept byte for byte, so that the image keeps its digest wherever the archive is pushed. Every blob is
 * checked against its digest while it passes; nothing is held but manifests and configs. A broken connection is opened
 * again where it broke. The same image gives the same bytes.
 *
 * @example Pulling from a registry in the same process
 * ```ts
 * import { pullImage } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * async function save(fetch: ReturnType<typeof createRegistry>) {
 *   const tar = pullImage("localhost:5000/team/app:1.0", { fetch, platforms: ["linux/amd64"] });
 *   return await new Response(tar).blob();
 * }
 * ```
 *
 * @param reference `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; no tag and no digest means `latest`. The archive has the
 * image under this name, host included, as docker pull and docker save would have it; by digest it has no name.
 * @param options Settings; see {@linkcode PullOptions}.
 * @returns The archive. Nothing is asked before its first byte is; a reader that stops reading stops the registry, one
 * that cancels ends all requests. It fails, and so has no end, with an {@linkcode OciError} where the registry lacks
 * something, does not answer, or sends content that does not have its digest.
 * @throws {SyntaxError} If the reference does not parse.
 * @throws {TypeError} If an option is none that can be used.
 * @throws {RangeError} If a number is out of range.
 */
export function pullImage(
  reference: string,
  options: PullOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const resolved = resolvePullOptions(options);
  const image = parseReference(reference);
  const cancelled = new AbortController();
  const signal = resolved.signal ? anySignal(resolved.signal, cancelled.signal) : cancelled.signal;
  let reader: ReadableStreamDefaultReader<Bytes> | undefined;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      signal.throwIfAborted();
      reader ??= (await planImage(image, { ...resolved, signal })).stream().getReader();
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      cancelled.abort(reason);
      await reader?.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** Settings of a pull that can be aborted. */
export type OpenOptions = ResolvedPullOptions & { signal: AbortSignal };

/** Reads the manifests of an image, and lays out its archive. */
export async function planImage(image: Reference, options: OpenOptions): Promise<ArchivePlan> {
  const { emit, signal, hasher, format } = options;
  const origin = registryOrigin(image, options.plainHttp);
  const context = { http: httpFor(origin, options), repository: image.repository };
  const tag = image.tag ?? (image.digest ? undefined : "latest");
  const reference = formatReference(tag === undefined ? image : { ...image, tag });
  const reading: ReferrersOptions = {
    signal,
    hasher,
    onRetry: (attempt, delay, { message }, digest) =>
      emit({ type: "retry", attempt, delay, reason: message, ...(digest && { digest }) }),
    warn: (message) => emit({ type: "warning", message }),
    tagsOnly: true,
  };
  const content = await readRemoteContent(context, tag ?? image.digest ?? "latest", reading);
  refuseOtherDigest(content.digest, image, reference);
  const { node, notices } = await choosePlatforms(content, reference, options);
  const name = tag === undefined ? undefined : archiveName({ ...image, tag }, origin);
  if (tag !== undefined && name === undefined) {
    notices.push(
      `docker cannot name ${image.registry}: the archive leaves the image without a name`,
    );
  }
  const contents: NamedContent[] = [{ node, names: name === undefined ? [] : [name] }];
  const signatures = options.signatures ? readReferrers(context, node, reading) : [];
  for await (const { node, cosign: beside } of signatures) {
    if (!beside) continue;
    const named = name && archiveName({ ...image, tag: beside.tag }, origin);
    contents.push({ node, names: named ? [named] : [], beside });
  }
  if (contents.length > 1 && format === "oci") {
    notices.push(
      "what cosign keeps stands beside the image: skopeo and podman want its tag, " +
        `oci-archive:FILE:${tag ?? "TAG"}, and podman load the docker format`,
    );
  }
  const plan = await planArchive(contents, {
    format,
    namesFirst: options.namesFirst,
    watch: (blob, bytes) => watchBlob(blob, bytes, options),
  });
  for (const message of [...notices, ...plan.notices]) await emit({ type: "warning", message });
  await emit({
    type: "plan",
    reference,
    digest: node.digest,
    mediaType: node.mediaType,
    blobs: plan.blobs.length,
    bytes: plan.blobs.reduce((sum, { size }) => sum + size, 0),
    size: plan.size,
  });
  return plan;
}

function refuseOtherDigest(
  actual: Digest,
  { digest: expected }: Reference,
  reference: string,
): void {
  if (!expected || expected === actual) return;
  throw new DigestMismatchError(
    `Cannot save ${reference}: it has digest ${actual}, expected ${expected}`,
    { expected, actual, hint: "leave out the tag to save what has this digest" },
  );
}

/** What is saved of an image, and what a person should know about that. */
async function choosePlatforms(
  content: ManifestNode | IndexNode,
  reference: string,
  { platforms }: ResolvedPullOptions,
): Promise<{ node: ManifestNode | IndexNode; notices: string[] }> {
  const { node, notices } = await selectPlatforms(content, platforms, readPlatform, {
    verb: "save",
    done: "saved",
    place: "registry",
    toError: (message) => new OciError(message),
  });
  const notice = node.kind === "index" && await describeAbsent(node, reference);
  if (notice) notices.push(notice);
  return { node, notices };
}

/** What to say of an index that the repository has only in part; undefined where it has all of it. */
async function describeAbsent(index: IndexNode, reference: string): Promise<string | undefined> {
  const absent = walk(index).flatMap((below) => below.kind === "index" ? below.entries : [])
    .filter(({ node, blob }) => !node && !blob);
  if (absent.length === 0) return undefined;
  const images = await childImages(index, readPlatform);
  const there = images.filter(({ entry }) => entry.node);
  const away = images.filter(({ entry }) => !entry.node);
  if (there.length === 0) {
    throw new OciError(
      `Cannot save ${reference}: the registry has none of the images of its index, ${
        listPlatforms(images)
      }`,
    );
  }
  // Where every image is there, it is an attestation or the like that is not.
  const lacks = away.length > 0
    ? listPlatforms(away)
    : listTexts(absent.map(({ descriptor }) => descriptor.digest));
  return `the registry lacks ${lacks} of ${reference}: the archive has the index whole, but of its images only ${
    listPlatforms(there)
  } (${platformOptions(there)} saves those alone)`;
}

/**
 * The name of an image as docker writes it. A host without a dot or a port would be taken for a part of the path: it
 * gets the port that it is spoken to at.
 *
 * @returns The name, or undefined where docker's names cannot hold the host.
 */
function archiveName(image: Reference & { tag: string }, origin: string): string | undefined {
  const { registry } = image;
  const isHost = registry === "localhost" || /[.:]/.test(registry);
  const port = new URL(origin).protocol === "http:" ? 80 : 443;
  if (/[^A-Za-z0-9.:[\]-]/.test(registry)) return undefined;
  return formatReference({ ...image, registry: isHost ? registry : `${registry}:${port}` });
}

/** At most so many events a second tell how a blob comes along. */
const EVENTS_PER_SECOND = 10;

/** Passes on the content of a blob, and tells of it. */
function watchBlob(
  { digest, size }: WrittenBlob,
  content: ReadableStream<Uint8Array>,
  { emit }: OpenOptions,
): ReadableStream<Uint8Array> {
  const reader = content.getReader();
  let received = -1;
  let told = performance.now();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (received < 0) {
        received = 0;
        await emit({ type: "blob-start", digest, size });
      }
      const { done, value } = await reader.read();
      if (done) {
        await emit({ type: "blob-done", digest, size });
        return controller.close();
      }
      received += value.length;
      controller.enqueue(value);
      if (performance.now() - told < 1000 / EVENTS_PER_SECOND) return;
      told = performance.now();
      await emit({ type: "blob-progress", digest, received });
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
