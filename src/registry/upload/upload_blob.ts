import { giveUp } from "../../bytes.ts";
import { NetworkError, RegistryError, restate } from "../../errors.ts";
import { fitsSize, headBlob, nameOf, type RepositoryContext, type UploadHooks } from "../blobs.ts";
import type { Http } from "../http/call.ts";
import { wasPage } from "../http/stranger.ts";
import { waitForRetry } from "../http/http.ts";
import { leavesLength } from "../http/send.ts";
import { isBroken, isUnreadable } from "../http/network.ts";
import {
  chunkSizeFor,
  DEFAULT_CHUNK_BYTES,
  goesInOnePatch,
  isBareRefusal,
  isBodyLimit,
  mayMissLength,
  mayWantOnePatch,
  mayWantPatch,
  mustBeHeld,
  shrinkBodies,
} from "./body_limits.ts";
import {
  beginBody,
  chooseBody,
  SMALL_BODY_BYTES,
  type UploadBlob,
  type Way,
} from "./choose_body.ts";
import { explainChanged } from "./digest_refusal.ts";
import { closeUpload, commitUpload } from "./close_upload.ts";
import {
  checkLength,
  isGatewayTimeout,
  isLostSession,
  isOfGateway,
  lengthThere,
} from "./lost_answers.ts";
import { sendBody } from "./send_body.ts";
import { cancelUpload, openUpload, type UploadSession } from "./upload_session.ts";

/**
 * Uploads a blob in one streamed PUT, the whole again after a failure that may pass: registry:2 cannot resume a broken
 * upload. Where all was sent and no answer of the registry came, it may still be committing: it is asked what became of
 * it, and only what is lost is sent again.
 *
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
  const way: Way = {
    blob,
    hooks,
    sent: undefined,
    fromPage: undefined,
    begun: undefined,
    isCut: false,
    asBytes: blob.size <= SMALL_BODY_BYTES,
    isFirst: true,
    refusedPut: undefined,
    byPatch: blob.wasRefused === true && context.http.seen.takesPut === undefined,
    inOnePatch: false,
    isDoubted: false,
    unnamed: undefined,
    isUnseen: false,
  };
  const inDoubt: UploadSession[] = [];
  for (let attempt = 2;; attempt++) {
    const open: UploadSession = session ?? await openUpload(context, hooks);
    try {
      await uploadOnce(way, open);
      if (!await isDropped(context, way)) break;
      // What the registry has now is not what it is to have in the end.
      [way.byPatch, way.isDoubted] = [true, true];
      await hooks.onProgress?.(0);
      attempt--;
    } catch (error) {
      if (open.isClosing) inDoubt.push(open);
      if (error === blob.failure?.()) throw error;
      const found = await lengthThere(context, blob.digest, error, hooks);
      if (found === blob.size) return await forget(inDoubt);
      way.isDoubted ||= found !== undefined;
      await hooks.onProgress?.(0);
      if (turn(way, open, error)) attempt--;
      else {
        // What fails twice before the registry may be too large for what stands there: functions answer so beyond 10 MB.
        if (attempt > 2 && isOfGateway(error)) preferChunks(context.http, way);
        const refusal = firstRefusal(way, error);
        const cause = asRetryable(
          context.http,
          blob.wasRefused ? explainChanged(refusal) : refusal,
          action,
        );
        await waitForRetry(context.http, hooks, cause, attempt);
      }
    }
    session = undefined;
    way.isFirst = false;
  }
  await forget(inDoubt);
  if (way.unnamed && way.isUnseen) {
    const { requireThere } = await import("./kept_blob.ts");
    await requireThere(context, blob, way.unnamed, hooks);
  }
  remember(context.http, way);
  if (way.isDoubted) await checkLength(context, blob, hooks);
}

/**
 * Whether a registry that took a body in a PUT, without a word on what arrived, has less than that: martencassel's
 * oci-registry (032082e) passes it over, and looks at no digest. Asked until one blob was found whole.
 */
async function isDropped(context: RepositoryContext, way: Way): Promise<boolean> {
  const { digest, size } = way.blob;
  way.isUnseen = false;
  if (!way.unnamed || size === 0 || context.http.seen.takesPut !== undefined) return false;
  // A question without an answer changes nothing.
  const found = await headBlob(context, digest, way.hooks).catch(() => undefined);
  way.isUnseen = found === undefined;
  return found !== undefined && !fitsSize(found, size);
}

/** Notes, for all blobs of the registry, how it took this one. */
function remember({ seen }: Http, way: Way): void {
  if (way.inOnePatch) seen.takesChunks = false;
  if (way.byPatch) seen.takesPut ??= false;
  else if (!isPatched(way) && way.blob.size > 0) seen.takesPut = true;
}

/** Cancels uploads that were left open because the registry might have been committing them: the blob is there now. */
async function forget(sessions: UploadSession[]): Promise<void> {
  for (const session of sessions) {
    session.isClosing = false;
    await cancelUpload(session);
  }
}

/** A registry that lost an upload may keep the next one. */
function asRetryable({ origin }: Http, error: unknown, action: string): unknown {
  if (!(error instanceof RegistryError) || !isLostSession(error)) return error;
  // What answers so where the registry leads to another address does not pass.
  if (wasPage(error) && new URL(error.url).origin !== origin) return error;
  // A page is none of the registry's: what stands before it does not pass on what was sent.
  const message = wasPage(error) ? error.message : `Cannot ${action}: the registry lost the upload`;
  return restate(error, message, { hint: error.hint ?? LOST_HINT, retryable: true });
}

const LOST_HINT =
  "several registries behind one address need a store and a secret in common (http.secret of distribution)";

async function uploadOnce(way: Way, session: UploadSession): Promise<void> {
  let isThere = false;
  try {
    await sendAndClose(way, session);
    isThere = true;
  } catch (error) {
    if (isGatewayTimeout(error)) preferChunks(session.context.http, way);
    // A file that could not be read was not sent whole: there is nothing to ask about.
    if (isOfFile(way, error)) session.isClosing = false;
    if (!session.isClosing || isPatched(way)) throw error;
    const { finishUpload } = await import("./resume.ts");
    isThere = await finishUpload(session, way.blob, error, way.hooks);
    if (!isThere) throw error;
  } finally {
    giveUp(way.begun, "no request was made of it");
    way.begun = undefined;
    if (!isThere) await cancelUpload(session);
  }
}

async function sendAndClose(way: Way, session: UploadSession): Promise<void> {
  const { blob, hooks } = way;
  const { context } = session;
  way.sent = undefined;
  way.unnamed = undefined;
  session.wantsPatch = way.byPatch;
  session.inOnePatch = way.inOnePatch || undefined;
  way.fromPage = context.http.page && blob.blob?.();
  const tellsLength = way.fromPage !== undefined || !mustBeHeld(session);
  const chunkSize = chunkSizeFor(session, blob.size, tellsLength);
  if (chunkSize !== undefined) {
    way.sent = chunkSize < blob.size && goesInOnePatch(session) ? "patch" : "chunks";
    if (way.sent === "patch") await sendBody(session, await beginBody(way), hooks);
    else {
      const { sendChunks } = await import("./chunks.ts");
      await sendChunks(session, blob.open(), chunkSize, hooks);
    }
    return await commitUpload(session, blob, hooks);
  }
  const body = await chooseBody(way, session);
  const answer = await closeUpload(session, blob.digest, {
    action: `push blob ${blob.digest} to ${nameOf(context)}`,
    ...body,
    size: blob.size,
    onSent(bytes) {
      if (bytes === blob.size) session.sentAt = context.http.retry.now();
      return hooks.onProgress?.(bytes);
    },
    isPatient: blob.failure !== undefined,
    signal: hooks.signal,
  });
  if (!answer.headers.has("docker-content-digest")) way.unnamed = answer;
  if (typeof body.body !== "function") await hooks.onProgress?.(blob.size);
}

/**
 * Turns to another way of sending the body where that may be what failed: in a PATCH, in smaller ones, or from memory.
 *
 * @returns Whether it is tried at once, with no attempt spent.
 */
function turn(way: Way, session: UploadSession, error: unknown): boolean {
  const { size } = way.blob;
  const { context: { http }, location, minChunk } = session;
  if (way.sent === "chunks") {
    const isFirst = (chunkSizeFor(session, size) ?? size) >= size;
    return !isFirst && mayWantOnePatch(session, error) && (way.inOnePatch = true);
  }
  if (way.sent === undefined || way.sent === "patch") return false;
  // What is wrong with the file, reading it here will say.
  if (isOfFile(way, error)) return true;
  if (way.sent === "stream" && leavesLength(http, location) && mayMissLength(error)) {
    return http.seen.wantsLength = true;
  }
  if (!way.refusedPut && size > 0 && mayWantPatch(http, error, !way.isFirst)) {
    [way.refusedPut, way.byPatch] = [error, true];
    return true;
  }
  if (isBodyLimit(error) || (size > DEFAULT_CHUNK_BYTES && isBareRefusal(error))) {
    return shrinkBodies(http, size, minChunk) !== undefined;
  }
  const inPage = http.page !== undefined;
  const mayBeLimit = inPage || way.sent !== "bytes";
  if (!mayBeLimit || !(error instanceof NetworkError && isBroken(error))) return false;
  // Deno often loses what is answered before a stream is through, and sees only a broken connection; a page sees no answer
  // that does not let it in.
  if (way.sent === "piece") return http.seen.breaksStreams = true;
  if (inPage || size > DEFAULT_CHUNK_BYTES) {
    return shrinkBodies(http, size, minChunk) !== undefined;
  }
  way.asBytes = true;
  return false;
}

/** Whether the body was sent before the upload was closed. */
function isPatched({ sent }: Way): boolean {
  return sent === "chunks" || sent === "patch";
}

/** Whether the runtime failed at the file that it was to send. */
function isOfFile({ sent, isCut }: Way, error: unknown): boolean {
  return sent === "file" && (isCut || (error instanceof NetworkError && isUnreadable(error)));
}

/** What was the reason where a PATCH is refused as well: what the PUT was answered. */
function firstRefusal(way: Way, error: unknown): unknown {
  const { refusedPut, byPatch } = way;
  way.byPatch = false;
  return byPatch && error instanceof RegistryError ? refusedPut ?? error : error;
}

/** From here on bodies are sent in parts, each of which takes the registry less time. */
function preferChunks(http: Http, way: Way): void {
  const { size } = way.blob;
  if (!isPatched(way) && size > DEFAULT_CHUNK_BYTES) shrinkBodies(http, size);
}
