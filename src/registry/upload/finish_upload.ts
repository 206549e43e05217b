import { type Bytes, cutPieces, toStream } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import { RegistryError } from "../../errors.ts";
import type { RepositoryContext, UploadHooks } from "../blobs.ts";
import { commitUpload } from "./close_upload.ts";
import { findOutcome } from "./outcome.ts";
import { sendOn } from "./resume.ts";
import type { UploadSession } from "./upload_session.ts";

/**
 * Finds out what became of an upload in doubt, and sends what is known to be lost of it.
 *
 * @returns Whether the blob is there now; where not, it has to be sent anew.
 */
export async function finishUpload(
  context: RepositoryContext,
  session: UploadSession,
  blob: { digest: Digest; size: number; open(): ReadableStream<Bytes> },
  failure: unknown,
  hooks: UploadHooks,
): Promise<boolean> {
  const outcome = await findOutcome(context, session, blob, failure, hooks);
  if (outcome === "there") return true;
  if (outcome === "lost" || outcome > blob.size) return false;
  session.isClosing = false;
  try {
    if (outcome < blob.size) {
      const body = toStream(cutPieces(blob.open(), outcome, Infinity));
      await sendOn(context, session, { start: outcome, size: blob.size, body }, hooks);
    }
    await commitUpload(context, session, blob, hooks);
    return true;
  } catch (error) {
    hooks.signal?.throwIfAborted();
    // Not every registry can go on with an upload; all of them can begin one.
    if (error instanceof RegistryError && !error.retryable) return false;
    throw error;
  }
}
