import type { Bytes } from "../../bytes.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import { nameOf, type RepositoryContext, type UploadHooks } from "../blobs.ts";
import { discard } from "../http/call.ts";
import { requestOnce, waitForRetry } from "../http/http.ts";
import { resolveLocation } from "../http/location.ts";
import { isBodyLimit, shrinkBodies } from "./body_limits.ts";
import { isLostSession, type UploadSession } from "./upload_session.ts";

/**
 * Sends a body in chunks (distribution-spec, "Pushing a blob in chunks") and leaves the upload open. Every chunk is held
 * until it has arrived; after a failure the registry is asked how much it has, and gets the rest. A chunk that is refused
 * as too large goes in smaller ones.
 *
 * @param context The repository.
 * @param session The upload; its location moves on.
 * @param body The content, or the rest of it.
 * @param chunkSize Length of all chunks but the last.
 * @param hooks Signal and listeners.
 * @param start Position in the whole of the first byte of `body`.
 * @throws {RegistryError} If the registry lost the upload, or has more than was sent.
 */
export async function sendChunks(
  context: RepositoryContext,
  session: UploadSession,
  body: ReadableStream<Bytes>,
  chunkSize: number,
  hooks: UploadHooks,
  start = 0,
): Promise<void> {
  const reader = body.getReader();
  const most = { bytes: chunkSize };
  try {
    for await (const chunk of cut(reader, chunkSize)) {
      await deliver(context, session, chunk, start, most, hooks);
      start += chunk.length;
      await hooks.onProgress?.(start);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

/**
 * Asks how much of an upload the registry has (distribution-spec, "Pushing a blob in chunks").
 *
 * @param context The repository.
 * @param session The upload; its location moves on.
 * @param hooks Signal and listeners.
 * @returns Bytes that have arrived; undefined where `Range` does not tell: `0-0` stands for none and for one byte.
 * @throws {RegistryError} If the upload is gone.
 */
export async function readUploadStatus(
  context: RepositoryContext,
  session: UploadSession,
  hooks: UploadHooks = {},
): Promise<number | undefined> {
  const action = `ask for the state of an upload to ${nameOf(context)}`;
  const response = await requestOnce(context.http, {
    action,
    method: "GET",
    url: session.location,
    expect: [200, 202, 204],
    signal: hooks.signal,
  });
  await discard(response);
  move(context, session, response, action);
  return parseRange(response.headers.get("range"));
}

/**
 * Reads the header `Range` of an upload's answers: `0-N`, with or without `bytes=`.
 *
 * @returns Bytes that have arrived, or undefined where the text does not tell.
 */
export function parseRange(text: string | null): number | undefined {
  const match = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(text?.trim() ?? "");
  const last = match ? Number(match[1]) : 0;
  return last > 0 ? last + 1 : undefined;
}

/** Gets one chunk across, with the usual attempts; what has arrived of it is not sent again. */
async function deliver(
  context: RepositoryContext,
  session: UploadSession,
  chunk: Bytes,
  start: number,
  most: { bytes: number },
  hooks: UploadHooks,
): Promise<void> {
  let sent = 0;
  for (let attempt = 2; sent < chunk.length; attempt++) {
    const part = chunk.subarray(sent, sent + most.bytes);
    try {
      await sendChunk(context, session, part, start + sent, hooks);
      sent += part.length;
      attempt = 1;
    } catch (error) {
      if (isBodyLimit(error)) {
        most.bytes = smaller(context, session, part, error);
        continue;
      }
      await waitForRetry(context.http, hooks, asRetryable(error), attempt);
      const arrived = await readUploadStatus(context, session, hooks)
        .catch((lost) => Promise.reject(reasonOf(error, lost))) ?? start + sent;
      if (arrived < start || arrived > start + chunk.length) throw error;
      // The offset was right: what GHCR means by a 416 is the length.
      const isTooLarge = isRangeRefusal(error) && arrived === start + sent;
      if (isTooLarge) most.bytes = smaller(context, session, part, error);
      sent = arrived - start;
    }
  }
}

/** registry:2 ends an upload whose connection is cut: what cut it is the reason, not that it is gone. */
function reasonOf(failure: unknown, state: unknown): unknown {
  const isGone = state instanceof RegistryError && isLostSession(state);
  return isGone && failure instanceof NetworkError ? failure : state;
}

/** The size for further chunks after one was refused as too large. */
function smaller(
  { http }: RepositoryContext,
  { minChunk }: UploadSession,
  part: Bytes,
  refusal: RegistryError,
): number {
  const size = shrinkBodies(http, part.length, minChunk);
  if (size === undefined) throw refusal;
  return size;
}

/** An offset that the registry refuses is settled by asking it, like a failure that may pass. */
function asRetryable(error: unknown): unknown {
  if (!isRangeRefusal(error)) return error;
  const { message, method, url, status, errors } = error;
  return new RegistryError(message, { method, url, status, errors, retryable: true, cause: error });
}

function isRangeRefusal(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.status === 416;
}

async function sendChunk(
  context: RepositoryContext,
  session: UploadSession,
  chunk: Bytes,
  start: number,
  hooks: UploadHooks,
): Promise<void> {
  const action = `push bytes ${start} to ${start + chunk.length - 1} of a blob to ${
    nameOf(context)
  }`;
  const response = await requestOnce(context.http, {
    action,
    method: "PATCH",
    url: session.location,
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `${start}-${start + chunk.length - 1}`,
    },
    body: chunk,
    expect: [200, 201, 202, 204],
    signal: hooks.signal,
  });
  await discard(response);
  move(context, session, response, action);
}

function move(
  context: RepositoryContext,
  session: UploadSession,
  response: Response,
  action: string,
): void {
  const location = response.headers.get("location");
  if (location) {
    session.location = resolveLocation(context.http, action, location, session.location);
  }
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
