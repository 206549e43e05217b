import type { Bytes } from "./bytes.ts";

// A garbage collector sees little of what megabytes of bytes weigh: it lets tens of them gather, the more the faster they
// come. Whoever fills a buffer for the pipeline alone says so here, and the last who needs it gives it back.
const owned = new WeakSet<ArrayBuffer>();

/** Notes that a buffer is nobody's but the pipeline's that it is handed to. */
export function own(bytes: Bytes): Bytes {
  owned.add(bytes.buffer);
  return bytes;
}

/** Frees a buffer where it is the pipeline's and these bytes are all of it: others may hold the rest. */
export function free(bytes: Bytes): void {
  const { buffer } = bytes;
  if (bytes.length === buffer.byteLength && owned.delete(buffer)) detach(buffer);
}

/** Frees a buffer that nobody reads any more, at once where the runtime can; Node.js 20 cannot. */
export function detach(buffer: ArrayBuffer): void {
  if (typeof buffer.transfer === "function") buffer.transfer(0);
}
