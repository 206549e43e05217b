import type { Bytes } from "../../bytes.ts";
import { hasStatus, NetworkError, RegistryError, restate } from "../../errors.ts";
import { nameOf, type UploadHooks } from "../blobs.ts";
import { waitForRetry } from "../http/http.ts";
import { isBroken } from "../http/network.ts";
import { CUT_HINT } from "../http/stranger.ts";
import { isBodyLimit, shrinkBodies } from "./body_limits.ts";
import { isGatewayTimeout, isLostSession } from "./lost_answers.ts";
import {
  CANCEL_MILLISECONDS,
  patchUpload,
  readUploadStatus,
  type UploadSession,
} from "./upload_session.ts";

/**
 * Sends a body in chunks (distribution-spec, "Pushing a blob in chunks") and leaves the upload open. Every chunk is held
 * until it has arrived; after a failure the registry is asked how much it has, and gets the rest. A chunk that is refused
 * as too large goes in smaller ones.
 *
 * @param session The upload; its location moves on.
 * @param body The content, or the rest of it.
 * @param chunkSize Length of all chunks but the last.
 * @param start Position in the whole of the first byte of `body`.
 * @throws {RegistryError} If the registry lost the upload, or has more than was sent.
 */
export async function sendChunks(
  session: UploadSession,
  body: ReadableStream<Bytes>,
  chunkSize: number,
  hooks: UploadHooks,
  start = 0,
): Promise<void> {
  const reader = body.getReader();
  const upload: Chunked = { session, hooks, most: chunkSize };
  try {
    for await (const chunk of cut(reader, chunkSize)) {
      await deliver(upload, chunk, start);
      start += chunk.length;
      await hooks.onProgress?.(start);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** A body on its way in chunks. */
interface Chunked {
  session: UploadSession;
  hooks: UploadHooks;
  /** Most bytes of a request: fewer after a refusal. */
  most: number;
}

/** Gets one chunk across, with the usual attempts; what has arrived of it is not sent again. */
async function deliver(upload: Chunked, chunk: Bytes, start: number): Promise<void> {
  const { session, hooks } = upload;
  const { http } = session.context;
  let sent = 0;
  let cut: NetworkError | undefined;
  for (let attempt = 2; sent < chunk.length; attempt++) {
    const part = chunk.subarray(sent, sent + upload.most);
    try {
      await sendChunk(upload, part, start + sent);
      sent += part.length;
      attempt = 1;
    } catch (error) {
      if (isBodyLimit(error)) {
        upload.most = smaller(session, part, error);
        continue;
      }
      if (error instanceof NetworkError) cut = error;
      const reason = cut && isRangeRefusal(error) ? cut : asRetryable(error);
      await waitForRetry(http, hooks, reason, attempt);
      const arrived = await standsAt(upload, start + sent, part, error);
      if (arrived < start || arrived > start + chunk.length) throw error;
      // The offset was right: what GHCR means by a 416 is the length.
      const isTooLarge = isRangeRefusal(error) && arrived === start + sent;
      if (isTooLarge) upload.most = smaller(session, part, error);
      if (isRangeRefusal(error) && arrived > start + sent) {
        cut ??= cutOff(part, arrived - start - sent, error);
      }
      if (arrived === start + sent && mayBeHidden(session, error)) {
        const size = shrinkBodies(http, part.length, session.minChunk);
        if (size !== undefined) [upload.most, attempt] = [size, 1];
      }
      sent = arrived - start;
    }
  }
}

/** Where an upload stands after a chunk failed. One that took long may still be on its way: that is waited for. */
async function standsAt(
  { session, hooks }: Chunked,
  start: number,
  part: Bytes,
  error: unknown,
): Promise<number> {
  if (!isGatewayTimeout(error)) {
    return await readUploadStatus(session, hooks)
      .catch((state) => Promise.reject(reasonOf(error, state))) ?? start;
  }
  const { findOutcome } = await import("./outcome.ts");
  const outcome = await findOutcome(session, { size: start + part.length }, error, hooks);
  if (typeof outcome === "number") return outcome;
  throw error;
}

/** registry:2 ends an upload whose connection is cut: what cut it is the reason, not that it is gone. */
function reasonOf(failure: unknown, state: unknown): unknown {
  const isGone = state instanceof RegistryError && isLostSession(state);
  return isGone && failure instanceof NetworkError ? failure : state;
}

/** The size for further chunks after one was refused as too large. */
function smaller(
  { context, minChunk }: UploadSession,
  part: Bytes,
  refusal: RegistryError,
): number {
  const size = shrinkBodies(context.http, part.length, minChunk);
  if (size === undefined) throw refusal;
  return size;
}

/** Whether a proxy may have refused a chunk for its size: a page sees no answer that does not let it in, and a 413 seldom does. */
function mayBeHidden({ context: { http } }: UploadSession, error: unknown): boolean {
  return http.page !== undefined && error instanceof NetworkError && isBroken(error);
}

/**
 * What became of a request that was refused for its offset although that was right: something on the way sent it once more
 * where the connection was cut, and the registry has a part of it by then.
 */
function cutOff(part: Bytes, arrived: number, refusal: RegistryError): NetworkError {
  const { method, url } = refusal;
  const { host } = new URL(url);
  return new NetworkError(
    `Cannot push a part of a blob to ${host}: ${arrived} of its ${part.length} bytes arrived`,
    { method, url, cause: refusal, hint: CUT_HINT },
  );
}

/** An offset that the registry refuses is settled by asking it, like a failure that may pass. */
function asRetryable(error: unknown): unknown {
  return isRangeRefusal(error) ? restate(error, error.message, { retryable: true }) : error;
}

function isRangeRefusal(error: unknown): error is RegistryError {
  return hasStatus(error, 416);
}

async function sendChunk(
  { session, hooks }: Chunked,
  chunk: Bytes,
  start: number,
): Promise<void> {
  const { context } = session;
  const action = `push bytes ${start} to ${start + chunk.length - 1} of a blob to ${
    nameOf(context)
  }`;
  await patchUpload(session, {
    action,
    headers: { "content-range": `${start}-${start + chunk.length - 1}` },
    body: chunk,
    // Bytes are sent once more by Deno itself where a connection that was used before ends without an answer.
    asPiece: context.http.page === undefined,
    size: chunk.length,
    signal: hooks.signal,
    grace: CANCEL_MILLISECONDS,
  });
}

/**
 * Cuts a body into chunks of one size; the last one may be shorter. Each piece is copied before the next is read: who
 * gives them may free it then.
 */
async function* cut(
  reader: ReadableStreamDefaultReader<Bytes>,
  size: number,
): AsyncGenerator<Bytes> {
  let chunk: Bytes | undefined;
  let filled = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    for (let piece = next.value; piece.length > 0;) {
      chunk ??= new Uint8Array(size);
      const part = piece.subarray(0, size - filled);
      chunk.set(part, filled);
      filled += part.length;
      piece = piece.subarray(part.length);
      if (filled < size) continue;
      yield chunk;
      // Not used again: a registry in this process may keep it.
      [chunk, filled] = [undefined, 0];
    }
  }
  if (chunk) yield chunk.subarray(0, filled);
}
