import type { Bytes } from "../../bytes.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import { nameOf, type RepositoryContext, type UploadHooks } from "../blobs.ts";
import { chunkSizeFor, wantsLength } from "./body_limits.ts";
import { sendChunks } from "./chunks.ts";
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
  context: RepositoryContext,
  session: UploadSession,
  rest: BodyRest,
  hooks: UploadHooks,
): Promise<void> {
  const size = rest.size - rest.start;
  const chunkSize = chunkSizeFor(context.http, session, size) ??
    (wantsLength(context.http, session) ? size : undefined);
  if (chunkSize === undefined) return await sendRest(context, session, rest, hooks);
  await sendChunks(context, session, rest.body, chunkSize, hooks, rest.start);
}

async function sendRest(
  context: RepositoryContext,
  session: UploadSession,
  { start, size, body }: BodyRest,
  hooks: UploadHooks,
): Promise<void> {
  await patchUpload(context, session, {
    action: `push the rest of a blob to ${nameOf(context)}`,
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
