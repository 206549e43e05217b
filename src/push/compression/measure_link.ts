import type { Bytes } from "../../bytes.ts";
import { OciError } from "../../errors.ts";
import type { RepositoryContext, UploadHooks } from "../../registry/blobs.ts";
import { sendBody } from "../../registry/upload/send_body.ts";
import { cancelUpload, openUpload } from "../../registry/upload/upload_session.ts";

/** The first request of the measurement; each that follows has twice as much, and the time for opening its upload counts. */
const FIRST_BYTES = 256 * 1024;
/** A link that takes so much in less than the time below is faster than whatever compresses. */
const MOST_BYTES = 8 * 1024 * 1024;
/** A request that takes so long tells enough, in milliseconds. */
const ENOUGH_MILLISECONDS = 200;

/**
 * Measures how fast a registry takes bytes, by uploads that are given up again. On a slow link it costs a fifth of a
 * second and some hundred KiB.
 *
 * @param target The repository.
 * @param hooks Signal and listeners.
 * @returns Bytes a second; undefined where the registry refuses such uploads.
 */
export async function measureLink(
  target: RepositoryContext,
  hooks: UploadHooks,
): Promise<number | undefined> {
  const { seen, retry } = target.http;
  const most = Math.min(MOST_BYTES, seen.chunkSize ?? MOST_BYTES);
  // What a proxy on the way could compress would tell of another link.
  const noise = makeNoise(most);
  let rate: number | undefined;
  for (let size = Math.min(FIRST_BYTES, most); size <= most; size *= 2) {
    const start = retry.now();
    if (!await sendNothing(target, noise.subarray(0, size), hooks)) return rate;
    const milliseconds = Math.max(1, retry.now() - start);
    rate = size * 1000 / milliseconds;
    if (milliseconds >= ENOUGH_MILLISECONDS) return rate;
  }
  return rate;
}

/** Sends bytes to an upload that is given up; returns whether they were taken. */
async function sendNothing(
  target: RepositoryContext,
  bytes: Bytes,
  hooks: UploadHooks,
): Promise<boolean> {
  const session = await openUpload(target, hooks);
  try {
    await sendBody(target, session, bytes, hooks);
    return true;
  } catch (error) {
    hooks.signal?.throwIfAborted();
    // A limit of a proxy, most likely: the push itself finds a way round it.
    if (error instanceof OciError) return false;
    throw error;
  } finally {
    await cancelUpload(target, session);
  }
}

function makeNoise(size: number): Bytes {
  const words = new Uint32Array(Math.floor(size / 4));
  let state = 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}
