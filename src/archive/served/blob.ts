import { createStream } from "../../bytes.ts";
import type { ArchiveFile } from "../../image/files.ts";
import type { BlobSource, SourceSlice } from "../../source/blob_source.ts";
import { endedEarly } from "../read_blob.ts";

/**
 * A file of an archive that is handed out as a blob, long after the archive was opened. What is no more what it was is no
 * answer: its stream fails before it is whole.
 *
 * @throws {OciError} If the archive has changed since it was opened, or is gone.
 */
export async function openServedBlob(file: ArchiveFile): Promise<BlobSource> {
  const { body } = file;
  if (!body) throw new TypeError("unreachable: an archive that is served is read at any offset");
  await body.slice(0, file.size).checkUnchanged?.();
  return {
    size: file.size,
    slice: (start, end) => new WatchedSlice(file, body.slice(start, end), end - start),
  };
}

class WatchedSlice implements SourceSlice {
  readonly #file: ArchiveFile;
  readonly #slice: SourceSlice;
  readonly #length: number;
  readonly ownStream?: () => ReadableStream<Uint8Array>;
  /** For who has the kernel send it: what happens to the file meanwhile is seen by nobody but the client. */
  readonly blob?: () => Blob;

  constructor(file: ArchiveFile, slice: SourceSlice, length: number) {
    this.#file = file;
    this.#slice = slice;
    this.#length = length;
    const { ownStream, blob } = slice;
    if (ownStream) this.ownStream = () => this.#watch(ownStream.call(slice));
    if (blob) this.blob = () => blob.call(slice);
  }

  stream(): ReadableStream<Uint8Array> {
    return this.#watch(this.#slice.stream());
  }

  #watch(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = stream.getReader();
    let left = this.#length;
    let isOver = false;
    const next = async () => {
      // What becomes of the archive from here on is nothing to who has all of it.
      if (isOver) return undefined;
      const { value } = await reader.read();
      left -= value?.length ?? 0;
      isOver = !value || left <= 0;
      if (isOver) {
        // The file is closed by that: nobody reads on.
        await reader.cancel();
        // The last piece makes it whole.
        await this.#slice.checkUnchanged?.();
      }
      if (!value && left > 0) throw endedEarly(this.#file, left);
      return value;
    };
    return createStream(next, (reason) => reader.cancel(reason));
  }
}
