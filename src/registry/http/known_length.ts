import type { Bytes } from "../../bytes.ts";

/** What workerd has, so that a streamed body carries its length: it is sent in chunks without. */
type FixedLengthStream = new (
  length: number,
) => ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>;

/** A body that carries its length, where the runtime has a stream for that; others heed the header, or cannot. */
export function withLength(
  body: ReadableStream<Bytes>,
  size: number | undefined,
): ReadableStream<Bytes> {
  const { FixedLengthStream } = globalThis as { FixedLengthStream?: FixedLengthStream };
  if (!FixedLengthStream || size === undefined) return body;
  return body.pipeThrough(new FixedLengthStream(size));
}
