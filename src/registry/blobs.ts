import { type Digest, digestAlgorithm, isDigest } from "../digest.ts";
import { DigestMismatchError, RegistryError } from "../errors.ts";
import { askWhetherThere } from "./existence.ts";
import { type Call, contentLength, headerOf, hostOf, type Http, lengthIn } from "./http/call.ts";

/** One repository of a registry. */
export interface RepositoryContext {
  readonly http: Http;
  readonly repository: string;
}

/** Listeners and limits of one upload. */
export interface UploadHooks {
  signal?: AbortSignal | undefined;
  /** Bytes handed to the network in this attempt. */
  onProgress?: ((sent: number) => void | Promise<void>) | undefined;
  onRetry?: Call["onRetry"];
}

/** Signal and listener of a request that reads. */
export type ReadHooks = Pick<UploadHooks, "signal" | "onRetry">;

/**
 * Asks whether a repository has a blob (distribution-spec, "Checking if content exists in the registry").
 *
 * @returns Its size, or -1 where the registry does not tell; undefined when the blob is not there, or nobody says.
 * @throws {DigestMismatchError} If the registry names another digest.
 */
export async function headBlob(
  context: RepositoryContext,
  digest: Digest,
  hooks: UploadHooks = {},
): Promise<number | undefined> {
  const response = await askWhetherThere(context.http, {
    action: `look for blob ${digest} in ${nameOf(context)}`,
    url: repositoryUrl(context, `blobs/${digest}`),
    signal: hooks.signal,
    onRetry: hooks.onRetry,
  }, {
    getHeaders: { range: "bytes=0-0" },
    // serverless-registry (2026-06) describes its link to a mounted blob to HEAD, and sends the blob to GET. A proxy that
    // reads answers whole (koa-better-http-proxy 0.2.10) tells the length of what it read: none, for a HEAD.
    isAbout: (head) => otherDigest(head, digest) === undefined && contentLength(head) !== 0,
  });
  if (!response) return undefined;
  checkDigestHeader(response, digest, `blob of ${nameOf(context)}`);
  const length = response.status === 200
    ? contentLength(response)
    : lengthIn(headerOf(response, "content-range")?.replace(/^.*\//, ""));
  return length ?? -1;
}

/** The same of another repository of the registry, which may be somebody else's: what may not be asked for there is not there. */
export async function headBlobElsewhere(
  context: RepositoryContext,
  digest: Digest,
  hooks: UploadHooks = {},
): Promise<number | undefined> {
  try {
    return await headBlob(context, digest, hooks);
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

/** Whether what {@linkcode headBlob} found is as long as a blob should be, or nobody says how long it is. */
export function fitsSize(found: number | undefined, size: number): found is number {
  return found !== undefined && (found < 0 || found === size);
}

/** The URL of something in a repository. */
export function repositoryUrl({ http, repository }: RepositoryContext, path: string): URL {
  return new URL(`${http.origin}/v2/${repository}/${path}`);
}

/** `host[:port]/repository`, for messages. */
export function nameOf({ http, repository }: RepositoryContext): string {
  return `${hostOf(http)}/${repository}`;
}

/**
 * Checks the header `Docker-Content-Digest`, where there is one, against the digest that is meant.
 *
 * @param explain What to try next.
 * @throws {DigestMismatchError} If the registry names another digest.
 */
export function checkDigestHeader(
  response: Response,
  expected: Digest,
  what: string,
  explain?: () => string | undefined,
): void {
  const actual = otherDigest(response, expected);
  if (actual === undefined) return;
  const shown = isDigest(actual) ? actual : JSON.stringify(actual.slice(0, 80));
  throw new DigestMismatchError(
    `Cannot trust ${what}: the registry says its digest is ${shown}, expected ${expected}`,
    { expected, actual, hint: explain?.() },
  );
}

/**
 * What the registry names in place of the digest that is meant. One of another algorithm may be right: a registry names
 * what it stores in its own (distribution-spec, "Pulling blobs").
 */
function otherDigest(response: Response, expected: Digest): string | undefined {
  const actual = headerOf(response, "docker-content-digest");
  if (!actual || actual === expected) return undefined;
  const isOwn = isDigest(actual) && digestAlgorithm(actual) !== digestAlgorithm(expected);
  return isOwn ? undefined : actual;
}

/** The same registry, for a question that is asked once. */
export function withoutRetry(http: Http): Http {
  return { ...http, retry: { ...http.retry, attempts: 1 } };
}
