import type { BlobSource } from "../../src/source/blob_source.ts";

/** What is read of an archive at a time. */
const PIECE_BYTES = 64 * 1024;

/**
 * An archive of which somebody hears how far it is read.
 *
 * @param onRead Told before each piece where in the tar that begins, and how long the part is that it belongs to.
 * @returns The same as a file and, from its beginning, as a pipe.
 */
export function watchedArchive(
  tar: Blob,
  onRead: (at: number, length: number) => void | Promise<void>,
): { file: BlobSource; pipe: () => ReadableStream<Uint8Array> } {
  function read(start: number, end: number): ReadableStream<Uint8Array> {
    let at = start;
    return new ReadableStream({
      async pull(controller) {
        if (at >= end) return controller.close();
        await onRead(at, end - start);
        const piece = await tar.slice(at, Math.min(end, at + PIECE_BYTES)).bytes();
        at += piece.length;
        controller.enqueue(piece);
      },
    }, { highWaterMark: 0 });
  }
  return {
    file: { size: tar.size, slice: (start, end) => ({ stream: () => read(start, end) }) },
    pipe: () => read(0, tar.size),
  };
}
