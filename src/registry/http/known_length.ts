import type { Bytes } from "../../bytes.ts";

/** What workerd has, so that a streamed body carries its length: it is sent in chunks without. */
type FixedLengthStream = new (
  length: number,
) => ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>;

/**
 * A body that carries its length, in the way that the runtime has for it: a stream of workerd's own; a Blob for Deno and
 * Node.js, which ask it for its stream and its size, and send a stream in chunks. Others heed the header, or cannot.
 */
export function withLength(
  body: ReadableStream<Bytes>,
  size: number | undefined,
): ReadableStream<Bytes> | Blob {
  if (size === undefined) return body;
  const { FixedLengthStream } = globalThis as { FixedLengthStream?: FixedLengthStream };
  if (FixedLengthStream) return body.pipeThrough(new FixedLengthStream(size));
  return asksBlobs() ? new SizedStream(() => body, size) : body;
}

/** A stream that `fetch` takes for a Blob, where a Blob is asked for what it has. */
class SizedStream extends Blob {
  readonly #open: () => ReadableStream<Bytes>;
  readonly #size: number;

  constructor(open: () => ReadableStream<Bytes>, size: number) {
    super();
    this.#open = open;
    this.#size = size;
  }

  override get size(): number {
    return this.#size;
  }

  override stream(): ReadableStream<Bytes> {
    return this.#open();
  }
}

let isAsked: boolean | undefined;

/** Whether the runtime reads the stream of a Blob that is a body; others, as browsers, send what they keep of it themselves. */
function asksBlobs(): boolean {
  if (isAsked !== undefined) return isAsked;
  isAsked = false;
  const open = () => {
    isAsked = true;
    return new ReadableStream<Bytes>();
  };
  new Response(new SizedStream(open, 1));
  return isAsked;
}
