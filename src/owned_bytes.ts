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

const ownBodies = new WeakSet<Response>();

/** Notes that the pieces of a response's body are nobody's but the server's that sends it. */
export function ownBody(response: Response): Response {
  ownBodies.add(response);
  return response;
}

/** Whether {@linkcode ownBody} was said of a response. */
export function hasOwnBody(response: Response): boolean {
  return ownBodies.has(response);
}

/** Frees a buffer that nobody reads any more, at once where the runtime can; Node.js 20 cannot. */
export function detach(buffer: ArrayBuffer): void {
  if (typeof buffer.transfer === "function") buffer.transfer(0);
}
