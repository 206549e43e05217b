import { type Digest, isDigest } from "../digest.ts";
import { DigestMismatchError, NetworkError, RegistryError } from "../errors.ts";
import { type Bytes, concat } from "../source.ts";
import {
  chunkSizeFor,
  DEFAULT_CHUNK_BYTES,
  isBodyLimit,
  sendChunks,
  shrinkBodies,
} from "./chunks.ts";
import {
  type Call,
  discard,
  type Http,
  onSent,
  request,
  requestOnce,
  resolveLocation,
  waitForRetry,
} from "./http.ts";
import { isBroken } from "./network.ts";

/** One repository of a registry. */
export interface RepositoryContext {
  readonly http: Http;
  readonly repository: string;
}

/** A blob to be uploaded whose digest is known and whose body can be opened again. */
export interface UploadBlob {
  digest: Digest;
  /** Length in bytes. */
  size: number;
  /** Opens the body from its first byte; it must have `size` bytes or fail. */
  open(): ReadableStream<Bytes>;
  /** Reads the whole body at once, for small ones; the same as `open`, without a stream. */
  read?(): Promise<Bytes>;
  /**
   * There where reading the body has attempts and time limits of its own: what it failed with last. That is final, and
   * says nothing of the registry.
   */
  failure?(): unknown;
}

/** Listeners and limits of one upload. */
export interface UploadHooks {
  signal?: AbortSignal | undefined;
  /** Bytes handed to the network in this attempt. */
  onProgress?: ((sent: number) => void | Promise<void>) | undefined;
  onRetry?: Call["onRetry"];
}

/** An upload that the registry has opened; it must be committed or cancelled. */
export interface UploadSession {
  /** Where the next request of the session goes; registries change it with every answer. */
  location: URL;
  /** `OCI-Chunk-Min-Length`, in bytes. */
  minChunk?: number;
  /** `OCI-Chunk-Max-Length`, in bytes: not in the spec, but sent where there is a limit. */
  maxChunk?: number;
}

/** Bodies up to this size are sent from memory: one request with a length, where a stream is two writes and chunked. */
export const SMALL_BODY_BYTES = 1024 * 1024;
/** Time for a cancel request, in milliseconds: it is a courtesy, not worth waiting for. */
const CANCEL_MILLISECONDS = 3_000;
const OCTETS = { "content-type": "application/octet-stream" };

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

/**
 * Uploads a blob in one streamed PUT, the whole again after a failure that may pass: registry:2 cannot resume a broken
 * upload. Before each further attempt the registry is asked whether the last one arrived after all.
 *
 * @param context The repository.
 * @param blob What to upload.
 * @param hooks Signal and listeners.
 * @param session An upload that is open already, used for the first attempt.
 * @throws {RegistryError} If the registry refuses it; 400 `DIGEST_INVALID` where the content has another digest.
 */
export async function uploadBlob(
  context: RepositoryContext,
  blob: UploadBlob,
  hooks: UploadHooks = {},
  session?: UploadSession,
): Promise<void> {
  const action = `push blob ${blob.digest} to ${nameOf(context)}`;
  const way: Way = { whole: false, asBytes: blob.size <= SMALL_BODY_BYTES };
  let isTurned = false;
  for (let attempt = 2;; attempt++) {
    try {
      return await uploadOnce(context, blob, hooks, way, session);
    } catch (error) {
      if (error === blob.failure?.()) throw error;
      if (await arrived(context, blob, error, hooks)) return;
      await hooks.onProgress?.(0);
      if (!isTurned && turnToChunks(context.http, blob, way, error)) {
        isTurned = true;
        attempt--;
      } else await waitForRetry(context.http, hooks, asRetryable(error), attempt);
    }
    session = undefined;
  }
  function asRetryable(error: unknown): unknown {
    if (!(error instanceof RegistryError) || !isLostSession(error)) return error;
    const { method, url, status, errors } = error;
    const message = `Cannot ${action}: the registry lost the upload`;
    return new RegistryError(message, {
      method,
      url,
      status,
      errors,
      retryable: true,
      cause: error,
    });
  }
}

/**
 * Sends a body once to an open upload and leaves it open: the digest may come later, with {@linkcode commitUpload}.
 *
 * @param context The repository.
 * @param session The upload; its location moves on.
 * @param body Bytes, a stream that is read once, or a function that opens the body and throws when it cannot do so
 * again.
 * @param hooks Signal and listeners.
 */
export async function sendBody(
  context: RepositoryContext,
  session: UploadSession,
  body: Bytes | ReadableStream<Bytes> | (() => ReadableStream<Bytes>),
  hooks: UploadHooks = {},
): Promise<void> {
  const action = `push a blob to ${nameOf(context)}`;
  const response = await requestOnce(context.http, {
    action,
    method: "PATCH",
    url: session.location,
    headers: OCTETS,
    body: body instanceof Uint8Array ? body : reopened(body, action, hooks),
    expect: [200, 201, 202, 204],
    signal: hooks.signal,
  });
  await discard(response);
  session.location = nextLocation(context, action, response, session.location, false);
}

/**
 * Sends a blob once in one PUT that closes the upload.
 *
 * @param context The repository.
 * @param session The upload.
 * @param blob Digest, length and a body that is read once, or a function as for {@linkcode sendBody}.
 * @param hooks Signal and listeners.
 */
export async function sendWhole(
  context: RepositoryContext,
  session: UploadSession,
  blob: {
    digest: Digest;
    size: number;
    body: ReadableStream<Bytes> | (() => ReadableStream<Bytes>);
  },
  hooks: UploadHooks = {},
): Promise<void> {
  const { digest, size, body } = blob;
  const action = `push blob ${digest} to ${nameOf(context)}`;
  await closeUpload(context, session, digest, {
    action,
    body: reopened(body, action, hooks),
    size,
    signal: hooks.signal,
  });
}

/**
 * Closes an upload whose body was sent, under the digest that the registry then verifies. Where the answer is lost, the
 * registry is asked whether the blob is there.
 *
 * @param context The repository.
 * @param session The upload.
 * @param blob Digest and length of all that was sent.
 * @param hooks Signal and listeners.
 * @throws {RegistryError} 400 where the content has another digest.
 */
export async function commitUpload(
  context: RepositoryContext,
  session: UploadSession,
  blob: { digest: Digest; size: number },
  hooks: UploadHooks = {},
): Promise<void> {
  const action = `commit blob ${blob.digest} to ${nameOf(context)}`;
  for (let attempt = 2;; attempt++) {
    try {
      return await closeUpload(context, session, blob.digest, {
        action,
        headers: { "content-length": "0" },
        signal: hooks.signal,
      });
    } catch (error) {
      if (await arrived(context, blob, error, hooks)) return;
      await waitForRetry(context.http, hooks, error, attempt);
    }
  }
}

/**
 * Opens an upload (distribution-spec, "POST then PUT"), or has the blob mounted from another repository.
 *
 * @param context The repository.
 * @param hooks Signal and listeners.
 * @param mount Blob, and the repository to take it from.
 * @returns The open upload, or undefined when the blob was mounted.
 */
export async function startUpload(
  context: RepositoryContext,
  hooks: UploadHooks = {},
  mount?: { digest: Digest; from: string },
): Promise<UploadSession | undefined> {
  const url = repositoryUrl(context, "blobs/uploads/");
  if (mount) {
    url.searchParams.set("mount", mount.digest);
    url.searchParams.set("from", mount.from);
  }
  const action = mount
    ? `mount blob ${mount.digest} from ${mount.from} into ${nameOf(context)}`
    : `start an upload to ${nameOf(context)}`;
  const response = await requestOnce(context.http, {
    action,
    method: "POST",
    url,
    headers: { "content-length": "0" },
    expect: mount ? [201, 202] : [202],
    signal: hooks.signal,
    grace: CANCEL_MILLISECONDS,
  });
  await discard(response);
  if (response.status === 201 && mount) {
    checkDigestHeader(response, mount.digest, `blob of ${nameOf(context)}`);
    return undefined;
  }
  const session: UploadSession = { location: nextLocation(context, action, response, url, true) };
  const minChunk = lengthHeader(response, "oci-chunk-min-length");
  const maxChunk = lengthHeader(response, "oci-chunk-max-length");
  if (minChunk !== undefined) session.minChunk = minChunk;
  if (maxChunk !== undefined) session.maxChunk = maxChunk;
  if (hooks.signal?.aborted) {
    await cancelUpload(context, session);
    hooks.signal.throwIfAborted();
  }
  return session;
}

function lengthHeader(response: Response, name: string): number | undefined {
  const text = response.headers.get(name)?.trim() ?? "";
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

/** Opens an upload, again where a failure may pass: nothing has been sent yet, so those attempts are counted apart. */
export async function openUpload(
  context: RepositoryContext,
  hooks: UploadHooks = {},
): Promise<UploadSession> {
  for (let attempt = 2;; attempt++) {
    try {
      const session = await startUpload(context, hooks);
      if (session) return session;
      throw new TypeError("unreachable: only a mount ends without a session");
    } catch (error) {
      await waitForRetry(context.http, hooks, error, attempt);
    }
  }
}

/** Ends an upload without keeping anything; failures are of no interest (distribution-spec, "Cancel a blob upload"). */
export async function cancelUpload(
  context: RepositoryContext,
  session: UploadSession,
): Promise<void> {
  // A registry that asked for a pause has less to do with this than without it.
  const http = { ...context.http, seen: { ...context.http.seen, pausedUntil: 0 } };
  try {
    const response = await requestOnce(http, {
      action: `cancel an upload to ${nameOf(context)}`,
      method: "DELETE",
      url: session.location,
      expect: [200, 202, 204, 404],
      signal: AbortSignal.timeout(CANCEL_MILLISECONDS),
    });
    await discard(response);
  } catch {
    // The registry purges what was left open.
  }
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

/** How an attempt sends a body. */
interface Way {
  /** In one request; the attempt says so. */
  whole: boolean;
  /** From memory, where it goes in one request. */
  asBytes: boolean;
}

async function uploadOnce(
  context: RepositoryContext,
  blob: UploadBlob,
  hooks: UploadHooks,
  way: Way,
  open?: UploadSession,
): Promise<void> {
  way.whole = false;
  const session = open ?? await openUpload(context, hooks);
  try {
    const chunkSize = chunkSizeFor(context.http, session, blob.size);
    way.whole = chunkSize === undefined;
    if (chunkSize !== undefined) {
      await sendChunks(context, session, blob.open(), chunkSize, hooks);
      return await closeUpload(context, session, blob.digest, {
        action: `push blob ${blob.digest} to ${nameOf(context)}`,
        headers: { "content-length": "0" },
        signal: hooks.signal,
      });
    }
    const body = await bodyOf(context.http, blob, way, hooks);
    await closeUpload(context, session, blob.digest, {
      action: `push blob ${blob.digest} to ${nameOf(context)}`,
      body,
      size: blob.size,
      isPatient: blob.failure !== undefined,
      signal: hooks.signal,
    });
    if (typeof body !== "function") await hooks.onProgress?.(blob.size);
  } catch (error) {
    await cancelUpload(context, session);
    throw error;
  }
}

/**
 * Turns to chunks where the whole body was, or may have been, too large for one request. Deno often loses an early 413
 * and sees only a broken connection, unless the body is bytes: one that fits into memory is sent so from there on.
 *
 * @returns Whether another attempt is due for that reason.
 */
function turnToChunks(http: Http, { size }: UploadBlob, way: Way, error: unknown): boolean {
  if (!way.whole) return false;
  if (isBodyLimit(error)) return shrinkBodies(http, size) !== undefined;
  if (way.asBytes || !(error instanceof NetworkError && isBroken(error))) return false;
  if (size > DEFAULT_CHUNK_BYTES) return shrinkBodies(http, size) !== undefined;
  way.asBytes = true;
  return false;
}

async function closeUpload(
  context: RepositoryContext,
  session: UploadSession,
  digest: Digest,
  call: Pick<Call, "action" | "body" | "size" | "isPatient" | "signal" | "headers">,
): Promise<void> {
  // What the registry wrote there is opaque: it is added to, never parsed and written anew.
  const { href } = session.location;
  const url = new URL(
    `${href}${href.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`,
  );
  const response = await requestOnce(context.http, {
    ...call,
    method: "PUT",
    url,
    headers: { ...OCTETS, ...call.headers },
    expect: [200, 201, 202, 204],
  });
  await discard(response);
  checkDigestHeader(response, digest, `blob pushed to ${nameOf(context)}`);
}

/** A body to be opened for each request that it takes: a redirect makes them two. */
function reopened(
  body: ReadableStream<Bytes> | (() => ReadableStream<Bytes>),
  action: string,
  { onProgress }: UploadHooks,
): () => ReadableStream<Bytes> {
  if (typeof body === "function") return () => reportProgress(body(), onProgress);
  let isOpen = false;
  return () => {
    if (isOpen) {
      throw new TypeError(`Cannot ${action}: the registry redirected it, and the body is gone`);
    }
    isOpen = true;
    return reportProgress(body, onProgress);
  };
}

async function bodyOf(
  http: Http,
  blob: UploadBlob,
  { asBytes }: Way,
  hooks: UploadHooks,
): Promise<Bytes | (() => ReadableStream<Bytes>)> {
  if (!asBytes) return () => reportProgress(blob.open(), hooks.onProgress, onSent(http));
  if (blob.read) return await blob.read();
  const pieces: Bytes[] = [];
  for await (const piece of blob.open()) pieces.push(piece);
  return concat(pieces, blob.size);
}

/** Tells what passes: `onProgress` how much it was, `onTaken` each piece that the reader is done with. */
function reportProgress(
  body: ReadableStream<Bytes>,
  onProgress: UploadHooks["onProgress"],
  onTaken?: (piece: Bytes) => void,
): ReadableStream<Bytes> {
  if (!onProgress && !onTaken) return body;
  const reader = body.getReader();
  let sent = 0;
  let last: Bytes | undefined;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (last) onTaken?.(last);
      if (done) return controller.close();
      last = value;
      controller.enqueue(value);
      await onProgress?.(sent += value.length);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Whether a failed upload is in the registry after all: the answer was lost, or the request was sent twice. */
async function arrived(
  context: RepositoryContext,
  blob: Pick<UploadBlob, "digest" | "size">,
  error: unknown,
  hooks: UploadHooks,
): Promise<boolean> {
  if (hooks.signal?.aborted) return false;
  if (!isOutcomeUnknown(error)) return false;
  try {
    return await headBlob({ ...context, http: withoutRetry(context.http) }, blob.digest, hooks) ===
      blob.size;
  } catch {
    // What counts is the failure that led here.
    return false;
  }
}

/** A connection that broke says nothing of what arrived, and neither does a gateway that lost its registry. */
function isOutcomeUnknown(error: unknown): boolean {
  if (error instanceof NetworkError) return error.retryable && error.method !== "POST";
  if (!(error instanceof RegistryError)) return false;
  return isLostSession(error) || (error.method === "PUT" && error.status >= 499);
}

/** The same registry, for a question that is asked once. */
export function withoutRetry(http: Http): Http {
  return { ...http, retry: { ...http.retry, attempts: 1 } };
}

function isLostSession({ method, status, errors }: RegistryError): boolean {
  // Before an upload is open there is none to lose: that 404 means the repository, or no registry at all.
  if (method === "POST") return false;
  return status === 404 || status === 416 ||
    errors.some(({ code }) => code === "BLOB_UPLOAD_UNKNOWN" || code === "BLOB_UPLOAD_INVALID");
}

function nextLocation(
  context: RepositoryContext,
  action: string,
  response: Response,
  base: URL,
  required: boolean,
): URL {
  const location = response.headers.get("location");
  if (location) return resolveLocation(context.http, action, location, base);
  if (!required) return base;
  throw new RegistryError(
    `Cannot ${action}: ${base.host} answered ${response.status} without a Location`,
    { method: "POST", url: base.origin + base.pathname, status: response.status },
  );
}
