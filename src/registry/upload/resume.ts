import type { Bytes } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import { headBlob, nameOf, type RepositoryContext, type UploadHooks } from "../blobs.ts";
import { discard } from "../http/call.ts";
import { requestOnce } from "../http/http.ts";
import { resolveLocation } from "../http/location.ts";
import type { UploadSession } from "./upload_session.ts";

/**
 * Sends the rest of a body to an upload that broke, and leaves the upload open.
 *
 * @param context The repository.
 * @param session The upload; its location moves on.
 * @param rest Its stream, the position of its first byte in the whole, and the length of the whole.
 * @param hooks Signal and listeners; progress counts from the start of the whole.
 */
export async function sendRest(
  context: RepositoryContext,
  session: UploadSession,
  { start, size, body }: { start: number; size: number; body: ReadableStream<Bytes> },
  hooks: UploadHooks = {},
): Promise<void> {
  const action = `push the rest of a blob to ${nameOf(context)}`;
  const response = await requestOnce(context.http, {
    action,
    method: "PATCH",
    url: session.location,
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `${start}-${size - 1}`,
    },
    size: size - start,
    body: () => counted(body, start, hooks.onProgress),
    expect: [200, 201, 202, 204],
    signal: hooks.signal,
  });
  await discard(response);
  moveOn(context, action, session, response);
}

/**
 * Whether an upload may go on, or begin again, after a failure: the connection broke, the registry had a bad moment, or
 * it stands elsewhere in the upload or has lost it.
 */
export function mayGoOn(error: unknown): boolean {
  if (error instanceof NetworkError) return error.retryable;
  return error instanceof RegistryError && (error.retryable || hasLostUpload(error));
}

/** Whether a blob is there although the answer that should have said so was lost. */
export async function isThereAfterAll(
  context: RepositoryContext,
  { digest, size }: { digest: Digest; size: number },
  hooks: UploadHooks,
): Promise<boolean> {
  const { http } = context;
  const once = { ...http, retry: { ...http.retry, attempts: 1 } };
  try {
    return await headBlob({ ...context, http: once }, digest, hooks) === size;
  } catch {
    // What counts is the failure that led here.
    return false;
  }
}

function hasLostUpload({ status, errors }: RegistryError): boolean {
  return status === 404 || status === 416 ||
    errors.some(({ code }) => code === "BLOB_UPLOAD_UNKNOWN" || code === "BLOB_UPLOAD_INVALID");
}

function moveOn(
  { http }: RepositoryContext,
  action: string,
  session: UploadSession,
  response: Response,
): void {
  const location = response.headers.get("location");
  if (location) session.location = resolveLocation(http, action, location, session.location);
}

function counted(
  body: ReadableStream<Bytes>,
  start: number,
  onProgress: UploadHooks["onProgress"],
): ReadableStream<Bytes> {
  let sent = start;
  return body.pipeThrough(
    new TransformStream<Bytes, Bytes>(
      {
        async transform(piece, controller) {
          controller.enqueue(piece);
          await onProgress?.(sent += piece.length);
        },
      },
      undefined,
      { highWaterMark: 0 },
    ),
  );
}
