import { drain, giveUp } from "./bytes.ts";

/** Whoever reads a body. */
type BodyReader = ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader;

/**
 * Whether a request came to a server, and was not made by a client in the same process: over HTTP/1.1 each has a Host, and
 * one that is made has none by itself.
 */
export function isServed({ headers }: Request): boolean {
  return headers.has("Host");
}

/**
 * Drops what is not read of the body of a request that came to a server, such that the answer arrives, even at a client that
 * sends all before it reads one. Bodies of a runtime itself, which are streams of bytes, are cancelled for that. Those that
 * servers of Node.js make are read on, and nobody waits for it: SvelteKit, React Router and Nitro end the connection of one that is
 * cancelled, and read nothing more of one that is left as it stands.
 *
 * @param reader Who has it, if anybody has begun to read; a read that is under way fails.
 */
export function dropRest({ body, headers }: Request, reader?: BodyReader): void {
  if (!body || (!reader && body.locked)) return;
  reader?.releaseLock();
  try {
    return giveUp(body.getReader({ mode: "byob" }));
  } catch {
    // Whether a stream is one of bytes shows only here.
  }
  // Who asks before it sends is told not to by the answer, and by a read to go on.
  if (!reader && headers.has("Expect")) return;
  // Who has gone sends nothing more.
  drain(body).catch(() => {});
}
