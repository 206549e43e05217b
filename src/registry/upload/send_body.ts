import { type Bytes, giveUp } from "../../bytes.ts";
import { nameOf, type UploadHooks } from "../blobs.ts";
import { CANCEL_MILLISECONDS, patchUpload, type UploadSession } from "./upload_session.ts";

/**
 * Sends a body once to an open upload and leaves it open: the digest may come later, with `commitUpload`. When the
 * signal is aborted the body ends there, and so does the request: an upload that is cut cannot be cancelled at
 * distribution 2, which then tells nobody where it stands. One that tells its length cannot end before, and is cut.
 *
 * @param session The upload; its location moves on.
 * @param body Bytes, a stream that is read once, or a function that opens the body and throws when it cannot do so
 * again.
 * @param hooks Signal and listener, and the length of the body where that is to be told.
 */
export async function sendBody(
  session: UploadSession,
  body: Bytes | ReadableStream<Bytes> | (() => ReadableStream<Bytes>),
  hooks: UploadHooks & { size?: number } = {},
): Promise<void> {
  const action = `push a blob to ${nameOf(session.context)}`;
  const { signal, size } = hooks;
  const reopen = body instanceof Uint8Array ? undefined : reopened(body, action, hooks);
  const open = reopen && size === undefined ? () => endedBy(reopen(), signal) : reopen;
  await patchUpload(session, {
    action,
    body: open ?? body as Bytes,
    size,
    signal,
    grace: size === undefined ? CANCEL_MILLISECONDS : 0,
  });
}

/** What is told while a body passes. */
export interface BodyListeners {
  /** How much it was so far. */
  onProgress?: UploadHooks["onProgress"];
  /** Each piece that the reader is done with. */
  onTaken?: ((piece: Bytes) => void) | undefined;
  /** That all of it was handed over. */
  onEnd?: (() => void) | undefined;
}

/** Notes when the last byte of a body was handed over. */
export function noteEnd(session: UploadSession): () => void {
  return () => void (session.sentAt = session.context.http.retry.now());
}

/** Tells what passes; `sent` bytes have gone before. */
export function reportProgress(
  body: ReadableStream<Bytes>,
  { onProgress, onTaken, onEnd }: BodyListeners,
  sent = 0,
): ReadableStream<Bytes> {
  if (!onProgress && !onTaken && !onEnd) return body;
  const reader = body.getReader();
  let last: Bytes | undefined;
  let isCancelled = false;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const { done, value } = await reader.read();
      // To a read that waits, being cancelled looks like the end.
      if (isCancelled) return;
      if (last) onTaken?.(last);
      if (done) {
        onEnd?.();
        return controller.close();
      }
      last = value;
      controller.enqueue(value);
      try {
        await onProgress?.(sent += value.length);
      } catch (error) {
        giveUp(reader, error);
        throw error;
      }
    },
    cancel: (reason) => {
      isCancelled = true;
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** A body to be opened for each request that it takes: a redirect makes them two. */
function reopened(
  body: ReadableStream<Bytes> | (() => ReadableStream<Bytes>),
  action: string,
  listeners: BodyListeners,
): () => ReadableStream<Bytes> {
  if (typeof body === "function") return () => reportProgress(body(), listeners);
  let isOpen = false;
  return () => {
    if (isOpen) {
      throw new TypeError(`Cannot ${action}: the registry redirected it, and the body is gone`);
    }
    isOpen = true;
    return reportProgress(body, listeners);
  };
}

/** A body that is at its end as soon as its signal is aborted. */
function endedBy(
  body: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
): ReadableStream<Bytes> {
  if (!signal) return body;
  const reader = body.getReader();
  let stop = () => {};
  return new ReadableStream<Bytes>({
    start(controller) {
      stop = () => {
        controller.close();
        giveUp(reader, signal.reason);
      };
      signal.addEventListener("abort", stop, { once: true });
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (!done) return controller.enqueue(value);
      } catch (error) {
        if (signal.aborted) return;
        signal.removeEventListener("abort", stop);
        throw error;
      }
      signal.removeEventListener("abort", stop);
      controller.close();
    },
    cancel(reason) {
      signal.removeEventListener("abort", stop);
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
