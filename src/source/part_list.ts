import { type Bytes, concat } from "../bytes.ts";
import { type Digest, digestBytes, digestHex, toDigest } from "../digest.ts";
import { createHash, type Hasher, type IncrementalHash } from "../incremental_hash.ts";
import { type BlobSource, readRange } from "./blob_source.ts";

/** What a checksum file says of a part. */
export interface ListedPart {
  name: string;
  sha256: Digest;
  /** Length in bytes; only lists of {@linkcode formatPartList} have it. */
  size?: number;
  /** Digest of its first and last {@linkcode EDGE_BYTES}; as {@linkcode size}. */
  edges?: Digest;
}

/** So much of each end of a part tells it from any other, without reading all of it. */
export const EDGE_BYTES = 64 * 1024;

/**
 * Writes the checksum file of parts, as `sha256sum -c` reads it: of the lines that start with `#`, which that passes over,
 * each says size and edges of the part whose line follows.
 */
export function formatPartList(parts: readonly Required<ListedPart>[]): string {
  const lines = parts.flatMap(({ name, sha256, size, edges }) => [
    `# ${size} ${digestHex(edges)}  ${name}`,
    `${digestHex(sha256)}  ${name}`,
  ]);
  return lines.map((line) => `${line}\n`).join("");
}

const SUM_LINE = /^\\?([0-9a-fA-F]{64}) [ *](.+)$/;
/** As `sha256sum --tag`, BSD and OpenSSL write it; OpenSSL 3 says SHA2-256. */
const TAGGED_LINE = /^SHA2?-?256 ?\((.+)\) ?= ?([0-9a-fA-F]{64})$/;
const SIZE_LINE = /^# (\d{1,15}) ([0-9a-f]{64}) {2}(.+)$/;

/**
 * Reads a checksum file: what `sha256sum` wrote, or {@linkcode formatPartList}. Lines that say nothing of a file are passed
 * over, and of names only what follows the last slash is kept.
 */
export function parsePartList(text: string): ListedPart[] {
  const sizes = new Map<string, { size: number; edges: Digest }>();
  const parts = new Map<string, ListedPart>();
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n|\0/)) {
    const [, digits = "", edgesHex = "", sized = ""] = SIZE_LINE.exec(line) ?? [];
    const edges = toDigest("sha256", edgesHex);
    if (edges) sizes.set(baseName(sized), { size: Number(digits), edges });
    const [, plainHex, plainName] = SUM_LINE.exec(line) ?? [];
    const [, taggedName, taggedHex] = TAGGED_LINE.exec(line) ?? [];
    const name = baseName(plainName ?? taggedName ?? "");
    const sha256 = toDigest("sha256", (plainHex ?? taggedHex ?? "").toLowerCase());
    if (sha256 && name !== "") parts.set(name, { name, sha256, ...sizes.get(name) });
  }
  return [...parts.values()];
}

/** What follows the last slash of a path, be it one of Windows. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** Sums up a part while it is written, for {@linkcode formatPartList}. */
export class PartSummary {
  readonly #hash: IncrementalHash;
  #size = 0;
  #head: Bytes = new Uint8Array(0);
  #tail: Bytes = new Uint8Array(0);

  private constructor(hash: IncrementalHash) {
    this.#hash = hash;
  }

  static async start(hasher: Hasher = createHash): Promise<PartSummary> {
    return new PartSummary(await hasher("sha256"));
  }

  /** Takes the next bytes; they may be changed by the caller once the promise is done. */
  async update(bytes: Uint8Array): Promise<void> {
    const missing = EDGE_BYTES - this.#head.length;
    if (missing > 0) this.#head = join(this.#head, bytes.subarray(0, missing));
    this.#tail = join(this.#tail, bytes.subarray(-EDGE_BYTES)).slice(-EDGE_BYTES);
    this.#size += bytes.length;
    await this.#hash.update(bytes);
  }

  /** Ends it, and says what there is to say of the part. */
  async finish(name: string): Promise<Required<ListedPart>> {
    const edges = await digestBytes(join(this.#head, this.#tail));
    return { name, sha256: await this.#hash.digest(), size: this.#size, edges };
  }
}

/** The digest of the edges of a part that can be read at any offset. */
export async function readEdges(source: BlobSource): Promise<Digest> {
  const head = await readRange(source, 0, EDGE_BYTES);
  const tail = await readRange(source, Math.max(0, source.size - EDGE_BYTES), source.size);
  return await digestBytes(join(head, tail));
}

function join(first: Uint8Array, second: Uint8Array): Bytes {
  return concat([first, second], first.length + second.length);
}
