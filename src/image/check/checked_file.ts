import { type Bytes, piecesOf, toStream } from "../../bytes.ts";
import { type Compression, isLayerCompression, sniffCompression } from "../../codec/magic.ts";
import { algorithmOf, type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import { type BlobSource, bytesSource, readRange } from "../../source/blob_source.ts";
import type { DocumentRoom } from "../document_room.ts";
import { EntryReader } from "../entry_reader.ts";
import { type ArchiveFile, isJson, PEEK_BYTES, tooLarge, unreadable } from "../files.ts";
import type { Hasher } from "../../incremental_hash.ts";
import { type Content, Inflated, kindOf } from "./inflated_content.ts";

/** A file all of whose bytes have been read: what they hash to, and what they inflate to. */
export interface CheckedFile extends ArchiveFile, Readonly<Content> {
  /** Digest of the content, by the algorithm that its path names, else SHA-256. */
  readonly digest: Digest;
  readonly compression: Compression | undefined;
  /** Position of what follows its compressed data and is ignored by some and refused by others. */
  readonly trailing: number | undefined;
}

/** How a body is read and hashed. */
export interface CheckBodyOptions {
  hasher: Hasher;
  signal: AbortSignal;
  /** Told how many bytes were read. */
  onBytes: (count: number) => void;
}

/** Files up to this size are hashed in memory with Web Crypto, several times as fast as hash-wasm. */
const IN_MEMORY_BYTES = 8 * 1024 * 1024;

/**
 * Reads a file of an archive to its end.
 *
 * @param path Its clean path.
 * @param body Its content, of exactly that length; it belongs to this call.
 * @param again Where the content can be read again.
 * @param documents Room for JSON documents: what was hashed is kept, and is what they are taken to say.
 * @throws {ArchiveError} If the body has another length. Errors of the body itself pass unchanged.
 */
export async function checkFile(
  { path, size, body, again, documents }: {
    path: string;
    size: number;
    body: ReadableStream<Uint8Array>;
    again: BlobSource | undefined;
    documents: DocumentRoom;
  },
  options: CheckBodyOptions,
): Promise<CheckedFile> {
  const reader = new EntryReader(path, size, toStream(watched(body, options)));
  const head = await reader.read(Math.min(size, PEEK_BYTES));
  const compression = sniffCompression(head);
  const keep = isJson(head) && documents.take(path, size);
  const held = keep || size <= IN_MEMORY_BYTES ? await reader.readAll(head) : undefined;
  const result = held
    ? await hashHeld(path, held, compression, options)
    : await hashPassing(path, piecesOf(reader.stream(head)), head, compression, options);
  return new File(path, size, head, keep && held ? bytesSource(held) : again, result);
}

type Result =
  & Pick<CheckedFile, "digest" | "compression" | "trailing">
  & Content;

class File implements CheckedFile {
  readonly path: string;
  readonly size: number;
  readonly body?: BlobSource;
  readonly digest: Digest;
  readonly inflatedDigest?: Digest;
  readonly inflateError?: unknown;
  readonly diffId: Digest | undefined;
  readonly compression: Compression | undefined;
  readonly problem: string | undefined;
  readonly trailing: number | undefined;
  readonly kind: CheckedFile["kind"];
  readonly #head: Bytes;

  constructor(
    path: string,
    size: number,
    head: Bytes,
    body: BlobSource | undefined,
    result: Result,
  ) {
    this.path = path;
    this.size = size;
    // Enough to tell gzip and zstd: there may be a million files.
    this.#head = head.slice(0, 8);
    if (body) this.body = body;
    this.digest = result.digest;
    this.diffId = result.diffId;
    if (result.compression && result.diffId) this.inflatedDigest = result.diffId;
    if (result.inflateError !== undefined) this.inflateError = result.inflateError;
    this.compression = result.compression;
    this.problem = result.problem;
    this.trailing = result.trailing;
    this.kind = result.kind;
  }

  peek(): Promise<Bytes> {
    return Promise.resolve(this.#head);
  }

  async bytes(limit: number): Promise<Bytes> {
    if (this.size > limit) throw tooLarge(this.path, this.size, limit);
    // Short enough to be no document at all, such as the null that Go writes for an empty list.
    if (this.size <= this.#head.length) return this.#head;
    const isDocument = isJson(this.#head);
    if (isDocument && this.body) return await readRange(this.body, 0, this.size);
    const problem = isDocument
      ? "the JSON documents before it in the stream are more than is kept of one that comes only once"
      : "it is no JSON object or list";
    throw unreadable(this.path, problem);
  }
}

async function* watched(
  body: ReadableStream<Uint8Array>,
  { signal, onBytes }: CheckBodyOptions,
): AsyncGenerator<Uint8Array> {
  for await (const piece of piecesOf(body)) {
    signal.throwIfAborted();
    onBytes(piece.length);
    yield piece;
  }
  signal.throwIfAborted();
}

async function hashHeld(
  path: string,
  bytes: Bytes,
  compression: Compression | undefined,
  options: CheckBodyOptions,
): Promise<Result> {
  const digest = await digestBytes(bytes, algorithmOf(path));
  if (isLayerCompression(compression)) {
    const inflated = new Inflated(path, compression, options);
    await inflated.write(bytes);
    return { digest, compression, ...await inflated.end() };
  }
  const diffId = digestAlgorithm(digest) === "sha256" ? digest : await digestBytes(bytes);
  return { digest, ...plainResult(compression, diffId, bytes) };
}

async function hashPassing(
  path: string,
  pieces: AsyncIterable<Bytes>,
  head: Bytes,
  compression: Compression | undefined,
  options: CheckBodyOptions,
): Promise<Result> {
  const { hasher } = options;
  const algorithm = algorithmOf(path);
  const hash = await hasher(algorithm);
  const inflated = isLayerCompression(compression)
    ? new Inflated(path, compression, options)
    : undefined;
  const plain = !inflated && algorithm !== "sha256" ? await hasher("sha256") : undefined;
  try {
    for await (const piece of pieces) {
      await hash.update(piece);
      await plain?.update(piece);
      await inflated?.write(piece);
    }
  } catch (error) {
    await inflated?.abort(error);
    throw error;
  }
  const digest = await hash.digest();
  if (inflated) return { digest, compression, ...await inflated.end() };
  const diffId = plain ? await plain.digest() : digest;
  return { digest, ...plainResult(compression, diffId, head) };
}

function plainResult(
  compression: Compression | undefined,
  diffId: Digest,
  head: Bytes,
): Omit<Result, "digest"> {
  const known = { compression, problem: undefined, trailing: undefined, kind: kindOf(head) };
  // What bzip2 and xz hold cannot be told here, and no layer is compressed with them.
  return { ...known, diffId: compression ? undefined : diffId };
}
