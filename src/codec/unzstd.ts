import { type Bytes, toBytes } from "../bytes.ts";
import { zstdBlocks } from "./zstd_frames.ts";

/**
 * Inflates zstd data (RFC 8878): any number of frames, skippable ones among them. It does so natively where the
 * runtime can, which also checks the frames' checksums; elsewhere fzstd does, which does not.
 *
 * @param pieces Compressed bytes in pieces of any size.
 * @returns The content in pieces of at most some MiB.
 * @throws {Error} If the data is corrupt, ends inside a frame or is followed by something else.
 */
export async function* unzstd(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const blocks = zstdBlocks(pieces);
  const native = nativeDecoder();
  if (native) return yield* ReadableStream.from(blocks).pipeThrough(native);
  const { Decompress } = await import("fzstd");
  const output: Bytes[] = [];
  const decoder = new Decompress((bytes) => void output.push(toBytes(bytes)));
  for await (const block of blocks) {
    decoder.push(block);
    yield* output.splice(0);
  }
  // It waits for 18 bytes of every frame, and a whole one may be shorter.
  decoder.push(new Uint8Array(0), true);
  yield* output;
}

function nativeDecoder(): ReadableWritablePair<Bytes, Bytes> | undefined {
  try {
    // The types know gzip and deflate only; a runtime without zstd throws.
    return new DecompressionStream("zstd" as CompressionFormat) as ReadableWritablePair<
      Bytes,
      Bytes
    >;
  } catch {
    return undefined;
  }
}
