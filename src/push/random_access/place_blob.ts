import { type ArchiveBlob, mismatch } from "../../image/content.ts";
import { fitsSize } from "../../registry/blobs.ts";
import {
  knownBlob,
  rememberBlob,
  type RepositoryState,
  type UploadedBlob,
} from "../repository_state.ts";
import { hooksFor, pathOf, type UploadSettings } from "../upload_settings.ts";
import type { Ahead } from "./look_ahead.ts";
import type { Brought } from "../share_blob.ts";
import type { Placing } from "./send_blob.ts";

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
  const hooks = hooksFor(settings, blob);
  const result = await placeBlob({ target, blob, digest, settings, hooks }, ahead);
  // Another archive may have brought it meanwhile: then it is remembered as that one's.
  if (!target.blobs.has(result.digest)) {
    rememberBlob(target, result.digest, result.status);
  }
  await settings.emit({ type: "blob-done", ...result, size, ...pathOf(blob) });
  return { ...result, size, mediaType };
}

/** The ladder: what is there, what another repository has, what must be sent. */
async function placeBlob(placing: Placing, ahead: Ahead): Promise<Brought> {
  const { target, blob, digest, settings, hooks } = placing;
  const { file } = blob;
  if (file?.digest && file.digest !== digest) throw mismatch(file.path, digest, file.digest);
  if (file && await target.take?.(file, digest, hooks)) {
    if (settings.force && !settings.dryRun) await readBack(placing);
    settings.onUploaded(blob.size);
    return { digest, status: "pushed" };
  }
  const isForced = target.doubts === "all" || (settings.force && file !== undefined);
  const found = isForced ? undefined : await ahead.find(blob, digest, hooks);
  if (fitsSize(found, blob.size)) return { digest, status: "exists" };
  const { aloneWith, bringBlob, statusToBe } = await import("./send_blob.ts");
  if (settings.dryRun) return await statusToBe(placing);
  return await aloneWith(target, digest, settings, async (holder) => {
    const brought = await bringBlob(placing, { isGuess: ahead.isGuess && !isForced, holder });
    // What has another length there may be kept in place of what was sent.
    const isDoubted = isForced || found !== undefined;
    if (isDoubted && brought.status === "pushed") {
      await readBack({ ...placing, digest: brought.digest });
    }
    return brought;
  });
}

async function readBack({ target, blob: { size }, digest, hooks }: Placing): Promise<void> {
  const { readBackBlob } = await import("../read_back.ts");
  await readBackBlob(target, { digest, size }, hooks);
}
