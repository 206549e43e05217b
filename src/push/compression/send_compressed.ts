import { giveUp } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import type { RepositoryContext, UploadHooks } from "../../registry/blobs.ts";
import { onSent } from "../../registry/http/http.ts";
import { commitUpload } from "../../registry/upload/close_upload.ts";
import {
  cancelUpload,
  openUpload,
  type UploadSession,
} from "../../registry/upload/upload_session.ts";
import { ResumableBody } from "../one_pass/resumable_body.ts";
import { sendPassing } from "../one_pass/send_passing.ts";
import type { CompressedEnd, PassingLayer } from "./compress_layer.ts";
import { rememberBlob, type RepositoryState } from "../repository_state.ts";
import type { UploadSettings } from "../upload_settings.ts";

/** A compressed layer to be sent while it is made. */
export interface CompressedBody {
  passing: PassingLayer;
  /** Length of the layer as it is, which it will not reach. */
  mostBytes: number;
  /** Most bytes that are kept for a connection that breaks. */
  window: number;
  /** Compresses it anew, where the layer can be read again. */
  again?: (() => PassingLayer) | undefined;
  /** Fails where the layer turns out not to have the digest that it should have. */
  check: (raw: Digest | undefined) => void;
}

/**
 * Sends a compressed layer whose digest is known at its end, and leaves the upload open.
 *
 * @returns The upload, and what it has.
 */
export async function sendCompressed(
  context: RepositoryContext,
  body: CompressedBody,
  hooks: UploadHooks,
): Promise<{ session: UploadSession; end: CompressedEnd }> {
  const { again, mostBytes, window, check } = body;
  let { passing } = body;
  const restart = again && (() => {
    passing = again();
    return passing.stream;
  });
  const session = await openUpload(context, hooks);
  const resumable = new ResumableBody(passing.stream, window, onSent(context.http), restart);
  try {
    const blob = { body: resumable, size: mostBytes, isLess: true, digest: undefined };
    await sendPassing(session, blob, hooks);
    const end = passing.ended();
    check(end.raw);
    return { session, end };
  } catch (error) {
    giveUp(resumable, error);
    await cancelUpload(session);
    throw error;
  }
}

/**
 * Closes the upload of a compressed layer under its digest, reads it back where nothing is left to trust, and tells that it
 * is there.
 */
export async function commitCompressed(
  target: RepositoryState,
  { session, end }: { session: UploadSession; end: CompressedEnd },
  path: string,
  settings: UploadSettings,
  hooks: UploadHooks,
): Promise<void> {
  try {
    await commitUpload(session, end, hooks);
  } catch (error) {
    await cancelUpload(session);
    throw error;
  }
  if (settings.force) {
    const { readBackBlob } = await import("../read_back.ts");
    await readBackBlob(target, end, hooks);
  }
  const { digest, size } = end;
  rememberBlob(target, digest, "pushed");
  settings.onUploaded(size);
  await settings.emit({ type: "blob-done", digest, path, size, status: "pushed" });
}
