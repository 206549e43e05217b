import type { Bytes } from "../bytes.ts";
import { DataError } from "./data_error.ts";
import { startDecoder } from "./decoders.ts";
import { FORMATS } from "./describe_format.ts";
import type { WasmCode } from "./wasm_code.ts";

/** Largest dictionary that the decoder takes, as `xz -9` makes: it holds that many bytes. */
const MAX_DICTIONARY_BYTES = 64 * 1024 * 1024;
/** A stream header; the magic is told when all of it is there. */
const HEADER_BYTES = 12;

/**
 * Inflates xz data: any number of streams of any number of blocks, with padding behind them. Its index, its sizes and its
 * CRC-32 or CRC-64 are checked.
 *
 * @returns The content in pieces of at most 64 KiB.
 * @throws {Error} If the data is corrupt, ends inside a stream, is followed by something else, or is made with a filter
 * or a check that is rare.
 */
export async function* unxz(pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const decoder = new XzDecoder(await startDecoder("xz"));
  for await (const piece of pieces) yield* decoder.inflate(piece);
  yield* decoder.finish();
}

/** What the decoder answers, as `xz.h` of XZ Embedded numbers it. */
const OK = 0;
const STREAM_END = 1;
const NO_MEMORY = 3;
const DICTIONARY_TOO_LARGE = 4;
const NOT_XZ = 5;
const UNKNOWN_OPTION = 6;
const NO_PROGRESS = 8;

/** What a context begins with, as words: what the wrapper of XZ Embedded in the package has laid out. */
const CONTEXT_WORDS = 7;

class XzDecoder {
  readonly #code: WasmCode;
  readonly #context: number;
  /** Bytes that fit into its input, and into its output. */
  readonly #room: number;
  /** Bytes supplied before those that are in its input. */
  #taken = 0;

  constructor(code: WasmCode) {
    this.#code = code;
    this.#context = code.call("create_context");
    this.#room = this.#state().room;
  }

  *inflate(piece: Bytes): Generator<Bytes> {
    for (let at = 0; at < piece.length; at += this.#room) {
      const part = piece.subarray(at, at + this.#room);
      this.#code.bytes(this.#state().input, part.length).set(part);
      this.#code.call("supply_input", this.#context, part.length);
      let full = false;
      do {
        const { result, output } = this.#next();
        if (result !== OK) throw this.#explain(result);
        full = output.length === this.#room;
        if (output.length > 0) yield output;
      } while (full || this.#state().inputPosition < part.length);
      this.#taken += part.length;
    }
  }

  /** No more input is what ends the last stream and its padding. */
  *finish(): Generator<Bytes> {
    this.#code.call("supply_input", this.#context, 0);
    for (;;) {
      const { result, output } = this.#next();
      if (output.length > 0) yield output;
      if (result === STREAM_END) return;
      if (result !== OK) throw this.#explain(result);
    }
  }

  #next(): { result: number; output: Bytes } {
    const result = this.#code.call("get_next_output", this.#context);
    const { output, outputPosition } = this.#state();
    const content = this.#code.bytes(output, outputPosition).slice();
    this.#code.words(this.#context, CONTEXT_WORDS)[5] = 0;
    return { result, output: content };
  }

  #state() {
    const [room = 0, input = 0, inputPosition = 0, , output = 0, outputPosition = 0] = this.#code
      .words(this.#context, CONTEXT_WORDS);
    return { room, input, inputPosition, output, outputPosition };
  }

  #explain(result: number): Error {
    if (result === NO_PROGRESS) return new Error("the data ends inside an xz stream");
    if (result === NOT_XZ) {
      const isFirst = this.#taken + this.#state().inputPosition <= HEADER_BYTES;
      return new DataError(
        isFirst ? "the data is not xz" : "something else follows the last xz stream",
      );
    }
    if (result === NO_MEMORY) return new DataError("there is no memory for an xz dictionary");
    const hint = FORMATS.find(({ compression }) => compression === "xz")?.hint;
    if (result === DICTIONARY_TOO_LARGE) {
      return new DataError(
        `an xz block needs a dictionary above the limit of ${MAX_DICTIONARY_BYTES} bytes`,
        { hint },
      );
    }
    if (result === UNKNOWN_OPTION) {
      const known = "expected CRC32, CRC64 or no check, and LZMA2 alone";
      return new DataError(`an xz stream has another check or filter, ${known}`, { hint });
    }
    return new DataError("an xz stream is damaged: its blocks, sizes or checksums do not match");
  }
}
