import { drain, giveUp } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import { onSent } from "../../registry/http/http.ts";
import { commitUpload } from "../../registry/upload/close_upload.ts";
import {
  cancelUpload,
  openUpload,
  type UploadSession,
} from "../../registry/upload/upload_session.ts";
import { ResumableBody } from "../one_pass/resumable_body.ts";
import { sendPassing } from "../one_pass/send_passing.ts";
import { inTurn } from "../random_access/send_blob.ts";
import { rememberBlob, type RepositoryState } from "../repository_state.ts";
import type { UploadSettings } from "../upload_settings.ts";
import type { CompressedEnd, PassingLayer } from "./compress_layer.ts";

/** A compressed layer to be sent while it is made. */
export interface CompressedBody {
  target: RepositoryState;
  passing: PassingLayer;
  /** Path of the layer in the archive. */
  path: string;
  /** Length of the layer as it is: it comes to less, or to hardly more. */
  mostBytes: number;
  /** Most bytes that are kept for a connection that breaks. */
  window: number;
  /** Compresses it anew, where the layer can be read again. */
  again?: (() => PassingLayer) | undefined;
  /** Fails where the layer turns out not to have the digest that it should have. */
  check: (raw: Digest | undefined) => void;
  settings: UploadSettings;
  hooks: UploadHooks;
}

/**
 * Sends a compressed layer whose digest is known at its end; a dry run only computes that.
 *
 * @param isLater Tells at its end whether the upload is left open, for whoever finds out that the layer is needed.
 * @returns What it has, and the upload that is open.
 */
export async function sendCompressed(
  body: CompressedBody,
  isLater: () => boolean = () => false,
): Promise<CompressedEnd & { session?: UploadSession }> {
  const { target, passing, check, settings, hooks } = body;
  if (settings.dryRun) {
    await drain(passing.stream);
    const end = passing.ended();
    check(end.raw);
    return end;
  }
  const job = async () => {
    const session = await openUpload(target, hooks);
    let end: CompressedEnd;
    try {
      end = await send(session, body);
      if (isLater()) return { ...end, session };
      await commitUpload(session, end, hooks);
    } catch (error) {
      await cancelUpload(session);
      throw error;
    }
    await noteSent(body, end);
    return end;
  };
  try {
    return await inTurn(target, hooks, job);
  } catch (error) {
    // Where no upload was opened nobody has begun to read.
    giveUp(passing.stream, error);
    throw error;
  }
}

async function send(
  session: UploadSession,
  { passing: first, mostBytes, window, again, check, hooks }: CompressedBody,
): Promise<CompressedEnd> {
  let passing = first;
  const restart = again && (() => {
    passing = again();
    return passing.stream;
  });
  const body = new ResumableBody(passing.stream, window, onSent(session.context.http), restart);
  try {
    await sendPassing(session, { body, size: mostBytes, isLess: true, digest: undefined }, hooks);
    const end = passing.ended();
    check(end.raw);
    return end;
  } catch (error) {
    giveUp(body, error);
    throw error;
  }
}

/** Reads a compressed layer back where nothing is left to trust, and tells that it is there. */
async function noteSent(
  { target, path, settings, hooks }: CompressedBody,
  { digest, size }: CompressedEnd,
): Promise<void> {
  if (settings.force) {
    const { readBackBlob } = await import("../read_back.ts");
    await readBackBlob(target, { digest, size }, hooks);
  }
  rememberBlob(target, digest, "pushed");
  settings.onUploaded(size);
  await settings.emit({ type: "blob-done", digest, path, size, status: "pushed" });
}
