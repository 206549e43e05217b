/** Hash algorithms that a digest may name (image-spec, "Descriptors: Registered Algorithms"). */
export type DigestAlgorithm = "sha256" | "sha512";

/** A checked digest: algorithm, colon, lowercase hex digits. Obtain one from {@linkcode parseDigest}. */
export type Digest = `${DigestAlgorithm}:${string}`;

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 };
const DIGEST_PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/**
 * Checks that `text` is a digest and returns it typed.
 *
 * Digests arrive in tar paths, JSON and headers; this is the only gate from string to {@linkcode Digest}.
 *
 * @example Reading the file name of a blob
 * ```ts
 * import { parseDigest } from "@tarpush/tarpush";
 * const digest = parseDigest("sha256:" + "0".repeat(64));
 * if (digest.length !== 71) throw new Error("unreachable");
 * ```
 *
 * @param text The digest as received.
 * @returns The same text, typed.
 * @throws {SyntaxError} If it is not `sha256:` and 64 or `sha512:` and 128 lowercase hex digits.
 * @throws {TypeError} If it is no text.
 */
export function parseDigest(text: string): Digest {
  if (typeof text !== "string") {
    throw new TypeError(`Cannot parse a digest: it is ${typeof text}, expected text`);
  }
  if (isDigest(text)) return text;
  throw new SyntaxError(
    `Cannot parse digest ${
      JSON.stringify(text.slice(0, 80))
    }: expected "sha256:" and 64 lowercase hex digits`,
  );
}

/** Whether `text` is a digest; see {@linkcode parseDigest}. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && DIGEST_PATTERN.test(text);
}

/** The digest of an algorithm and hex digits, or undefined when they make none. */
export function toDigest(algorithm: string, hex: string): Digest | undefined {
  const text = `${algorithm}:${hex}`;
  return isDigest(text) ? text : undefined;
}

/** The algorithm that a digest names. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hex digits of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Where an OCI layout has the content of a digest (image-spec, image-layout.md, "Blobs"). */
export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** The digest that a path of an OCI layout names, or undefined. */
export function digestOfPath(path: string): Digest | undefined {
  const match = /(?:^|\/)blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(path);
  return match?.[1] && match[2] ? toDigest(match[1], match[2]) : undefined;
}

/** The algorithm of the digest that a path of an OCI layout names, else SHA-256. */
export function algorithmOf(path: string): DigestAlgorithm {
  const named = digestOfPath(path);
  return named ? digestAlgorithm(named) : "sha256";
}

/** The digest in a file's name: `HEX`, `sha256:HEX`, `sha256.HEX`, with or without an ending such as `.json` or `.tar.gz`. */
export function digestOfName(path: string): Digest | undefined {
  const hex = /(?:^|[/:]|\/sha256\.)([0-9a-f]{64})(?:\.[a-z0-9.]+)?$/.exec(path)?.[1];
  return hex ? toDigest("sha256", hex) : undefined;
}

/** A digest cut for people: algorithm and twelve hex digits. */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}

/**
 * Hashes bytes that are in memory with Web Crypto, the fastest way for up to 64 MiB on every runtime.
 *
 * @param scope Where Web Crypto is, if there is any.
 */
export async function digestBytes(
  bytes: Uint8Array<ArrayBuffer>,
  algorithm: DigestAlgorithm = "sha256",
  { subtle }: { subtle?: SubtleCrypto } = crypto,
): Promise<Digest> {
  if (!subtle) return await digestByWasm(bytes, algorithm);
  const name = algorithm === "sha256" ? "SHA-256" : "SHA-512";
  return formatDigest(algorithm, new Uint8Array(await subtle.digest(name, bytes)));
}

/** Browsers keep Web Crypto from pages that came by plain http, but from this machine. */
async function digestByWasm(bytes: Uint8Array, algorithm: DigestAlgorithm): Promise<Digest> {
  const { startWasmHash } = await import("./wasm_hash.ts");
  const hash = await startWasmHash(algorithm);
  hash.update(bytes);
  return formatDigest(algorithm, hash.digest("binary"));
}

/** The digest of a raw hash value. */
export function formatDigest(algorithm: DigestAlgorithm, hash: Uint8Array): Digest {
  if (hash.length * 2 !== HEX_LENGTH[algorithm]) {
    throw new RangeError(`Cannot format ${algorithm} digest: hash has ${hash.length} bytes`);
  }
  let hex = "";
  for (const byte of hash) hex += byte.toString(16).padStart(2, "0");
  return `${algorithm}:${hex}`;
}
