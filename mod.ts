export { type Digest, isDigest, parseDigest } from "./src/digest.ts";
