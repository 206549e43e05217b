import type { Bytes } from "../bytes.ts";
import type { LayerCompression } from "./magic.ts";

/** How something is compressed, and how well: levels from 1 to 9 for gzip, to 12 for zstd. */
export interface Encoding {
  kind: LayerCompression;
  level: number;
}

/** What an encoder is made of; it can be sent to a worker. */
export interface EncoderSettings extends Encoding {
  blockBytes: number;
  /** The encoder as WebAssembly, where the runtime has none of its own. */
  module: WebAssembly.Module | undefined;
}

/** Makes one gzip member or zstd frame of a block, which needs nothing of other blocks. */
export type BlockEncoder = (block: Bytes) => Bytes | Promise<Bytes>;

/** A runtime with encoders of its own. */
export interface EncoderScope {
  Bun?: {
    gzipSync?: (block: Bytes, options: { level: number; library: "libdeflate" }) => Bytes;
    zstdCompressSync?: (block: Bytes, options: { level: number }) => Bytes;
  };
}

/** Whether a runtime compresses by itself as fast as machine code can. */
export function hasNativeEncoder(kind: LayerCompression): boolean {
  const { gzipSync, zstdCompressSync } = (globalThis as EncoderScope).Bun ?? {};
  return (kind === "gzip" ? gzipSync : zstdCompressSync) !== undefined;
}

/**
 * Starts an encoder: the runtime's own, else the one in WebAssembly, else that of `CompressionStream`, which knows gzip
 * alone and no levels.
 *
 * Workers get the text of this function: it names nothing but its parameters and what is global.
 */
export async function startEncoder(
  { kind, level, blockBytes, module }: EncoderSettings,
): Promise<BlockEncoder> {
  const { gzipSync, zstdCompressSync } = (globalThis as EncoderScope).Bun ?? {};
  if (kind === "gzip" && gzipSync) {
    return (block) => gzipSync(block, { level, library: "libdeflate" });
  }
  if (kind === "zstd" && zstdCompressSync) return (block) => zstdCompressSync(block, { level });
  if (!module) {
    return async (block) => {
      const packed = new Blob([block]).stream().pipeThrough(new CompressionStream("gzip"));
      return new Uint8Array(await new Response(packed).arrayBuffer());
    };
  }
  const { exports } = await WebAssembly.instantiate(module, {});
  const { memory } = exports;
  const call = (name: string, ...values: number[]): number => {
    const called = exports[name];
    if (typeof called !== "function") throw new TypeError(`The encoder exports no ${name}`);
    return Number(called(...values)) >>> 0;
  };
  const input = call("start", level, blockBytes);
  if (!input || !(memory instanceof WebAssembly.Memory)) {
    throw new RangeError("There is no memory for the encoder");
  }
  const output = call("result");
  return (block) => {
    new Uint8Array(memory.buffer, input, block.length).set(block);
    const length = call("encode", block.length);
    if (length === 0) throw new RangeError("The encoder failed");
    return new Uint8Array(memory.buffer, output, length).slice() as Bytes;
  };
}
