// A bundler leaves out what is not named of a library that is imported so; this file itself is loaded on demand. Deno's
// configuration names the library's modules: its main file makes Deno load much of Node.js, which takes 9 ms.
import { createSHA256, createSHA512 } from "hash-wasm";

/** A hash of hash-wasm, begun. */
export interface WasmHash {
  update(bytes: Uint8Array): unknown;
  digest(form: "binary"): Uint8Array;
}

/**
 * Starts a hash in WebAssembly, for runtimes that have nothing of their own.
 *
 * @throws {TypeError} If the runtime compiles none, as in a page whose policy forbids it.
 */
export async function startWasmHash(algorithm: "sha256" | "sha512"): Promise<WasmHash> {
  try {
    const hash = await (algorithm === "sha256" ? createSHA256() : createSHA512());
    hash.init();
    return hash;
  } catch (cause) {
    const remedy = "a policy of the page with 'wasm-unsafe-eval', or the option hasher";
    throw new TypeError(
      `Cannot hash by ${algorithm}: this runtime compiles no WebAssembly, expected ${remedy}`,
      { cause },
    );
  }
}
