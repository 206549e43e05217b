/** Ways of compression that archives and layers come in. */
export type Compression = "gzip" | "zstd" | "bzip2" | "xz";

/** Those that layers of images may have in registries. */
export type LayerCompression = "gzip" | "zstd";

/** Whether a compression is one that layers may have. */
export function isLayerCompression(
  compression: Compression | undefined,
): compression is LayerCompression {
  return compression === "gzip" || compression === "zstd";
}

/** The bytes that compressed content begins with, Latin-1: one character a byte. */
export const MAGIC: Readonly<Record<Compression, string>> = {
  gzip: "\x1f\x8b\x08",
  zstd: "\x28\xb5\x2f\xfd",
  bzip2: "BZh",
  xz: "\xfd7zXZ\0",
};

/** So many first bytes tell every compression. */
export const MAGIC_BYTES = 6;

const COMPRESSIONS = Object.keys(MAGIC) as Compression[];

/**
 * Tells by the first bytes whether content is compressed; names are never trusted.
 *
 * @param head The first bytes; {@linkcode MAGIC_BYTES} are enough.
 */
export function sniffCompression(head: Uint8Array): Compression | undefined {
  const match = COMPRESSIONS.find((name) => hasMagic(head, MAGIC[name]));
  if (match) return match;
  // A zstd stream may start with a skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian.
  const skippable = head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return skippable && ((head[0] ?? 0) & 0xf0) === 0x50 ? "zstd" : undefined;
}

/** Whether content has bytes, Latin-1, at a place. */
export function hasMagic(head: Uint8Array, magic: string, at = 0): boolean {
  for (let index = 0; index < magic.length; index++) {
    if (head[at + index] !== magic.charCodeAt(index)) return false;
  }
  return true;
}
