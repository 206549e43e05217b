import { OciError } from "../errors.ts";
import type { IndexNode, ManifestNode } from "../image/content.ts";
import { readRemoteContent } from "../pull/remote_content.ts";
import type { RemoteReadOptions } from "../pull/remote_file.ts";
import { formatReference, parseReference, type Reference, registryOrigin } from "../reference.ts";
import type { RepositoryContext } from "../registry/blobs.ts";
import { httpFor } from "../registry/http/request_options.ts";
import { countLeft, readBeside } from "./copy_beside.ts";
import { type PushOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { parseTargets, type PlannedImage } from "./plan.ts";
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
 * @param target The same, or several; with a digest the image must have it.
 * @param options Settings; see {@linkcode CopyOptions}.
 * @returns What was copied; `bytesRead` counts manifests as well.
 * @throws {SyntaxError} If a reference does not parse.
 * @throws {TypeError} If a target is no reference.
 * @throws {OciError} If a registry does not allow it; its `pushed` holds the images that were complete by then.
 */
export async function copyImage(
  source: string,
  target: string | readonly string[],
  options: CopyOptions = {},
): Promise<PushResult> {
  const start = performance.now();
  const resolved = resolveOptions(options);
  const from = parseReference(source);
  const references = parseReferences(target);
  const { plainHttp, emit } = resolved;
  const origin = registryOrigin(from, plainHttp);
  const { repository } = from;
  const push = new Push(resolved, { source: { origin, repository } });
  const context = openSource(push, from, references, options, resolved);
  let bytesRead = 0;
  const reading: RemoteReadOptions = {
    signal: resolved.signal,
    hasher: resolved.hasher,
    onRead: (bytes) => bytesRead += bytes,
    onRetry: (attempt, delay, error, digest) => {
      const reason = error.message;
      return emit({ type: "retry", ...digest && { digest }, attempt, delay, reason });
    },
  };
  try {
    const node = await readRemoteContent(context, from.digest ?? from.tag ?? "latest", reading);
    // What stays in the repository is not left behind.
    const isElsewhere = references.some((reference) =>
      reference.repository !== repository || registryOrigin(reference, plainHttp) !== origin
    );
    await using beside = options.referrers
      ? readBeside(context, reading, emit)
      : countLeft(context, isElsewhere ? node : undefined, reading, emit);
    await push.images(...planCopies(node, from, references), beside.of);
  } catch (error) {
    if (error instanceof OciError) error.pushed = push.pushed;
    throw error;
  }
  return {
    images: push.pushed,
    bytesUploaded: push.bytesUploaded,
    bytesRead,
    milliseconds: Math.round(performance.now() - start),
  };
}

function parseReferences(target: string | readonly string[]): Reference[] {
  const references = new Map<string, Reference>();
  for (const parsed of parseTargets(target)) {
    if (parsed.kind === "place") {
      const { registry, prefix } = parsed.place;
      throw new TypeError(
        `Cannot copy to ${registry}/${prefix}: it has no repository, expected HOST[:PORT]/REPOSITORY[:TAG]`,
      );
    }
    const { reference } = parsed;
    references.set(`${reference.scheme} ${formatReference(withTag(reference))}`, reference);
  }
  return [...references.values()];
}

/** The repository that is read. Within one registry both sides share what is known of it, headers included. */
function openSource(
  push: Push,
  from: Reference,
  references: readonly Reference[],
  { sourceHeaders }: CopyOptions,
  resolved: ResolvedOptions,
): RepositoryContext {
  const { plainHttp } = resolved;
  const origin = registryOrigin(from, plainHttp);
  const isShared = references.some((reference) => registryOrigin(reference, plainHttp) === origin);
  if (isShared && !sourceHeaders) return push.repository(from);
  const http = httpFor(origin, { ...resolved, headers: sourceHeaders ?? {} });
  return { http, repository: from.repository };
}

function planCopies(
  node: ManifestNode | IndexNode,
  from: Reference,
  references: readonly Reference[],
): [planned: PlannedImage[], notices: string[]] {
  const image = { id: "#1", names: [], tags: [], pinned: [], aliases: [], node, named: [] };
  const notices: string[] = [];
  const planned = references.map((reference) => {
    const tagged = withTag(reference);
    if (tagged.tag !== reference.tag && from.tag !== undefined && from.tag !== tagged.tag) {
      const name = formatReference(reference);
      notices.push(`${name} has no tag, so it becomes ${name}:latest; the source is ${from.tag}`);
    }
    return { image, reference: tagged };
  });
  return [planned, notices];
}

function withTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest) return reference;
  return { ...reference, tag: "latest" };
}
