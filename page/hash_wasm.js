// Two of the twenty parts of hash-wasm, each in a file of its own.
export { createSHA256 } from "../node_modules/hash-wasm/dist/sha256.umd.min.js";
export { createSHA512 } from "../node_modules/hash-wasm/dist/sha512.umd.min.js";
