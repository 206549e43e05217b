import type { Bytes } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import {
  checkDigestHeader,
  headBlob,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
  withoutRetry,
} from "../blobs.ts";
import { type Call, discard } from "../http/call.ts";
import { requestOnce, waitForRetry } from "../http/http.ts";
import { resolveLocation } from "../http/location.ts";
import { answeredAt } from "../http/redirect.ts";

/** An upload that the registry has opened; it must be committed or cancelled. */
export interface UploadSession {
  /** Where the next request of the session goes; registries change it with every answer. */
  location: URL;
  /** `OCI-Chunk-Min-Length`, in bytes. */
  minChunk?: number;
  /** `OCI-Chunk-Max-Length`, in bytes: not in the spec, but sent where there is a limit. */
  maxChunk?: number;
}

/** Time for a cancel request, in milliseconds: it is a courtesy, not worth waiting for. */
const CANCEL_MILLISECONDS = 3_000;
const OCTETS = { "content-type": "application/octet-stream" };

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
  const at = answeredAt({ url: session.location }, response);
  session.location = nextLocation(context, action, response, at, false);
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
  const session: UploadSession = {
    location: nextLocation(context, action, response, answeredAt({ url }, response), true),
  };
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

/** Closes an upload with a PUT, with or without a body, under the digest that the registry then verifies. */
export async function closeUpload(
  context: RepositoryContext,
  session: UploadSession,
  digest: Digest,
  call: Pick<Call, "action" | "body" | "asPiece" | "size" | "isPatient" | "signal" | "headers">,
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

/** Tells what passes: `onProgress` how much it was, `onTaken` each piece that the reader is done with. */
export function reportProgress(
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
export async function arrived(
  context: RepositoryContext,
  blob: { digest: Digest; size: number },
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

/** Whether a registry says that it does not know an upload, or not as we do. */
export function isLostSession({ method, status, errors }: RegistryError): boolean {
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
