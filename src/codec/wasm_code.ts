import { type Bytes, toBytes } from "../bytes.ts";

/**
 * An instance of a decoder, with memory of its own. That memory only grows, and is given back as a whole when the
 * instance is garbage.
 */
export class WasmCode {
  readonly #exports: WebAssembly.Exports;
  readonly #memory: WebAssembly.Memory;

  private constructor(exports: WebAssembly.Exports, memory: WebAssembly.Memory) {
    this.#exports = exports;
    this.#memory = memory;
  }

  /** Makes an instance that needs nothing of its surroundings. */
  static async start(module: WebAssembly.Module): Promise<WasmCode> {
    const { exports } = await WebAssembly.instantiate(module);
    if (!(exports.memory instanceof WebAssembly.Memory)) {
      throw new TypeError("Cannot use WebAssembly: it exports no memory");
    }
    return new WasmCode(exports, exports.memory);
  }

  /** Calls a function; the result is an unsigned number. */
  call(name: string, ...values: number[]): number {
    const called = this.#exports[name];
    if (typeof called !== "function") {
      throw new TypeError(`Cannot use WebAssembly: it exports no function ${name}`);
    }
    return Number(called(...values)) >>> 0;
  }

  /** A view of its memory, good until the next call. */
  bytes(at: number, length: number): Bytes {
    return toBytes(new Uint8Array(this.#memory.buffer, at, length));
  }

  /** A view of its memory as words of 32 bits, good until the next call. */
  words(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, at, count);
  }
}
