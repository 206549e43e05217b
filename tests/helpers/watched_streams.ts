import type { Bytes } from "../../src/bytes.ts";
import type { BlobSource } from "../../src/source/blob_source.ts";

/** Streams that tell how many of them were neither read to their end nor given up. */
export class WatchedStreams {
  open = 0;

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
    this.open++;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        this.open--;
        controller.close();
      },
      cancel: (reason) => {
        this.open--;
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }
}
