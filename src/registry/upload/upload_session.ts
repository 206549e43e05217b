import { sleep } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { hasCode, hasStatus, NetworkError, RegistryError } from "../../errors.ts";
import {
  checkDigestHeader,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
  withoutRetry,
} from "../blobs.ts";
import { type Call, discard, headerOf, lengthIn } from "../http/call.ts";
import { requestOnce, withRetry } from "../http/http.ts";
import { resolveLocation } from "../http/location.ts";
import { isBroken } from "../http/network.ts";
import { answeredAt } from "../http/redirect.ts";

/** An upload that the registry has opened; it must be committed or cancelled. */
export interface UploadSession {
  /** The repository that it is for. */
  readonly context: RepositoryContext;
  /** Where the next request of the session goes; registries change it with every answer. */
  location: URL;
  /** `OCI-Chunk-Min-Length`, in bytes. */
  minChunk?: number;
  /** `OCI-Chunk-Max-Length`, in bytes: not in the spec, but sent where there is a limit. */
  maxChunk?: number;
  /** Bodies must tell their length. */
  wantsLength?: boolean;
  /** Bodies must come in PATCH requests alone. */
  wantsPatch?: boolean;
  /** All of it in one of them; left out where that is as the registry took others. */
  inOnePatch?: boolean | undefined;
  /** A part of its body was not answered: the upload may stand elsewhere than `location` says. */
  isStale?: boolean;
  /** All was sent and no answer came: the registry may be committing it, so it must not be cancelled. */
  isClosing?: boolean;
  /** When the last byte of a body was handed over, on the clock of the retry options. */
  sentAt?: number | undefined;
}

/** Time for what ends an upload, in milliseconds: it is a courtesy, not worth waiting for. */
export const CANCEL_MILLISECONDS = 3_000;
/** A busy registry still writes what it had of a cut request; connections break. */
const CANCEL_ATTEMPTS = 4;
/** Until a registry has noticed that a request was cut, and written what it had of it, in milliseconds. */
const SETTLE_MILLISECONDS = 100;

/**
 * Opens an upload (distribution-spec, "POST then PUT"), or has the blob mounted from another repository.
 *
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
  const session: UploadSession = { context, location: url };
  if (!moveOn(session, response, action)) {
    const { page } = context.http;
    if (page) {
      const { hiddenLocation } = await import("../http/page_failure.ts");
      throw hiddenLocation(context.http, page, { action, url }, response.status);
    }
    throw new RegistryError(
      `Cannot ${action}: ${url.host} answered ${response.status} without a Location`,
      { method: "POST", url: url.origin + url.pathname, status: response.status },
    );
  }
  const minChunk = lengthIn(headerOf(response, "oci-chunk-min-length"));
  const maxChunk = lengthIn(headerOf(response, "oci-chunk-max-length"));
  // A limit of 0 would be none that anybody could keep.
  if (minChunk) session.minChunk = minChunk;
  if (maxChunk) session.maxChunk = maxChunk;
  if (hooks.signal?.aborted) {
    await cancelUpload(session);
    hooks.signal.throwIfAborted();
  }
  return session;
}

/** Opens an upload, again where a failure may pass: nothing has been sent yet, so those attempts are counted apart. */
export async function openUpload(
  context: RepositoryContext,
  hooks: UploadHooks = {},
): Promise<UploadSession> {
  const session = await withRetry(context.http, hooks, () => startUpload(context, hooks));
  if (session) return session;
  throw new TypeError("unreachable: only a mount ends without a session");
}

/**
 * Asks how much of an upload the registry has (distribution-spec, "Pushing a blob in chunks").
 *
 * @param session The upload; its location moves on.
 * @returns Bytes that have arrived; undefined where `Range` does not tell: `0-0` stands for none and for one byte.
 * @throws {RegistryError} If the upload is gone.
 */
export async function readUploadStatus(
  session: UploadSession,
  hooks: Pick<UploadHooks, "signal"> = {},
): Promise<number | undefined> {
  const { context } = session;
  const action = `ask for the state of an upload to ${nameOf(context)}`;
  const response = await requestOnce(context.http, {
    action,
    method: "GET",
    url: session.location,
    expect: [200, 202, 204],
    signal: hooks.signal,
  });
  await discard(response);
  moveOn(session, response, action);
  return parseRange(headerOf(response, "range"));
}

/**
 * Reads the header `Range` of an upload's answers: `0-N`, with or without `bytes=`.
 *
 * @returns Bytes that have arrived, or undefined where the text does not tell.
 */
export function parseRange(text: string | null | undefined): number | undefined {
  const match = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(text?.trim() ?? "");
  const last = match ? Number(match[1]) : 0;
  return last > 0 ? last + 1 : undefined;
}

/**
 * Sends a part of a body once and leaves the upload open where the answer says that it stands now.
 *
 * @param session The upload; its location moves on.
 */
export async function patchUpload(
  session: UploadSession,
  call: Pick<Call, "action" | "body" | "asPiece" | "size" | "headers" | "signal" | "grace">,
): Promise<void> {
  try {
    const response = await requestOnce(session.context.http, {
      ...call,
      method: "PATCH",
      url: session.location,
      headers: { "content-type": "application/octet-stream", ...call.headers },
      expect: [200, 201, 202, 204],
    });
    await discard(response);
    moveOn(session, response, call.action);
  } catch (error) {
    session.isStale = !(error instanceof RegistryError);
    throw error;
  }
  // An answer that came within the grace tells where to cancel.
  call.signal?.throwIfAborted();
}

/**
 * Runs what may have a use for an upload that is open, or not come to that.
 *
 * @param use Gets what takes the upload over, once; one that is not taken is cancelled.
 */
export async function withUpload<T>(
  session: UploadSession | undefined,
  use: (take: () => UploadSession | undefined) => Promise<T>,
): Promise<T> {
  let left = session;
  try {
    return await use(() => {
      const taken = left;
      left = undefined;
      return taken;
    });
  } finally {
    if (left) await cancelUpload(left);
  }
}

/**
 * Ends an upload without keeping anything; failures are of no interest (distribution-spec, "Cancel a blob upload"). One
 * that a registry may be committing is left alone.
 *
 * distribution signs into the location how much it has, and refuses one that is out of date. After a body that was cut,
 * version 3 tells where the upload stands; version 2 tells nobody, and purges it a week later.
 */
export async function cancelUpload({ context, ...upload }: UploadSession): Promise<void> {
  if (upload.isClosing) return;
  // A registry that wants to be left alone has less to do with this than without it.
  const { pace: _pace, ...seen } = context.http.seen;
  const http = { ...withoutRetry(context.http), limits: undefined, seen };
  const signal = AbortSignal.timeout(CANCEL_MILLISECONDS);
  const session = { ...upload, context: { ...context, http } };
  const ask = () => readUploadStatus(session, { signal });
  try {
    for (let left = CANCEL_ATTEMPTS - 1;; left--) {
      try {
        // Where it does not tell, what is known has to do.
        if (session.isStale) await ask().catch((error) => left > 0 && throwPassing(error));
        return await deleteUpload(session, signal);
      } catch (error) {
        const isElsewhere = !session.isStale && isOutOfDate(error);
        if (left === 0 || !(isElsewhere || isPassing(error))) throw error;
        await sleep(Math.min(http.retry.delay, SETTLE_MILLISECONDS), signal);
        if (isElsewhere) session.isStale = true;
      }
    }
  } catch {
    // The registry purges what was left open.
  }
}

/** Whether a connection broke, or a gateway lost the registry for a moment: an upload would stay open for that. */
function isPassing(error: unknown): boolean {
  return (error instanceof NetworkError && isBroken(error)) || hasStatus(error, 502, 503, 504);
}

function throwPassing(error: unknown): void {
  if (isPassing(error)) throw error;
}

async function deleteUpload(
  { context, location: url }: UploadSession,
  signal: AbortSignal,
): Promise<void> {
  const response = await requestOnce(context.http, {
    action: `cancel an upload to ${nameOf(context)}`,
    method: "DELETE",
    url,
    expect: [200, 202, 204],
    signal,
  });
  await discard(response);
}

/** Whether a registry knows an upload, but not at the place where it was looked for. */
export function isOutOfDate(error: unknown): boolean {
  return error instanceof RegistryError &&
    (error.status === 416 || hasCode(error, "BLOB_UPLOAD_INVALID"));
}

/** Follows the `Location` of an answer; returns whether there was one. */
function moveOn(session: UploadSession, response: Response, action: string): boolean {
  const location = headerOf(response, "location");
  const at = answeredAt({ url: session.location }, response);
  if (location) session.location = resolveLocation(session.context.http, action, location, at);
  session.isStale = false;
  return Boolean(location);
}
