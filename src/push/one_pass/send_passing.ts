import { type Bytes, drain } from "../../bytes.ts";
import { sleep } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { ArchiveError, NetworkError, RegistryError, restate } from "../../errors.ts";
import { nameOf, type UploadHooks } from "../../registry/blobs.ts";
import { describe } from "../../registry/http/call.ts";
import { waitForRetry, withRetry } from "../../registry/http/http.ts";
import { isBroken } from "../../registry/http/network.ts";
import { retryDelay } from "../../registry/http/retry.ts";
import {
  chunkSizeFor,
  DEFAULT_CHUNK_BYTES,
  isBodyLimit,
  mayMissLength,
  mayWantLength,
  shrinkBodies,
  wantsLength,
} from "../../registry/upload/body_limits.ts";
import { commitUpload } from "../../registry/upload/close_upload.ts";
import { sendChunks } from "../../registry/upload/chunks.ts";
import { isGatewayTimeout, isOfGateway, lengthThere } from "../../registry/upload/lost_answers.ts";
import type { Outcome } from "../../registry/upload/outcome.ts";
import { mayGoOn, sendOn } from "../../registry/upload/resume.ts";
import { sendBody } from "../../registry/upload/send_body.ts";
import {
  cancelUpload,
  openUpload,
  readUploadStatus,
  type UploadSession,
} from "../../registry/upload/upload_session.ts";
import type { ResumableBody } from "./resumable_body.ts";

/** A blob that comes only once. */
export interface PassingBody {
  body: ResumableBody;
  /** Length in bytes. */
  size: number;
  /** Whether its length is not known: it is less than `size`, then, or hardly more. */
  isLess?: boolean;
  /** Where it is known the upload is closed, else it is left open. */
  digest: Digest | undefined;
}

/** One that is on its way. */
interface Passing extends PassingBody {
  session: UploadSession;
  hooks: UploadHooks;
}

/** So much more than at the failure before makes a failure the first one again. */
const PROGRESS_BYTES = 1024 * 1024;

/** Until a registry is asked again what it has, in milliseconds: its disk is never far behind. */
const CATCH_UP_DELAY = 250;

const WRITE_A_FILE = "write the archive to a file first and push that";
const GONE = "this blob cannot be sent again";
const ANSWERED_EARLY = "it was answered before all of it was sent";

/**
 * Sends a blob that comes only once. After a failure it goes on where the registry stands, if that is within what the
 * body still has; a blob of which nothing is gone yet begins again. registry:2 forgets an upload that broke, so there the
 * second is the only way (distribution v2.8.3, registry/handlers/blobupload.go).
 *
 * @param session An open upload; it may become another one on the way.
 * @throws {NetworkError | RegistryError} If there is no way to go on; the message says so.
 */
export async function sendPassing(
  session: UploadSession,
  blob: PassingBody,
  hooks: UploadHooks,
): Promise<void> {
  const { body } = blob;
  const { context } = session;
  const passing: Passing = { ...blob, session, hooks };
  let start = 0;
  let reached = 0;
  let tellsLength = false;
  for (let attempt = 2;; attempt++) {
    const isWhole = start === 0 && !goesInChunks(passing);
    try {
      await sendFrom(passing, start);
      if (tellsLength) context.http.seen.wantsLength = true;
      break;
    } catch (error) {
      body.halt();
      hooks.signal?.throwIfAborted();
      if (body.failure) throw body.failure.error;
      if (isWhole && isRefusedAsItWas(passing, error)) {
        start = await beginAgain(passing);
        tellsLength = session.wantsLength = mayMissLength(error);
        await hooks.onProgress?.(0);
        continue;
      }
      if (!mayGoOn(error)) {
        const isOtherwise = isWhole && (mayWantLength(error) || isBodyLimit(error));
        throw isOtherwise && body.comesOnce ? comesOnce(error, GONE) : error;
      }
      const outcome = await outcomeOf(passing, error);
      if (outcome === "there") {
        // By somebody else, it may be: then the upload still stands.
        await cancelUpload(session);
        return await body.cancel(error);
      }
      if (body.end - reached >= PROGRESS_BYTES) attempt = 2;
      reached = body.end;
      await waitToGoOn(passing, error, attempt);
      start = typeof outcome === "number" && outcome >= body.start && outcome <= body.end
        ? outcome
        : await findStart(passing, error);
      if (start === 0 && isWhole) {
        if (isAnsweredEarly(error)) tellsLength = session.wantsLength = true;
        else noteSize(passing, error);
      }
      await hooks.onProgress?.(start);
    }
  }
}

/** Whether a body goes in chunks, or in one of its length. */
function goesInChunks({ session, size }: Passing): boolean {
  return wantsLength(session) || chunkSizeFor(session, size) !== undefined;
}

async function sendFrom(passing: Passing, start: number): Promise<void> {
  const { session, body, size, digest, hooks } = passing;
  if (start > 0 || goesInChunks(passing)) {
    await sendRest(passing, start);
  } else {
    // Not in the PUT: Artipie's docker-adapter 0.13.1 passes over what comes there, and it could not be sent again.
    const listeners = digest ? { ...hooks, size } : hooks;
    await sendBody(session, () => openWhole(body), listeners);
  }
  requireSent(passing);
  if (digest) await commitUpload(session, { digest, size }, hooks);
}

/** @throws {NetworkError} If an answer came before all of the body was asked for: what is left of it would never be read. */
function requireSent({ session: { context, location }, body, size, isLess }: Passing): void {
  if (isLess ? body.hasEnded : body.end >= size) return;
  throw new NetworkError(
    `Cannot push a blob to ${nameOf(context)}: ${ANSWERED_EARLY}`,
    {
      ...describe({ method: "PATCH", url: location }, location),
      hint:
        "look for a proxy before the registry that answers in its place, and drops what is sent",
    },
  );
}

/** Sends what the registry has not got, or all of it where that is to go in chunks. */
async function sendRest(
  { session, body, size, isLess, hooks }: Passing,
  start: number,
): Promise<void> {
  const rest = body.open(start);
  if (isLess) {
    const chunkSize = chunkSizeFor(session, size) ?? DEFAULT_CHUNK_BYTES;
    await sendChunks(session, rest, chunkSize, hooks, start);
  } else if (start < size) {
    await sendOn(session, { start, size, body: rest }, hooks);
  } else {
    // Only its end tells that the source was whole.
    await drain(rest);
  }
}

/**
 * What became of what was sent, where the registry may be at work on it; undefined where it is not, or is not known.
 */
async function outcomeOf(
  { session, digest, size, hooks }: Passing,
  error: unknown,
): Promise<Outcome | undefined> {
  if (session.isClosing || isGatewayTimeout(error)) {
    const { findOutcome } = await import("../../registry/upload/outcome.ts");
    return await findOutcome(session, { digest, size }, error, hooks);
  }
  const found = digest && await lengthThere(session.context, digest, error, hooks);
  return found === size ? "there" : undefined;
}

/** Opens a body for a request; the one after a redirect may come too late. */
function openWhole(body: ResumableBody): ReadableStream<Bytes> {
  if (body.canRewind) {
    body.rewind();
    return body.open(0);
  }
  throw new ArchiveError("Cannot follow a redirect of an upload: the stream comes only once", {
    hint: WRITE_A_FILE,
  });
}

/** Waits before an attempt to go on; where none is due, says what that means for a stream. */
async function waitToGoOn(
  { session, body, hooks }: Passing,
  error: unknown,
  attempt: number,
): Promise<void> {
  try {
    await waitForRetry(session.context.http, hooks, asRetryable(error), attempt);
  } catch (final) {
    hooks.signal?.throwIfAborted();
    throw body.comesOnce ? comesOnce(final, GONE) : final;
  }
}

/**
 * Where to go on: where the registry stands, or at the start with another upload. What has arrived may still be on its
 * way to the registry's disk (distribution 3): where the start is gone, it is asked until it has caught up.
 */
async function findStart(passing: Passing, failure: unknown): Promise<number> {
  const { session: { context: { http } }, body, hooks } = passing;
  const retry = { ...http.retry, delay: Math.min(http.retry.delay, CATCH_UP_DELAY) };
  for (let attempt = 2;; attempt++) {
    const stands = await askStatus(passing);
    if (stands !== "gone" && stands && stands >= body.start && stands <= body.end) return stands;
    if (body.canRewind) return await beginAgain(passing);
    const delay = stands === "gone" ? undefined : retryDelay(attempt, retry);
    if (delay === undefined) {
      throw comesOnce(failure, "the registry did not keep what had arrived");
    }
    await sleep(delay, hooks.signal);
  }
}

async function askStatus({ session, hooks }: Passing): Promise<number | undefined | "gone"> {
  try {
    return await withRetry(session.context.http, hooks, () => readUploadStatus(session, hooks));
  } catch (error) {
    hooks.signal?.throwIfAborted();
    // An upload that is gone is no news; a registry that does not answer is.
    if (error instanceof RegistryError && !error.retryable) return "gone";
    throw error;
  }
}

async function beginAgain({ session, body, hooks }: Passing): Promise<0> {
  body.rewind();
  await cancelUpload(session);
  const opened = await openUpload(session.context, hooks);
  Object.assign(session, { isStale: false, isClosing: false }, opened);
  return 0;
}

/**
 * Whether one request was refused for its size, or for not telling it, while nothing of the body is gone: smaller ones, or
 * such as tell it, are due then.
 */
function isRefusedAsItWas({ session, body, size }: Passing, error: unknown): boolean {
  if (!body.canRewind) return false;
  return mayMissLength(error) ||
    (isBodyLimit(error) && shrinkBodies(session.context.http, size) !== undefined);
}

/**
 * Has smaller requests tried where nothing arrived: Deno often loses an early 413 and sees only a broken connection, and
 * Go's reverse proxies answer 502 where a limit of theirs ends a body. Each further attempt as it was may lose the beginning.
 */
function noteSize({ session, size }: Passing, error: unknown): void {
  if (isCutOff(error) && size > DEFAULT_CHUNK_BYTES) shrinkBodies(session.context.http, size);
}

/** Whether nothing may have come through for want of a length: Perlbal 1.80 passes on such a request, and not its body. */
function isAnsweredEarly(error: unknown): boolean {
  return error instanceof NetworkError && error.message.endsWith(`: ${ANSWERED_EARLY}`);
}

function isCutOff(error: unknown): boolean {
  return (error instanceof NetworkError && isBroken(error)) || isOfGateway(error);
}

function asRetryable(error: unknown): unknown {
  if (!(error instanceof RegistryError) || error.retryable) return error;
  return restate(error, error.message, { retryable: true });
}

/** The failure of what cannot be had again. */
function comesOnce(error: unknown, state: string): unknown {
  if (!(error instanceof NetworkError || error instanceof RegistryError)) return error;
  const { method, url, cause } = error;
  const message = `${error.message}; ${state}, and the stream comes only once`;
  // The limit of a proxy on the size of a request looks like this as well, and so does the want of a length.
  const isLimit = isBodyLimit(error);
  const mayBeLimit = isLimit || mayWantLength(error) || isCutOff(error);
  const further = mayBeLimit ? `try --chunk-size ${isLimit ? "1MiB" : "8MiB"}` : error.hint;
  const hint = further ? `${WRITE_A_FILE}, or ${further}` : WRITE_A_FILE;
  const options = { method, url, cause: cause ?? error, hint, retryable: false };
  if (error instanceof NetworkError) return new NetworkError(message, options);
  return new RegistryError(message, { ...options, status: error.status, errors: error.errors });
}
