import { type BlobSource, readRange } from "../source/blob_source.ts";

export interface TarEnd {
  /** Position behind the two zero blocks; undefined where there are none. */
  end: number | undefined;
  /** Position of the first byte after them that is not zero. */
  trailing: number | undefined;
}

/** Zeros behind a tar that are looked through: writers pad to 10 KiB, tapes to some more. */
const MAX_PADDING_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

/**
 * Looks for data behind the end of a tar that can be read at any offset.
 *
 * @returns Position of the first byte that is not zero; undefined where there is none.
 */
export async function findTrailing(
  source: BlobSource,
  end: number | undefined,
  signal: AbortSignal | undefined,
  limit = MAX_PADDING_BYTES,
): Promise<number | undefined> {
  if (end === undefined) return undefined;
  const last = Math.min(source.size, end + limit);
  for (let at = end; at < last; at += PIECE_BYTES) {
    signal?.throwIfAborted();
    const piece = await readRange(source, at, Math.min(at + PIECE_BYTES, last));
    const found = piece.findIndex((byte) => byte !== 0);
    if (found >= 0) return at + found;
  }
  return undefined;
}

/** Tells of data behind the end of a tar: nobody reads it, and it may be what somebody meant to push. */
export function trailingText(trailing: number): string {
  return `The tar is followed by other data, at byte ${trailing}, which is not read`;
}
