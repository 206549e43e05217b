import { type Digest, toDigest } from "../digest.ts";
import { hashAll } from "../incremental_hash.ts";
import { readJsonObject } from "../media_types.ts";
import { type BlobSource, readRange } from "../source/blob_source.ts";
import { unusablePart } from "../source/part_names.ts";
import type { ArchivePart, PartReading } from "./check_joins.ts";

/** What Zarf has as the first file of a package in parts, `.part000`: what the others are together. */
export interface PartHead {
  name: string;
  digest: Digest;
  bytes: number;
  count: number;
}

/** The head is 100 bytes long. */
const MAX_HEAD_BYTES = 1024;

/** Reads the head of parts; undefined where the first one is a part itself. */
export async function readPartHead(
  [first]: readonly ArchivePart[],
): Promise<PartHead | undefined> {
  if (!first || first.source.size > MAX_HEAD_BYTES) return undefined;
  const { name, source } = first;
  const json = readJsonObject(await readRange(source, 0, source.size)) ?? {};
  // Zarf began the names with small letters until it dropped the tags of its type.
  const { Sha256Sum: hex = json.sha256Sum, Bytes: bytes = json.bytes, Count: count = json.count } =
    json;
  const digest = typeof hex === "string" ? toDigest("sha256", hex) : undefined;
  if (!digest || typeof bytes !== "number" || typeof count !== "number") return undefined;
  return { name, digest, bytes, count };
}

/**
 * Checks parts against their head.
 *
 * @throws {ArchiveError} If there are fewer or more, or their content is another.
 */
export async function checkPartHead(
  { name, digest, bytes, count }: PartHead,
  parts: readonly ArchivePart[],
  joined: BlobSource,
  { verify, signal, hasher }: PartReading,
): Promise<void> {
  if (parts.length !== count) {
    throw unusablePart(name, `it tells of ${count} parts behind it, and ${parts.length} are there`);
  }
  if (joined.size !== bytes) {
    throw unusablePart(
      name,
      `it says that the parts have ${bytes} bytes together, and they have ${joined.size}`,
    );
  }
  if (verify === "none") return;
  const actual = await hashAll(joined.slice(0, bytes).stream(), await hasher("sha256"), signal);
  if (actual === digest) return;
  throw unusablePart(
    name,
    `it says that all parts together have ${digest}, and they have ${actual}: one is damaged, or of another archive`,
  );
}
