import type { Bytes } from "../../src/bytes.ts";
import type { BlobSource } from "../../src/source/blob_source.ts";

/** Streams that tell how many of them were neither read to their end, nor broke, nor were given up. */
export class WatchedStreams {
  readonly #open = new Set<ReadableStreamDefaultReader<Bytes>>();

  get open(): number {
    return this.#open.size;
  }

  /** Content whose streams are counted. */
  source(blob: Blob): BlobSource {
    return {
      size: blob.size,
      slice: (start, end) => ({ stream: () => this.watch(blob.slice(start, end).stream()) }),
    };
  }

  /** A stream that is counted. */
  watch(stream: ReadableStream<Bytes>): ReadableStream<Bytes> {
    const reader = stream.getReader();
    this.#open.add(reader);
    reader.closed.catch(() => {}).finally(() => this.#open.delete(reader));
    return new ReadableStream<Bytes>({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }
}
