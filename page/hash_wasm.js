// What the page needs of hash-wasm's twenty parts: one, which is a file of its own, and what stands for another.
export { createSHA256 } from "../node_modules/hash-wasm/dist/sha256.umd.min.js";
export { createSHA512 } from "./sha512.ts";
