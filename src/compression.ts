/** Ways of compression that archives and layers come in. */
export type Compression = "gzip" | "zstd" | "bzip2" | "xz";

const MAGIC: readonly [Compression, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/**
 * Tells by the first bytes whether content is compressed; names are never trusted.
 *
 * @param head The first bytes; six are enough.
 * @returns The compression, or undefined for none that is known.
 */
export function sniffCompression(head: Uint8Array): Compression | undefined {
  const match = MAGIC.find(([, magic]) => magic.every((byte, at) => head[at] === byte));
  if (match) return match[0];
  // A zstd stream may start with a skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian.
  const skippable = head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return skippable && ((head[0] ?? 0) & 0xf0) === 0x50 ? "zstd" : undefined;
}
