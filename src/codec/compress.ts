import type { Bytes } from "../bytes.ts";
import { free, own } from "../owned_bytes.ts";
import { BLOCK_BYTES, type Encoders } from "./encoder_pool.ts";

/** What a block may grow by where it cannot be compressed: the frame around it, and the headers of stored parts. */
const MAX_BLOCK_GROWTH = 512;

/** Blocks that wait for each encoder, the one that it is at included: a busy machine is slow to bring the next. */
const BLOCKS_AHEAD = 3;

export interface EncodedBlock {
  bytes: Bytes;
  /** How many bytes it stands for. */
  size: number;
}

/**
 * Compresses content block by block, several at a time, and gives the blocks in order: gzip members or zstd frames, which
 * are valid data behind each other (RFC 1952, 2.2; RFC 8878, 3). The same content gives the same bytes with the same encoder.
 *
 * It reads ahead by no more than three blocks for each encoder.
 *
 * @param read Gives the next piece, undefined at the end; an empty one, between blocks, where nothing comes before whoever
 * takes them has had another.
 */
export async function* compressBlocks(
  read: () => Promise<Bytes | undefined>,
  encoders: Pick<Encoders, "size" | "takeBlock" | "encode">,
): AsyncGenerator<EncodedBlock, void, void> {
  const running: Promise<EncodedBlock>[] = [];
  for await (const block of inBlocks(read, encoders)) {
    if (block) running.push(encode(block, encoders));
    const [first] = running;
    if (first && (!block || running.length > BLOCKS_AHEAD * encoders.size)) {
      running.shift();
      yield await first;
    }
  }
  for (const encoding of running) yield await encoding;
}

function encode(block: Bytes, encoders: Pick<Encoders, "encode">): Promise<EncodedBlock> {
  const size = block.length;
  const encoding = encoders.encode(block).then((bytes) => ({ bytes: own(bytes), size }));
  // Where an earlier one fails, nobody comes to ask for this.
  encoding.catch(() => {});
  return encoding;
}

/** The most that so many bytes may become when they are compressed. */
export function compressBound(size: number): number {
  return size + Math.ceil(size / BLOCK_BYTES) * MAX_BLOCK_GROWTH;
}

/** Copies pieces into blocks of one size; the last may be shorter. Nothing stands for an empty piece. */
async function* inBlocks(
  read: () => Promise<Bytes | undefined>,
  encoders: Pick<Encoders, "takeBlock">,
): AsyncGenerator<Bytes | undefined> {
  let block: Bytes | undefined;
  let filled = 0;
  for (let piece = await read(); piece; piece = await read()) {
    if (piece.length === 0 && !block) yield undefined;
    for (let at = 0; at < piece.length;) {
      block ??= encoders.takeBlock();
      const part = piece.subarray(at, at + BLOCK_BYTES - filled);
      block.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < BLOCK_BYTES) continue;
      yield block;
      [block, filled] = [undefined, 0];
    }
    free(piece);
  }
  if (block) yield block.subarray(0, filled);
}
