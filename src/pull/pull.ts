import { type Bytes, createStream } from "../bytes.ts";
import { anySignal } from "../concurrency.ts";
import { type ImageToPull, parseImages } from "./list_images.ts";
import { type PullImagesOptions, type PullOptions, resolvePullOptions } from "./options.ts";
import { planImages } from "./plan_images.ts";

/**
 * Pulls an image from a registry as a tar that docker load, podman load, skopeo and {@linkcode pushImage} take.
 *
 * Manifests are kept byte for byte, so that the image keeps its digest wherever the archive is pushed. Every blob is
 * checked against its digest while it passes; manifests and configs are held, and up to three blobs that are read ahead, of at
 * most 32 MiB together. A broken connection is opened again where it broke. The same image gives the same bytes.
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
 * image under this name, host included, as docker pull and docker save would have it; by digest alone it is called
 * `HOST/REPOSITORY@DIGEST`, as docker pull calls it then.
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
  return pullImages(reference, options);
}

/**
 * Pulls many images, also of several registries, as one tar; see {@linkcode pullImage}. A blob that several have is asked for
 * and written once.
 *
 * @example Saving all releases of a repository
 * ```ts
 * import { pullImages } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * function saveReleases(fetch: ReturnType<typeof createRegistry>) {
 *   return pullImages(["localhost:5000/team/app"], { fetch, allTags: true, tags: ["v*", "!*-rc*"] });
 * }
 * ```
 *
 * @param images References, with the names that the archive gives the images where those are others.
 * @param options Settings; see {@linkcode PullImagesOptions}.
 * @returns The archive. Where one image fails the whole does.
 * @throws {SyntaxError} If a reference or pattern does not parse.
 * @throws {TypeError} If there is no image, or an option is none that can be used.
 * @throws {RangeError} If a number is out of range.
 */
export function pullImages(
  images: string | Iterable<string | ImageToPull>,
  options: PullImagesOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const resolved = resolvePullOptions(options);
  const wanted = parseImages(images);
  const cancelled = new AbortController();
  const signal = anySignal(resolved.signal, cancelled.signal);
  let reader: ReadableStreamDefaultReader<Bytes> | undefined;
  const read = async () => {
    try {
      signal.throwIfAborted();
      reader ??= (await planImages(wanted, { ...resolved, signal })).stream().getReader();
      return (await reader.read()).value;
    } catch (error) {
      // What is read ahead is of no use any more.
      cancelled.abort(error);
      throw error;
    }
  };
  return createStream(read, async (reason) => {
    cancelled.abort(reason);
    await reader?.cancel(reason);
  });
}
