import type { Bytes } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import { ArchiveError, NetworkError, RegistryError } from "../../errors.ts";
import type { RepositoryContext, UploadHooks } from "../../registry/blobs.ts";
import type { Http } from "../../registry/http/call.ts";
import { waitForRetry } from "../../registry/http/http.ts";
import { isBroken } from "../../registry/http/network.ts";
import { retryDelay, sleep } from "../../registry/http/retry.ts";
import {
  chunkSizeFor,
  DEFAULT_CHUNK_BYTES,
  isBodyLimit,
  shrinkBodies,
} from "../../registry/upload/body_limits.ts";
import { readUploadStatus, sendChunks } from "../../registry/upload/chunks.ts";
import { isThereAfterAll, mayGoOn, sendRest } from "../../registry/upload/resume.ts";
import {
  cancelUpload,
  commitUpload,
  openUpload,
  sendBody,
  sendWhole,
  type UploadSession,
} from "../../registry/upload/upload_session.ts";
import type { ResumableBody } from "./resumable_body.ts";

/** A blob that comes only once. */
export interface PassingBody {
  body: ResumableBody;
  /** Length in bytes. */
  size: number;
  /** Where it is known the upload is closed, else it is left open. */
  digest: Digest | undefined;
}

/** So much more than at the failure before makes a failure the first one again. */
const PROGRESS_BYTES = 1024 * 1024;

const WRITE_A_FILE = "write the archive to a file first and push that";

/**
 * Sends a blob that comes only once. After a failure it goes on where the registry stands, if that is within what the
 * body still has; a blob of which nothing is gone yet begins again. registry:2 forgets an upload that broke, so there the
 * second is the only way (distribution v2.8.3, registry/handlers/blobupload.go).
 *
 * @param context The repository.
 * @param session An open upload; it may become another one on the way.
 * @param blob The blob.
 * @param hooks Signal and listeners.
 * @throws {NetworkError | RegistryError} If there is no way to go on; the message says so.
 */
export async function sendPassing(
  context: RepositoryContext,
  session: UploadSession,
  blob: PassingBody,
  hooks: UploadHooks,
): Promise<void> {
  const { body, size, digest } = blob;
  let start = 0;
  let reached = 0;
  let isTurned = false;
  for (let attempt = 2;; attempt++) {
    const isWhole = start === 0 && chunkSizeFor(context.http, session, size) === undefined;
    try {
      return await sendFrom(context, session, blob, start, hooks);
    } catch (error) {
      hooks.signal?.throwIfAborted();
      if (body.failure) throw body.failure.error;
      if (isWhole && !isTurned && isRefusedForSize(context.http, blob, error)) {
        isTurned = true;
        start = await beginAgain(context, session, hooks);
        await hooks.onProgress?.(0);
        continue;
      }
      if (!mayGoOn(error)) throw error;
      if (digest && await isThereAfterAll(context, { digest, size }, hooks)) {
        return await body.cancel(error);
      }
      if (body.end - reached >= PROGRESS_BYTES) attempt = 2;
      reached = body.end;
      await waitToGoOn(context, hooks, error, attempt);
      start = await findStart(context, session, body, error, hooks);
      if (start === 0 && isWhole) isTurned ||= mayBeRefusedForSize(context.http, blob, error);
      await hooks.onProgress?.(start);
    }
  }
}

async function sendFrom(
  context: RepositoryContext,
  session: UploadSession,
  { body, size, digest }: PassingBody,
  start: number,
  hooks: UploadHooks,
): Promise<void> {
  const chunkSize = chunkSizeFor(context.http, session, size - start);
  if (start === 0 && chunkSize === undefined) {
    const whole = () => openWhole(body);
    if (!digest) return await sendBody(context, session, whole, hooks);
    return await sendWhole(context, session, { digest, size, body: whole }, hooks);
  }
  const rest = body.open(start);
  if (chunkSize !== undefined) {
    await sendChunks(context, session, rest, chunkSize, hooks, start);
  } else if (start < size) {
    await sendRest(context, session, { start, size, body: rest }, hooks);
  } else {
    // Only its end tells that the source was whole.
    for await (const _ of rest);
  }
  if (digest) await commitUpload(context, session, { digest, size }, hooks);
}

/** Opens a body for a request; the one after a redirect may come too late. */
function openWhole(body: ResumableBody): ReadableStream<Bytes> {
  if (body.start === 0) return body.open(0);
  throw new ArchiveError("Cannot follow a redirect of an upload: the stream comes only once", {
    hint: WRITE_A_FILE,
  });
}

/** Waits before an attempt to go on; where none is due, says what that means for a stream. */
async function waitToGoOn(
  { http }: RepositoryContext,
  hooks: UploadHooks,
  error: unknown,
  attempt: number,
): Promise<void> {
  try {
    await waitForRetry(http, hooks, asRetryable(error), attempt);
  } catch (final) {
    hooks.signal?.throwIfAborted();
    throw comesOnce(final, "this blob cannot be sent again");
  }
}

/**
 * Where to go on: where the registry stands, or at the start with another upload. What has arrived may still be on its
 * way to the registry's disk (distribution 3): where the start is gone, it is asked until it has caught up.
 */
async function findStart(
  context: RepositoryContext,
  session: UploadSession,
  body: ResumableBody,
  failure: unknown,
  hooks: UploadHooks,
): Promise<number> {
  const { retry } = context.http;
  for (let attempt = 2;; attempt++) {
    const stands = await askStatus(context, session, hooks);
    if (stands !== "gone" && stands && stands >= body.start && stands <= body.end) return stands;
    if (body.start === 0) return await beginAgain(context, session, hooks);
    const delay = stands === "gone" ? undefined : retryDelay(attempt, retry);
    if (delay === undefined) {
      throw comesOnce(failure, "the registry did not keep what had arrived");
    }
    await sleep(delay, hooks.signal);
  }
}

async function askStatus(
  context: RepositoryContext,
  session: UploadSession,
  hooks: UploadHooks,
): Promise<number | undefined | "gone"> {
  for (let attempt = 2;; attempt++) {
    try {
      return await readUploadStatus(context, session, hooks);
    } catch (error) {
      // An upload that is gone is no news; a registry that does not answer is.
      if (error instanceof RegistryError && !error.retryable) return "gone";
      await waitForRetry(context.http, hooks, error, attempt);
    }
  }
}

async function beginAgain(
  context: RepositoryContext,
  session: UploadSession,
  hooks: UploadHooks,
): Promise<0> {
  await cancelUpload(context, session);
  Object.assign(session, await openUpload(context, hooks));
  return 0;
}

/** Whether one request was refused for its size while nothing of the body is gone; chunks are due from here on then. */
function isRefusedForSize(http: Http, { body, size }: PassingBody, error: unknown): boolean {
  return body.start === 0 && isBodyLimit(error) && shrinkBodies(http, size) !== undefined;
}

/** The same where nothing arrived: Deno often loses an early 413 and sees only a broken connection. */
function mayBeRefusedForSize(http: Http, { size }: PassingBody, error: unknown): boolean {
  return error instanceof NetworkError && isBroken(error) && size > DEFAULT_CHUNK_BYTES &&
    shrinkBodies(http, size) !== undefined;
}

function asRetryable(error: unknown): unknown {
  if (!(error instanceof RegistryError) || error.retryable) return error;
  const { message, method, url, status, errors } = error;
  return new RegistryError(message, { method, url, status, errors, retryable: true, cause: error });
}

/** The failure of what cannot be had again. */
function comesOnce(error: unknown, state: string): unknown {
  if (!(error instanceof NetworkError || error instanceof RegistryError)) return error;
  const { method, url, cause } = error;
  const message = `${error.message}; ${state}, and the stream comes only once`;
  // The limit of a proxy on the size of a request looks like this as well.
  const mayBeLimit = error instanceof NetworkError && isBroken(error);
  const hint = mayBeLimit ? `${WRITE_A_FILE}, or try --chunk-size 8MiB` : WRITE_A_FILE;
  const options = { method, url, cause: cause ?? error, hint, retryable: false };
  if (error instanceof NetworkError) return new NetworkError(message, options);
  return new RegistryError(message, { ...options, status: error.status, errors: error.errors });
}
