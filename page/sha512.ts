import { sha512 } from "@noble/hashes/sha2.js";
import type { WasmHash } from "../src/wasm_hash.ts";

/** SHA-512 in the form of hash-wasm, for a page: few images have it, and noble's takes a fourth of the space. */
export function createSHA512(): Promise<WasmHash & { init(): unknown }> {
  let hash = sha512.create();
  return Promise.resolve({
    init: () => hash = sha512.create(),
    update: (bytes: Uint8Array) => hash.update(bytes),
    digest: () => hash.digest(),
  });
}
