import { piecesOf } from "./bytes.ts";
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
  return nativeHash(algorithm, globalThis as HashScope) ?? wasmHash(algorithm);
}

/** Feeds a hash all of the pieces, and ends it; the signal ends that between two of them. */
export async function hashAll(
  pieces: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>,
  hash: IncrementalHash,
  signal?: AbortSignal,
): Promise<Digest> {
  for await (const piece of piecesOf(pieces)) {
    signal?.throwIfAborted();
    await hash.update(piece);
  }
  return await hash.digest();
}

/** Whether the runtime has an incremental hasher of its own. */
export function hasNativeHash(algorithm: DigestAlgorithm): boolean {
  return nativeHash(algorithm, globalThis as HashScope) !== undefined;
}

/** The incremental hasher of a runtime that has one; `scope` is where its globals are. */
export function nativeHash(
  algorithm: DigestAlgorithm,
  scope: HashScope,
): IncrementalHash | undefined {
  const { CryptoHasher } = scope.Bun ?? {};
  if (CryptoHasher) return bunHash(algorithm, CryptoHasher);
  const { DigestStream } = scope.crypto ?? {};
  return DigestStream && digestStreamHash(algorithm, DigestStream);
}

/** Globals that may hold a native incremental hasher. */
export interface HashScope {
  /** Bun. */
  Bun?: { CryptoHasher?: new (name: string) => BunCryptoHasher };
  /** workerd. */
  crypto?: { DigestStream?: new (name: string) => DigestStream };
}

interface BunCryptoHasher {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

function bunHash(
  algorithm: DigestAlgorithm,
  CryptoHasher: new (name: string) => BunCryptoHasher,
): IncrementalHash {
  const hash = new CryptoHasher(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => parseDigest(`${algorithm}:${hash.digest("hex")}`),
  };
}

type DigestStream = WritableStream<Uint8Array> & { digest: Promise<ArrayBuffer> };

function digestStreamHash(
  algorithm: DigestAlgorithm,
  DigestStream: new (name: string) => DigestStream,
): IncrementalHash {
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
  const { startWasmHash } = await import("./wasm_hash.ts");
  const hash = await startWasmHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => formatDigest(algorithm, hash.digest("binary")),
  };
}
