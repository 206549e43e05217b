import { type Bytes, createStream, tap, toBytes } from "../bytes.ts";
import { decompress } from "../codec/decompress.ts";
import { isLayerCompression, sniffCompression } from "../codec/magic.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { type ArchiveBlob, mismatch } from "../image/content.ts";
import { type ArchiveFile, unreadable } from "../image/files.ts";
import { hashAll, type Hasher } from "../incremental_hash.ts";
import { quoteName } from "../quote_name.ts";
import { readRange } from "../source/blob_source.ts";

/** Blobs up to this size are hashed in memory with Web Crypto, several times as fast as hash-wasm. */
const IN_MEMORY_BYTES = 8 * 1024 * 1024;

/**
 * Opens a file of a random-access archive.
 *
 * @returns Its bytes; the stream fails when the source ends before the file does.
 */
export function openFileBody(file: ArchiveFile): ReadableStream<Bytes> {
  const slice = bodyOf(file).slice(0, file.size);
  const reader = (slice.ownStream?.() ?? slice.stream()).getReader();
  let left = file.size;
  const next = async () => {
    const { value } = await reader.read();
    if (!value && left !== 0) throw endedEarly(file, left);
    left -= value?.length ?? 0;
    return value && toBytes(value);
  };
  return createStream(next, (reason) => reader.cancel(reason));
}

/**
 * Reads a small file of a random-access archive at once; fails like {@linkcode openFileBody}.
 *
 * @param buffer Memory that may be used for it.
 */
export async function readFileBody(file: ArchiveFile, buffer?: Bytes): Promise<Bytes> {
  const bytes = await readRange(bodyOf(file), 0, file.size, buffer);
  if (bytes.length < file.size) throw endedEarly(file, file.size - bytes.length);
  return bytes;
}

/** A file of a random-access archive for `fetch` to read, where its source has that; undefined where not. */
export function blobOfFile(file: ArchiveFile): Blob | undefined {
  return bodyOf(file).slice(0, file.size).blob?.();
}

/** Whether the source of a file, which has at least a byte, still reaches to its end; one that cannot be asked may. */
export async function isFileWhole(file: ArchiveFile): Promise<boolean> {
  try {
    const last = await readRange(bodyOf(file), file.size - 1, file.size);
    return last.length > 0;
  } catch {
    return true;
  }
}

/** The error for a file of an archive whose source ends before it does. */
export function endedEarly({ path }: ArchiveFile, missing: number): ArchiveError {
  return unreadable(path, `its source ended ${missing} bytes early`);
}

/**
 * Reads a blob and computes its digest; where the config names what a compressed layer must inflate to, that is checked
 * too.
 *
 * @returns The digest of the content as it is in the archive.
 * @throws {DigestMismatchError} If the inflated content has another digest than the config says.
 */
export async function hashBlob(
  blob: ArchiveBlob,
  hasher: Hasher,
  signal?: AbortSignal,
): Promise<Digest> {
  const file = fileOf(blob);
  const algorithm = blob.digest ? digestAlgorithm(blob.digest) : "sha256";
  const compression = sniffCompression(await file.peek());
  const inflates = blob.diffId !== undefined && isLayerCompression(compression);
  if (file.size <= IN_MEMORY_BYTES && !inflates) {
    const digest = await digestBytes(await readFileBody(file), algorithm);
    return checkPlain(blob, file, digest);
  }
  const hash = await hasher(algorithm);
  if (!inflates || !blob.diffId) {
    return checkPlain(blob, file, await hashAll(openFileBody(file), hash, signal));
  }
  const inflatedHash = await hasher(digestAlgorithm(blob.diffId));
  const hashing = tap(openFileBody(file), (piece) => hash.update(piece));
  const inflated = decompress(hashing, compression, quoteName(file.path));
  const actual = await hashAll(inflated, inflatedHash, signal);
  if (actual !== blob.diffId) throw mismatch(`${file.path} (inflated)`, blob.diffId, actual);
  return await hash.digest();
}

/** The error for content that is needed after it went by. */
export function passedBy({ path, compressed }: ArchiveFile): ArchiveError {
  const name = `Cannot use ${quoteName(path)} of the archive`;
  if (compressed) {
    return new ArchiveError(
      `${name}: it was compressed when it passed in the stream, expected no layer that has to stay as it is`,
      { path, hint: "write the archive to a file first and push that, or without --compress" },
    );
  }
  return new ArchiveError(`${name}: it was passed over in the stream, which comes only once`, {
    path,
    hint: "write the archive to a file first and push that",
  });
}

function checkPlain({ diffId }: ArchiveBlob, file: ArchiveFile, digest: Digest): Digest {
  if (diffId && diffId !== digest) throw mismatch(file.path, diffId, digest);
  return digest;
}

function fileOf(blob: ArchiveBlob): ArchiveFile {
  if (blob.file) return blob.file;
  throw new TypeError("Cannot read a blob that the archive lacks");
}

function bodyOf(file: ArchiveFile): NonNullable<ArchiveFile["body"]> {
  if (file.body) return file.body;
  throw passedBy(file);
}
