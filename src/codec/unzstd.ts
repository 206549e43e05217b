import { type Bytes, piecesOf, toStream } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import { DataError } from "./data_error.ts";
import { startDecoder } from "./decoders.ts";
import type { WasmCode } from "./wasm_code.ts";
import { zstdBlocks } from "./zstd_frames.ts";

/**
 * Inflates zstd data (RFC 8878): any number of frames, skippable ones among them. It does so natively where the runtime
 * can, elsewhere by libzstd as WebAssembly; both check the frames' checksums and sizes.
 *
 * @returns The content in pieces of at most some MiB.
 * @throws {Error} If the data is corrupt, ends inside a frame or is followed by something else.
 */
export async function* unzstd(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  let expected: number | undefined;
  const frames = async function* () {
    expected = yield* zstdBlocks(pieces);
  };
  const native = nativeDecoder();
  let size = 0;
  for await (const piece of native ? inflateNatively(frames(), native) : inflateByWasm(frames())) {
    size += piece.length;
    yield piece;
  }
  // libzstd itself does not compare them where a frame ends with an empty block.
  if (expected !== undefined && size !== expected) throw damaged(`${size} bytes for ${expected}`);
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

async function* inflateNatively(
  blocks: AsyncGenerator<Bytes>,
  decoder: ReadableWritablePair<Bytes, Bytes>,
): AsyncGenerator<Bytes> {
  let failure: { error: unknown } | undefined;
  const watched = async function* () {
    try {
      yield* blocks;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  try {
    yield* piecesOf(toStream(watched()).pipeThrough(decoder));
  } catch (error) {
    throw failure ? failure.error : damaged(error);
  }
}

async function* inflateByWasm(blocks: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const decoder = new ZstdDecoder(await startDecoder("zstd"));
  for await (const block of blocks) yield* decoder.inflate(block);
}

const INPUT_BYTES = 128 * 1024;
const OUTPUT_BYTES = 128 * 1024;
/** `ZSTD_inBuffer` and `ZSTD_outBuffer` behind each other: address, size and position of each. */
const BUFFERS_BYTES = 6 * 4;
/** Greater results are error codes, counted down from 2 ** 32. */
const MAX_RESULT = 2 ** 32 - 200;
const OUT_OF_MEMORY = 2 ** 32 - 64;

/** A `ZSTD_DCtx` and its buffers. */
class ZstdDecoder {
  readonly #code: WasmCode;
  readonly #context: number;
  readonly #input: number;
  readonly #output: number;
  readonly #buffers: number;

  constructor(code: WasmCode) {
    this.#code = code;
    this.#context = code.call("ZSTD_createDCtx");
    this.#input = code.call("malloc", INPUT_BYTES);
    this.#output = code.call("malloc", OUTPUT_BYTES);
    this.#buffers = code.call("malloc", BUFFERS_BYTES);
  }

  *inflate(block: Bytes): Generator<Bytes> {
    for (let at = 0; at < block.length; at += INPUT_BYTES) {
      const part = block.subarray(at, at + INPUT_BYTES);
      this.#code.bytes(this.#input, part.length).set(part);
      yield* this.#inflatePart(part.length);
    }
  }

  *#inflatePart(length: number): Generator<Bytes> {
    for (let taken = 0, made = 0; taken < length || made === OUTPUT_BYTES;) {
      const buffers = [this.#input, length, taken, this.#output, OUTPUT_BYTES, 0];
      this.#code.words(this.#buffers, buffers.length).set(buffers);
      this.#decompress();
      [, , taken = 0, , , made = 0] = this.#code.words(this.#buffers, buffers.length);
      if (made > 0) yield own(this.#code.bytes(this.#output, made).slice());
    }
  }

  #decompress(): void {
    const output = this.#buffers + BUFFERS_BYTES / 2;
    const result = this.#code.call("ZSTD_decompressStream", this.#context, output, this.#buffers);
    if (result === OUT_OF_MEMORY) {
      throw new DataError("there is no memory for a zstd frame's window");
    }
    if (result > MAX_RESULT) throw damaged(`libzstd error ${2 ** 32 - result}`);
  }
}

function damaged(cause: unknown): DataError {
  return new DataError(
    "a zstd frame is damaged: its blocks, size or checksum do not match",
    { cause },
  );
}
