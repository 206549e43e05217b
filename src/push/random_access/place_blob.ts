import type { Digest } from "../../digest.ts";
import { type ArchiveBlob, mismatch } from "../../image/content.ts";
import { fitsSize, type UploadHooks } from "../../registry/blobs.ts";
import {
  knownBlob,
  rememberBlob,
  type RepositoryState,
  type UploadedBlob,
} from "../repository_state.ts";
import { hooksFor, pathOf, type UploadSettings } from "../upload_settings.ts";
import type { Ahead } from "./look_ahead.ts";
import type { Brought } from "../share_blob.ts";

/** Puts one blob into a repository, unless this push knows that it is there. */
export async function pushBlob(
  target: RepositoryState,
  blob: ArchiveBlob,
  settings: UploadSettings,
  ahead: Ahead,
): Promise<UploadedBlob> {
  const { size, mediaType, digest } = blob;
  if (!digest) throw new TypeError("unreachable: digests were settled");
  const known = knownBlob(target, digest);
  if (known) return { digest, size, mediaType, status: known };
  await settings.emit({ type: "blob-start", digest, size, ...pathOf(blob) });
  const result = await placeBlob(target, blob, digest, settings, ahead);
  // Another archive may have brought it meanwhile: then it is remembered as that one's.
  if (!target.blobs.has(result.digest)) {
    rememberBlob(target, result.digest, result.status);
  }
  await settings.emit({ type: "blob-done", ...result, size, ...pathOf(blob) });
  return { ...result, size, mediaType };
}

/** The ladder: what is there, what another repository has, what must be sent. */
async function placeBlob(
  target: RepositoryState,
  blob: ArchiveBlob,
  digest: Digest,
  settings: UploadSettings,
  ahead: Ahead,
): Promise<Brought> {
  const hooks = hooksFor(settings, blob);
  const { file } = blob;
  if (file?.digest && file.digest !== digest) throw mismatch(file.path, digest, file.digest);
  if (file && await target.take?.(file, digest, hooks)) {
    if (settings.force && !settings.dryRun) await readBack(target, digest, blob, hooks);
    settings.onUploaded(blob.size);
    return { digest, status: "pushed" };
  }
  const isForced = target.sendsAll || (settings.force && file !== undefined);
  const found = isForced ? undefined : await ahead.find(blob, digest, hooks);
  if (fitsSize(found, blob.size)) return { digest, status: "exists" };
  if (settings.dryRun) {
    const { statusToBe } = await import("./status_to_be.ts");
    return await statusToBe(target, blob, digest, settings, hooks);
  }
  const { aloneWith, bringBlob } = await import("./send_blob.ts");
  return await aloneWith(target, digest, settings, async (holder) => {
    const known = { isGuess: ahead.isGuess && !isForced, holder };
    const brought = await bringBlob(target, blob, digest, settings, hooks, known);
    // What has another length there may be kept in place of what was sent.
    const isDoubted = isForced || found !== undefined;
    if (isDoubted && brought.status === "pushed") {
      await readBack(target, brought.digest, blob, hooks);
    }
    return brought;
  });
}

async function readBack(
  target: RepositoryState,
  digest: Digest,
  { size }: ArchiveBlob,
  hooks: UploadHooks,
): Promise<void> {
  const { readBackBlob } = await import("../read_back.ts");
  await readBackBlob(target, { digest, size }, hooks);
}
