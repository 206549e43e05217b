import { type Bytes, createStream, piecesOf, toBytes } from "../bytes.ts";

/**
 * Content that can be read at any offset, any number of times. A `Blob` or `File` is one, so is a Bun file; files on
 * Deno come from `openFile` of `./runtime`.
 */
export interface BlobSource {
  /** Length in bytes. */
  readonly size: number;
  /** The bytes from `start` up to, not including, `end`; nothing is read before `stream()` is. */
  slice(start: number, end: number): SourceSlice;
}

/** A part of a {@linkcode BlobSource}. */
export interface SourceSlice {
  /** The bytes as a stream, each time from the first. */
  stream(): ReadableStream<Uint8Array>;
  /** The bytes at once; where it is there, small reads are spared a stream. */
  arrayBuffer?(): Promise<ArrayBuffer>;
  /** Reads into memory of the caller's, as much as fits; where it is there, reads of one size are spared new memory. */
  readInto?(buffer: Uint8Array): number;
  /** The same as `stream`, in pieces that nobody else has; where it is there, who sends them can free each at once. */
  ownStream?(): ReadableStream<Uint8Array>;
  /** The bytes as a Blob; where it is there, `fetch` sends it without reading it into memory. */
  blob?(): Blob;
  /**
   * Fails where the content is not any more what it was when the source was opened, as far as can be seen without reading
   * it; where it is there. For those who read long after that.
   */
  checkUnchanged?(): Promise<void>;
}

/** A folder of files: an OCI layout, or what skopeo and docker write unpacked. */
export interface FolderSource {
  /**
   * Lists its files, and links that may be files: those at its top, those in its folders, and those in the folders of
   * `blobs`.
   */
  files(): AsyncIterable<FolderFile>;
}

/** A file of a {@linkcode FolderSource}. */
export interface FolderFile {
  /** Path from the top of the folder, with `/` between names. */
  path: string;
  /**
   * Gives its content, of which nothing is read, or kept open, before it is asked for; undefined for a link that leads to
   * no file.
   *
   * @throws {OciError} If it is a link that leads out of the folder.
   */
  open(): Promise<BlobSource | undefined>;
}

/** Whether a value has the two members of {@linkcode BlobSource}. */
export function isBlobSource(value: unknown): value is BlobSource {
  return typeof value === "object" && value !== null &&
    typeof (value as BlobSource).size === "number" &&
    typeof (value as BlobSource).slice === "function";
}

/**
 * Reads `start` to `end` of a source into memory.
 *
 * @param buffer Where to put them, if it is large enough and the source can.
 * @returns The bytes; fewer than asked for where the source ends early.
 */
export async function readRange(
  source: BlobSource,
  start: number,
  end: number,
  buffer?: Bytes,
): Promise<Bytes> {
  const wanted = Math.max(0, Math.min(end, source.size) - start);
  if (wanted === 0) return new Uint8Array(0);
  const slice = source.slice(start, start + wanted);
  if (buffer && slice.readInto && wanted <= buffer.length) {
    return buffer.subarray(0, slice.readInto(buffer.subarray(0, wanted)));
  }
  if (slice.arrayBuffer) return new Uint8Array(await slice.arrayBuffer()).subarray(0, wanted);
  const bytes = new Uint8Array(wanted);
  let filled = 0;
  for await (const piece of piecesOf(slice.stream())) {
    if (filled === 0 && piece.length === wanted) return toBytes(piece);
    bytes.set(piece.subarray(0, wanted - filled), filled);
    filled += piece.length;
    if (filled >= wanted) break;
  }
  return bytes.subarray(0, Math.min(filled, wanted));
}

/** Whoever sends a piece may copy it: of a large one that would be as much memory again. */
const PIECE_BYTES = 1024 * 1024;

/** A source over bytes in memory, without a copy. */
export function bytesSource(bytes: Bytes): BlobSource {
  return {
    size: bytes.length,
    slice: (start, end) => ({
      arrayBuffer: () => Promise.resolve(bytes.slice(start, end).buffer),
      stream: () => {
        const slice = bytes.subarray(start, end);
        let at = 0;
        return createStream(() =>
          at < slice.length ? slice.subarray(at, at += PIECE_BYTES) : undefined
        );
      },
    }),
  };
}
