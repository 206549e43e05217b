import type { Bytes } from "../../bytes.ts";
import { OciError } from "../../errors.ts";
import type { RepositoryContext, UploadHooks } from "../../registry/blobs.ts";
import { sendBody } from "../../registry/upload/send_body.ts";
import { cancelUpload, openUpload } from "../../registry/upload/upload_session.ts";

/** What is sent, until it tells enough: a fast link takes all of it in less time than a question. */
const SIZES = [256 * 1024, 1024 * 1024, 4 * 1024 * 1024, 8 * 1024 * 1024];
/** A request takes half a dozen round trips to come up to speed: before this many bytes it tells little. */
const ENOUGH_BYTES = 1024 * 1024;
/** A request of so many bytes that takes so long tells enough, in milliseconds. */
const ENOUGH_MILLISECONDS = 40;
/** A request of any size that takes so long does, too. */
const LONG_MILLISECONDS = 400;

/**
 * Measures how fast a registry takes bytes, by uploads that are given up again. On a slow link it costs some tenths of a
 * second and a MiB.
 *
 * @returns Bytes a second; undefined where the registry refuses such uploads.
 */
export async function measureLink(
  target: RepositoryContext,
  hooks: UploadHooks,
): Promise<number | undefined> {
  const { seen: { chunkSize: most = Infinity }, limits: { maxRate = Infinity } = {} } = target.http;
  const [least = most] = SIZES;
  const sizes = least > most ? [most] : SIZES.filter((size) => size <= most);
  let rate: number | undefined;
  for (const size of sizes) {
    const time = await timeOf(target, makeNoise(size), hooks);
    if (time === undefined) return rate;
    rate = Math.min(maxRate, size * 1000 / time);
    // Nothing goes faster than the caller lets it, and what measures it has to wait for that, too.
    if (rate === maxRate) return rate;
    if (time >= (size < ENOUGH_BYTES ? LONG_MILLISECONDS : ENOUGH_MILLISECONDS)) return rate;
  }
  return rate;
}

/** How long bytes take to an upload that is given up, in milliseconds, but for the way there and back; undefined where it fails. */
async function timeOf(
  target: RepositoryContext,
  bytes: Bytes,
  hooks: UploadHooks,
): Promise<number | undefined> {
  const { now } = target.http.retry;
  const start = now();
  const session = await openUpload(target, hooks);
  const opened = now();
  try {
    await sendBody(session, bytes, hooks);
    const sent = now() - opened;
    return Math.max(1, sent / 2, sent - (opened - start));
  } catch (error) {
    hooks.signal?.throwIfAborted();
    // A limit of a proxy, most likely: the push itself finds a way round it.
    if (error instanceof OciError) return undefined;
    throw error;
  } finally {
    await cancelUpload(session);
  }
}

/** Noise: what a proxy on the way could compress would tell of another link. */
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
