// A bundler leaves out what is not named of a library that is imported so; this file itself is loaded on demand.
import { createSHA256, createSHA512 } from "hash-wasm";

/** A hash of hash-wasm, begun. */
export interface WasmHash {
  update(bytes: Uint8Array): unknown;
  digest(form: "binary"): Uint8Array;
}

/** Starts a hash in WebAssembly, for runtimes that have nothing of their own. */
export async function startWasmHash(algorithm: "sha256" | "sha512"): Promise<WasmHash> {
  const hash = await (algorithm === "sha256" ? createSHA256() : createSHA512());
  hash.init();
  return hash;
}
