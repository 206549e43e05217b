import { type Bytes, concat } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import { nameOf, type RepositoryContext, type UploadHooks } from "../blobs.ts";
import type { Http } from "../http/call.ts";
import { isPageOfStranger } from "../http/error_answer.ts";
import { isRuntimeFetch, onSent, waitForRetry } from "../http/http.ts";
import { isBroken, isUnreadable } from "../http/network.ts";
import { chunkSizeFor, DEFAULT_CHUNK_BYTES, isBodyLimit, shrinkBodies } from "./body_limits.ts";
import {
  arrived,
  cancelUpload,
  closeUpload,
  isLostSession,
  openUpload,
  reportProgress,
  type UploadSession,
} from "./upload_session.ts";

/** A blob to be uploaded whose digest is known and whose body can be opened again. */
export interface UploadBlob {
  digest: Digest;
  /** Length in bytes. */
  size: number;
  /** Opens the body from its first byte; it must have `size` bytes or fail. */
  open(): ReadableStream<Bytes>;
  /** Reads the whole body at once, for small ones; the same as `open`, without a stream. */
  read?(): Promise<Bytes>;
  /** Whether what `read` gives may go as a stream: browsers, for one, have none over most connections. */
  mayStream?: boolean;
  /** The whole body for `fetch` to read by itself; undefined where it has to be opened or read. */
  blob?(): Blob | undefined;
  /**
   * There where reading the body has attempts and time limits of its own: what it failed with last. That is final, and
   * says nothing of the registry.
   */
  failure?(): unknown;
}

/** Bodies up to this size are sent from memory: one request with a length, where a stream is two writes and chunked. */
export const SMALL_BODY_BYTES = 1024 * 1024;
/** Fewer bytes are copied faster than streamed. */
const LEAST_PIECE_BYTES = 128 * 1024;

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
  const asBytes = blob.size <= SMALL_BODY_BYTES;
  const way: Way = { whole: false, asBytes, uncopied: undefined, isFirst: true };
  let isTurned = false;
  for (let attempt = 2;; attempt++) {
    try {
      return await uploadOnce(context, blob, hooks, way, session);
    } catch (error) {
      if (error === blob.failure?.()) throw error;
      if (await arrived(context, blob, error, hooks)) return;
      await hooks.onProgress?.(0);
      if (wantsBytes(way, error)) {
        context.http.seen.wantsLength ||= way.uncopied === "piece";
        attempt--;
      } else if (!isTurned && turnToChunks(context.http, blob, way, error)) {
        isTurned = true;
        attempt--;
      } else await waitForRetry(context.http, hooks, asRetryable(error, action), attempt);
    }
    session = undefined;
    way.isFirst = false;
  }
}

/** A registry that lost an upload may keep the next one. */
function asRetryable(error: unknown, action: string): unknown {
  if (!(error instanceof RegistryError) || !isLostSession(error)) return error;
  const { method, url, status, errors, hint } = error;
  // A page is none of the registry's: what stands before it does not pass on what was sent.
  const message = isPageOfStranger(error)
    ? error.message
    : `Cannot ${action}: the registry lost the upload`;
  const options = { method, url, status, errors, hint, retryable: true, cause: error };
  return new RegistryError(message, options);
}

/** How an attempt sends a body. */
interface Way {
  /** In one request; the attempt says so. */
  whole: boolean;
  /** From memory, where it goes in one request. */
  asBytes: boolean;
  /** How `fetch` gets those without a copy: as what is in a file, or as a stream of one piece; the attempt says so. */
  uncopied: "file" | "piece" | undefined;
  /** Nothing has gone wrong yet. */
  isFirst: boolean;
}

async function uploadOnce(
  context: RepositoryContext,
  blob: UploadBlob,
  hooks: UploadHooks,
  way: Way,
  open?: UploadSession,
): Promise<void> {
  way.whole = false;
  way.uncopied = undefined;
  const session = open ?? await openUpload(context, hooks);
  try {
    const chunkSize = chunkSizeFor(context.http, session, blob.size);
    way.whole = chunkSize === undefined;
    if (chunkSize !== undefined) {
      const { sendChunks } = await import("./chunks.ts");
      await sendChunks(context, session, blob.open(), chunkSize, hooks);
      return await closeUpload(context, session, blob.digest, {
        action: `push blob ${blob.digest} to ${nameOf(context)}`,
        headers: { "content-length": "0" },
        signal: hooks.signal,
      });
    }
    const body = await bodyOf(context.http, blob, way, hooks);
    if (body instanceof Blob) way.uncopied = "file";
    else if (body instanceof Uint8Array && mayBePiece(context.http, blob, way)) {
      way.uncopied = "piece";
    }
    await closeUpload(context, session, blob.digest, {
      action: `push blob ${blob.digest} to ${nameOf(context)}`,
      body,
      asPiece: way.uncopied === "piece",
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

function mayBePiece(http: Http, { size, mayStream }: UploadBlob, { isFirst }: Way): boolean {
  return isFirst && mayStream === true && size >= LEAST_PIECE_BYTES && isRuntimeFetch(http) &&
    !http.seen.wantsLength;
}

/** Whether a body that `fetch` got without a copy is to be sent as bytes, with no attempt spent. */
function wantsBytes({ uncopied }: Way, error: unknown): boolean {
  if (uncopied === undefined) return false;
  // What is wrong with the file, reading it here will say.
  if (uncopied === "file") return error instanceof NetworkError && isUnreadable(error);
  // Deno often loses what is answered before a stream is through.
  if (error instanceof NetworkError) return isBroken(error);
  if (!(error instanceof RegistryError)) return false;
  const { status, errors } = error;
  return status === 411 || status === 413 || status === 501 ||
    (status === 400 && errors.length === 0);
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

async function bodyOf(
  http: Http,
  blob: UploadBlob,
  { asBytes, isFirst }: Way,
  hooks: UploadHooks,
): Promise<Bytes | Blob | (() => ReadableStream<Bytes>)> {
  if (!asBytes) return () => reportProgress(blob.open(), hooks.onProgress, onSent(http));
  const whole = isFirst && isRuntimeFetch(http) ? blob.blob?.() : undefined;
  if (whole) return whole;
  if (blob.read) return await blob.read();
  const pieces: Bytes[] = [];
  for await (const piece of blob.open()) pieces.push(piece);
  return concat(pieces, blob.size);
}
