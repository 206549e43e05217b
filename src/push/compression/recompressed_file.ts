import { type Bytes, cutPieces, toStream } from "../../bytes.ts";
import { compressBlocks } from "../../codec/compress.ts";
import type { Encoders } from "../../codec/encoder_pool.ts";
import type { Digest } from "../../digest.ts";
import { type ArchiveFile, PEEK_BYTES, tooLarge } from "../../image/files.ts";
import { readRange } from "../../source/blob_source.ts";
import { openFileBody } from "../../archive/read_blob.ts";

/**
 * A layer of the archive as it is when it is compressed. Each time that it is read, it is compressed anew, to the same
 * bytes: no more of it is held than some blocks.
 */
export class RecompressedFile implements ArchiveFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
  readonly body: NonNullable<ArchiveFile["body"]>;

  /** @param file The layer, which can be read again. */
  constructor(
    file: ArchiveFile,
    { digest, size }: { digest: Digest; size: number },
    encoders: () => Promise<Encoders>,
  ) {
    this.path = file.path;
    this.size = size;
    this.digest = digest;
    this.body = {
      size,
      slice: (start, end) => ({
        stream: () => toStream(cutPieces(compress(file, encoders), start, end)),
      }),
    };
  }

  async peek(): Promise<Bytes> {
    return await readRange(this.body, 0, PEEK_BYTES);
  }

  bytes(limit: number): Promise<Bytes> {
    if (this.size > limit) return Promise.reject(tooLarge(this.path, this.size, limit));
    return readRange(this.body, 0, this.size);
  }
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
