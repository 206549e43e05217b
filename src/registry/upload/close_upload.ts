import type { Digest } from "../../digest.ts";
import { hasStatus, NetworkError } from "../../errors.ts";
import { checkDigestHeader, nameOf, type UploadHooks } from "../blobs.ts";
import { type Call, discard } from "../http/call.ts";
import { requestOnce, waitForRetry } from "../http/http.ts";
import { isUnsent } from "../http/network.ts";
import { lengthThere } from "./lost_answers.ts";
import type { UploadSession } from "./upload_session.ts";

/**
 * Closes an upload with a PUT, with or without a body, under the digest that the registry then verifies.
 *
 * @returns The answer, its body discarded.
 */
export async function closeUpload(
  session: UploadSession,
  digest: Digest,
  call: Pick<
    Call,
    "action" | "body" | "file" | "asPiece" | "size" | "onSent" | "isPatient" | "signal" | "headers"
  >,
): Promise<Response> {
  // What the registry wrote there is opaque: it is added to, never parsed and written anew.
  const { context, location: { href } } = session;
  const url = new URL(
    `${href}${href.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`,
  );
  // Of a stream, a file, and a Blob from a page, is told when its last byte went; of other bytes nobody can tell.
  const { page, retry } = context.http;
  const isWatched = typeof call.body === "function" || call.file ||
    (page && call.body instanceof Blob);
  session.sentAt = call.body === undefined ? retry.now() : undefined;
  try {
    const response = await requestOnce(context.http, {
      ...call,
      method: "PUT",
      url,
      headers: { "content-type": "application/octet-stream", ...call.headers },
      expect: [200, 201, 202, 204],
    });
    await discard(response);
    checkDigestHeader(response, digest, `blob pushed to ${nameOf(context)}`);
    return response;
  } catch (error) {
    const isSent = !isWatched || session.sentAt !== undefined;
    session.isClosing = isSent && !call.signal?.aborted && isInDoubt(error);
    throw error;
  }
}

/**
 * Closes an upload whose body was sent, under the digest that the registry then verifies. Where no answer comes, the
 * registry is asked what became of it.
 *
 * @param blob Digest and length of all that was sent.
 * @throws {RegistryError} 400 where the content has another digest, 404 where it is not there afterwards.
 */
export async function commitUpload(
  session: UploadSession,
  blob: { digest: Digest; size: number },
  hooks: UploadHooks = {},
): Promise<void> {
  const { context } = session;
  const action = `commit blob ${blob.digest} to ${nameOf(context)}`;
  let answer: Response;
  for (let attempt = 2;; attempt++) {
    try {
      answer = await closeUpload(session, blob.digest, {
        action,
        headers: { "content-length": "0" },
        signal: hooks.signal,
      });
      break;
    } catch (error) {
      if (session.isClosing) {
        const { findOutcome } = await import("./outcome.ts");
        const outcome = await findOutcome(session, blob, error, hooks);
        if (outcome === "there") return;
        if (outcome === "lost") throw error;
      } else if (await lengthThere(context, blob.digest, error, hooks) === blob.size) return;
      await waitForRetry(context.http, hooks, error, attempt);
    }
  }
  if (answer.headers.has("docker-content-digest")) return;
  const { requireKept } = await import("./kept_blob.ts");
  await requireKept(context, blob, answer, hooks);
}

/** Statuses of something on the way that lost the registry, or lost patience; 520 to 524 are Cloudflare's. */
const GATEWAY_STATUS = [499, 502, 503, 504, 520, 522, 524];

/** Whether the registry may have got all of a request, and work on it, although this is what came back. */
function isInDoubt(error: unknown): boolean {
  if (error instanceof NetworkError) return error.retryable && !isUnsent(error);
  return hasStatus(error, ...GATEWAY_STATUS);
}
