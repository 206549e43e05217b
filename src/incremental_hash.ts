import { type Digest, type DigestAlgorithm, formatDigest, parseDigest } from "./digest.ts";

/** A hash that is fed piece by piece. */
export interface IncrementalHash {
  /** Feeds the next bytes; they may be changed by the caller once the call (or its promise) is done. */
  update(bytes: Uint8Array): void | Promise<void>;
  /** Ends the hash; the object must not be used afterwards. */
  digest(): Digest | Promise<Digest>;
}

/** Makes an {@linkcode IncrementalHash}; the option `hasher` takes one. */
export type Hasher = (algorithm: DigestAlgorithm) => IncrementalHash | Promise<IncrementalHash>;

/**
 * Starts a hash with the fastest means at hand: `Bun.CryptoHasher`, workerd's `crypto.DigestStream`, else the
 * WebAssembly of hash-wasm, which is loaded on first use.
 *
 * @param algorithm Hash to use.
 * @returns A fresh hash.
 */
export function createHash(algorithm: DigestAlgorithm): IncrementalHash | Promise<IncrementalHash> {
  return bunHash(algorithm) ?? digestStreamHash(algorithm) ?? wasmHash(algorithm);
}

interface BunCryptoHasher {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

function bunHash(algorithm: DigestAlgorithm): IncrementalHash | undefined {
  const bun =
    (globalThis as { Bun?: { CryptoHasher?: new (name: string) => BunCryptoHasher } }).Bun;
  if (!bun?.CryptoHasher) return undefined;
  const hash = new bun.CryptoHasher(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => parseDigest(`${algorithm}:${hash.digest("hex")}`),
  };
}

type DigestStream = WritableStream<Uint8Array> & { digest: Promise<ArrayBuffer> };

function digestStreamHash(algorithm: DigestAlgorithm): IncrementalHash | undefined {
  const { DigestStream } = crypto as { DigestStream?: new (name: string) => DigestStream };
  if (!DigestStream) return undefined;
  const stream = new DigestStream(algorithm === "sha256" ? "SHA-256" : "SHA-512");
  const writer = stream.getWriter();
  return {
    update: (bytes) => writer.write(bytes),
    digest: async () => {
      await writer.close();
      return formatDigest(algorithm, new Uint8Array(await stream.digest));
    },
  };
}

async function wasmHash(algorithm: DigestAlgorithm): Promise<IncrementalHash> {
  const { createSHA256, createSHA512 } = await import("hash-wasm");
  const hash = await (algorithm === "sha256" ? createSHA256() : createSHA512());
  hash.init();
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => parseDigest(`${algorithm}:${hash.digest("hex")}`),
  };
}
