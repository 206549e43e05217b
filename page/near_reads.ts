import type { BlobSource } from "../src/source/blob_source.ts";

/** Ranges up to this size are documents and headers. */
const SMALL_BYTES = 32 * 1024;
/** How much is read at once for them. */
const WINDOW_BYTES = 128 * 1024;
/** Windows that are kept, 8 MiB in all: blobs lie in the order of their digests, mostly, and are read in another. */
const MAX_WINDOWS = 64;

/**
 * A file of which small ranges are read together with what is near: a browser takes as long for a hundred bytes of a file on
 * disk as for a hundred kilobytes, and an archive may have thousands of manifests beside each other.
 *
 * @param file What was chosen.
 * @returns The same content, which takes 8 MiB of memory at most.
 */
export function nearReads(file: Blob): BlobSource {
  const windows = new Map<number, Promise<ArrayBuffer>>();
  const windowAt = (start: number): Promise<ArrayBuffer> => {
    const found = windows.get(start) ?? file.slice(start, start + WINDOW_BYTES).arrayBuffer();
    // The last in the order of a map is the one that was used last.
    windows.delete(start);
    windows.set(start, found);
    for (const first of windows.keys()) {
      if (windows.size > MAX_WINDOWS) windows.delete(first);
    }
    return found;
  };
  const read = async (start: number, end: number): Promise<ArrayBuffer> => {
    const first = start - start % WINDOW_BYTES;
    if (end > first + WINDOW_BYTES) return await file.slice(start, end).arrayBuffer();
    return (await windowAt(first)).slice(start - first, end - first);
  };
  return {
    size: file.size,
    slice: (start, end) => {
      // Made when it is wanted: that takes a browser longer than to copy a document.
      const blob = () => file.slice(start, end);
      const last = Math.min(end, file.size);
      if (last - start > SMALL_BYTES) {
        return { blob, stream: () => blob().stream(), arrayBuffer: () => blob().arrayBuffer() };
      }
      const small = () => read(start, last);
      return { blob, stream: () => streamOf(small), arrayBuffer: small };
    },
  };
}

function streamOf(read: () => Promise<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const bytes = new Uint8Array(await read());
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  }, { highWaterMark: 0 });
}
