import { parseReference, registryOrigin } from "../reference.ts";
import { type Copy, copyInto, openSource, referencesFor } from "./copy_into.ts";
import { type PushOptions, resolveOptions } from "./options.ts";
import { Push, type PushResult } from "./push.ts";

/** Options for {@linkcode copyImage}; those of a push mean the same here, on both sides. */
export interface CopyOptions extends
  Pick<
    PushOptions,
    | "concurrency"
    | "signal"
    | "onEvent"
    | "platforms"
    | "dryRun"
    | "chunkSize"
    | "mountFrom"
    | "shareBlob"
    | "onExisting"
    | "plainHttp"
    | "retry"
    | "timeouts"
    | "maxRequestsPerSecond"
    | "maxRate"
    | "fetch"
    | "hasher"
  > {
  /**
   * Bring along what refers to the image and to the images below it, such as signatures and SBOMs, and what refers to
   * that, up to 1000 in all: what names its subject, and what cosign keeps under tags (`sha256-HEX.sig`, `.att`,
   * `.sbom`).
   * @default {false} a notice tells what cosign's tags are left behind
   */
  referrers?: boolean;
  /** Sent with every request to the registries of the targets, and to no other host. */
  headers?: Record<string, string>;
  /**
   * Sent with every request to the registry of the source, and to no other host.
   * @default {headers} where it is the registry of a target, else none
   */
  sourceHeaders?: Record<string, string>;
}

/**
 * Copies an image from one place of a registry to another, or to another registry, without a file between them. An index
 * goes with all that stands below it; everything keeps its bytes and its digest.
 *
 * What a target has is not read, what its registry has in the repository of the source is mounted, and the rest is sent
 * while it is read: no more of it is held than a few pieces. A read that breaks goes on where it broke; a failed upload
 * reads again. Blobs go first, then manifests, then what refers to them, then the tag.
 *
 * @example Giving an image another name
 * ```ts
 * import { copyImage } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * const fetch = createRegistry();
 * async function release(version: string) {
 *   const app = "localhost:5000/team/app";
 *   const { images } = await copyImage(`${app}:${version}`, [`${app}:stable`, `${app}:latest`], { fetch });
 *   return images[0]?.digest;
 * }
 * ```
 *
 * @param source `[http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; a digest goes before a tag, without both it is
 * `latest`.
 * @param target The same, or several; with a digest the image must have it. Or a place, `HOST[:PORT]` or a prefix that ends in
 * `/`, where the image keeps its name.
 * @param options Settings; see {@linkcode CopyOptions}.
 * @returns What was copied; `bytesRead` counts manifests as well.
 * @throws {SyntaxError} If a reference does not parse.
 * @throws {TypeError} If there is no target, or references are mixed with places.
 * @throws {OciError} If a registry does not allow it; its `pushed` holds the images that were complete by then.
 */
export async function copyImage(
  source: string,
  target: string | readonly string[],
  options: CopyOptions = {},
): Promise<PushResult> {
  const resolved = resolveOptions(options);
  const from = parseReference(source);
  const references = referencesFor(from, target);
  const origin = registryOrigin(from, resolved.plainHttp);
  const push = new Push(resolved, { source: { origin, repository: from.repository } });
  const { referrers = false, sourceHeaders } = options;
  const copy: Copy = {
    context: openSource(push, from, references, { headers: sourceHeaders }),
    from,
    references,
    beside: referrers ? "brought" : "told",
  };
  return await copyInto(push, copy);
}
