import { type Bytes, cutPieces, toStream } from "../../bytes.ts";
import { compressBlocks } from "../../codec/compress.ts";
import type { Encoders } from "../../codec/encoder_pool.ts";
import type { Digest } from "../../digest.ts";
import { type ArchiveFile, PEEK_BYTES, tooLarge } from "../../image/files.ts";
import { type BlobSource, readRange } from "../../source/blob_source.ts";
import { openFileBody } from "../../archive/read_blob.ts";

/**
 * A layer of the archive as it is when it is compressed. Each time that it is read, it is compressed anew, to the same
 * bytes: no more of it is held than some blocks.
 */
export function recompressedFile(
  file: ArchiveFile,
  { digest, size }: { digest: Digest; size: number },
  encoders: () => Promise<Encoders>,
): ArchiveFile & { body: BlobSource } {
  const { path } = file;
  const body: BlobSource = {
    size,
    slice: (start, end) => ({
      stream: () => toStream(cutPieces(compress(file, encoders), start, end)),
    }),
  };
  return {
    path,
    size,
    digest,
    body,
    peek: () => readRange(body, 0, PEEK_BYTES),
    async bytes(limit) {
      if (size > limit) throw tooLarge(path, size, limit);
      return await readRange(body, 0, size);
    },
  };
}

async function* compress(
  file: ArchiveFile,
  encoders: () => Promise<Encoders>,
): AsyncGenerator<Bytes> {
  const reader = openFileBody(file).getReader();
  try {
    const blocks = compressBlocks(async () => (await reader.read()).value, await encoders());
    for await (const { bytes } of blocks) yield bytes;
  } finally {
    await reader.cancel();
  }
}
