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

/** Deno ends the connection where its own bodies, which are streams of bytes, are read on after the answer. */
const cancelsBytes = globalThis.navigator?.userAgent?.startsWith("Deno/");

/**
 * Drops what is not read of the body of a request that came to a server, such that the answer arrives, even at a client that
 * sends all before it reads one: it is read on, and nobody waits for that. Servers of Node.js (SvelteKit, React Router, Nitro)
 * end the connection of a body that is cancelled, and read nothing more of one that is left as it stands.
 *
 * @param reader Who has it, if anybody has begun to read; a read that is under way fails.
 */
export function dropRest({ body, headers }: Request, reader?: BodyReader): void {
  if (!body || (!reader && body.locked)) return;
  reader?.releaseLock();
  const bytes = cancelsBytes ? readerOfBytes(body) : undefined;
  if (bytes) return giveUp(bytes);
  // Who asks before it sends is told not to by the answer, and by a read to go on.
  if (!reader && headers.has("Expect")) return;
  // Who has gone sends nothing more.
  drain(body).catch(() => {});
}

function readerOfBytes(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    // Whether a stream is one of bytes shows only here.
    return undefined;
  }
}
