import { type Bytes, cutPieces, toStream } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import { nameOf, type UploadHooks } from "../blobs.ts";
import { chunkSizeFor, wantsLength } from "./body_limits.ts";
import { sendChunks } from "./chunks.ts";
import { commitUpload } from "./close_upload.ts";
import { isLostSession } from "./lost_answers.ts";
import { reportProgress } from "./send_body.ts";
import { patchUpload, type UploadSession } from "./upload_session.ts";

/** The end of a body: its stream, the position of its first byte in the whole, and the length of the whole. */
export interface BodyRest {
  start: number;
  size: number;
  body: ReadableStream<Bytes>;
}

/**
 * Sends the rest of a body to an open upload and leaves that open: in one request, or in chunks where the registry wants
 * these.
 *
 * @param session The upload; its location moves on.
 * @param hooks Signal and listeners; progress counts from the start of the whole.
 */
export async function sendOn(
  session: UploadSession,
  rest: BodyRest,
  hooks: UploadHooks,
): Promise<void> {
  const size = rest.size - rest.start;
  const chunkSize = chunkSizeFor(session, size) ?? (wantsLength(session) ? size : undefined);
  if (chunkSize === undefined) return await sendRest(session, rest, hooks);
  await sendChunks(session, rest.body, chunkSize, hooks, rest.start);
}

async function sendRest(
  session: UploadSession,
  { start, size, body }: BodyRest,
  hooks: UploadHooks,
): Promise<void> {
  await patchUpload(session, {
    action: `push the rest of a blob to ${nameOf(session.context)}`,
    headers: { "content-range": `${start}-${size - 1}` },
    size: size - start,
    body: () => reportProgress(body, { onProgress: hooks.onProgress }, start),
    signal: hooks.signal,
  });
}

/**
 * Whether an upload may go on, or begin again, after a failure: the connection broke, the registry had a bad moment, or
 * it stands elsewhere in the upload or has lost it.
 */
export function mayGoOn(error: unknown): boolean {
  if (error instanceof NetworkError) return error.retryable;
  return error instanceof RegistryError && (error.retryable || isLostSession(error));
}

/**
 * Finds out what became of an upload in doubt, and sends what is known to be lost of it.
 *
 * @returns Whether the blob is there now; where not, it has to be sent anew.
 */
export async function finishUpload(
  session: UploadSession,
  blob: { digest: Digest; size: number; open(): ReadableStream<Bytes> },
  failure: unknown,
  hooks: UploadHooks,
): Promise<boolean> {
  const { findOutcome } = await import("./outcome.ts");
  const outcome = await findOutcome(session, blob, failure, hooks);
  if (outcome === "there") return true;
  if (outcome === "lost" || outcome > blob.size) return false;
  session.isClosing = false;
  try {
    if (outcome < blob.size) {
      const body = toStream(cutPieces(blob.open(), outcome, Infinity));
      await sendOn(session, { start: outcome, size: blob.size, body }, hooks);
    }
    await commitUpload(session, blob, hooks);
    return true;
  } catch (error) {
    hooks.signal?.throwIfAborted();
    // Not every registry can go on with an upload; all of them can begin one.
    if (error instanceof RegistryError && !error.retryable) return false;
    throw error;
  }
}
