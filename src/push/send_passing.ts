import type { Digest } from "../digest.ts";
import { NetworkError, RegistryError } from "../errors.ts";
import {
  cancelUpload,
  commitUpload,
  openUpload,
  type RepositoryContext,
  sendBody,
  sendWhole,
  type UploadHooks,
  type UploadSession,
} from "../registry/blobs.ts";
import {
  chunkSizeFor,
  DEFAULT_CHUNK_BYTES,
  isBodyLimit,
  readUploadStatus,
  sendChunks,
} from "../registry/chunks.ts";
import { waitForRetry } from "../registry/http.ts";
import { isThereAfterAll, mayGoOn, sendRest } from "../registry/resume.ts";
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

/** Opens an upload, again where a failure may pass: nothing of a body is gone yet. */
export async function openPatiently(
  context: RepositoryContext,
  hooks: UploadHooks,
): Promise<UploadSession> {
  for (let attempt = 2;; attempt++) {
    try {
      return await openUpload(context, hooks);
    } catch (error) {
      await waitForRetry(context.http, hooks, error, attempt);
    }
  }
}

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
  for (let attempt = 2;; attempt++) {
    try {
      return await sendFrom(context, session, blob, start, hooks);
    } catch (error) {
      hooks.signal?.throwIfAborted();
      if (body.failure) throw body.failure.error;
      if (turnToChunks(context, body, error)) {
        start = await beginAgain(context, session, hooks);
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
  if (start === 0) {
    const whole = body.open(0);
    const chunkSize = chunkSizeFor(context.http, session, size);
    if (chunkSize !== undefined) {
      await sendChunks(context, session, whole, chunkSize, hooks);
      if (digest) await commitUpload(context, session, { digest, size }, hooks);
      return;
    }
    if (!digest) return await sendBody(context, session, whole, hooks);
    return await sendWhole(context, session, { digest, size, body: whole }, hooks);
  }
  const rest = body.open(start);
  if (start < size) await sendRest(context, session, { start, size, body: rest }, hooks);
  // Only its end tells that the source was whole.
  else for await (const _ of rest);
  if (digest) await commitUpload(context, session, { digest, size }, hooks);
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

/** Where to go on: where the registry stands, or at the start with another upload. */
async function findStart(
  context: RepositoryContext,
  session: UploadSession,
  body: ResumableBody,
  failure: unknown,
  hooks: UploadHooks,
): Promise<number> {
  const stands = await askStatus(context, session, hooks);
  if (stands && stands >= body.start && stands <= body.end) return stands;
  if (body.start > 0) throw comesOnce(failure, "the registry did not keep what had arrived");
  return await beginAgain(context, session, hooks);
}

async function askStatus(
  context: RepositoryContext,
  session: UploadSession,
  hooks: UploadHooks,
): Promise<number | undefined> {
  for (let attempt = 2;; attempt++) {
    try {
      return await readUploadStatus(context, session, hooks);
    } catch (error) {
      // An upload that is gone is no news; a registry that does not answer is.
      if (error instanceof RegistryError && !error.retryable) return undefined;
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
  Object.assign(session, await openPatiently(context, hooks));
  return 0;
}

/** Turns to chunks, once, where one request is refused for its size and nothing of the body is gone. */
function turnToChunks({ http }: RepositoryContext, body: ResumableBody, error: unknown): boolean {
  const refused = error instanceof RegistryError && isBodyLimit(error);
  if (!refused || body.start > 0 || http.seen.chunkSize !== undefined) return false;
  http.seen.chunkSize = DEFAULT_CHUNK_BYTES;
  return true;
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
  const hint = "write the archive to a file first and push that";
  const options = { method, url, cause: cause ?? error, hint, retryable: false };
  if (error instanceof NetworkError) return new NetworkError(message, options);
  return new RegistryError(message, { ...options, status: error.status, errors: error.errors });
}
