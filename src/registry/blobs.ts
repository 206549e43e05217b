import { type Digest, isDigest } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
import { type Call, discard, type Http } from "./http/call.ts";
import { request } from "./http/http.ts";

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

/**
 * Asks whether a repository has a blob (distribution-spec, "Checking if content exists in the registry").
 *
 * @param context The repository.
 * @param digest The blob.
 * @param signal Aborts the request.
 * @returns Its size, or -1 where the registry does not tell; undefined when the blob is not there.
 * @throws {DigestMismatchError} If the registry names another digest.
 */
export async function headBlob(
  context: RepositoryContext,
  digest: Digest,
  hooks: UploadHooks = {},
): Promise<number | undefined> {
  const response = await request(context.http, {
    action: `look for blob ${digest} in ${nameOf(context)}`,
    method: "HEAD",
    url: repositoryUrl(context, `blobs/${digest}`),
    // 405: a proxy that lets no HEAD through says nothing about the blob.
    expect: [200, 404, 405],
    signal: hooks.signal,
    onRetry: hooks.onRetry,
  });
  await discard(response);
  if (response.status !== 200) return undefined;
  checkDigestHeader(response, digest, `blob of ${nameOf(context)}`);
  const length = response.headers.get("content-length");
  return length !== null && /^\d+$/.test(length) ? Number(length) : -1;
}

/** The URL of something in a repository. */
export function repositoryUrl({ http, repository }: RepositoryContext, path: string): URL {
  return new URL(`${http.origin}/v2/${repository}/${path}`);
}

/** `host[:port]/repository`, for messages. */
export function nameOf({ http, repository }: RepositoryContext): string {
  return `${http.origin.slice(http.origin.indexOf("//") + 2)}/${repository}`;
}

/**
 * Checks the header `Docker-Content-Digest`, where there is one, against the digest that is meant.
 *
 * @throws {DigestMismatchError} If the registry names another digest.
 */
export function checkDigestHeader(response: Response, expected: Digest, what: string): void {
  const actual = response.headers.get("docker-content-digest")?.trim();
  if (!actual || actual === expected) return;
  const shown = isDigest(actual) ? actual : JSON.stringify(actual.slice(0, 80));
  throw new DigestMismatchError(
    `Cannot trust ${what}: the registry says its digest is ${shown}, expected ${expected}`,
    { expected, actual },
  );
}

/** The same registry, for a question that is asked once. */
export function withoutRetry(http: Http): Http {
  return { ...http, retry: { ...http.retry, attempts: 1 } };
}
