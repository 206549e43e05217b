import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import { MAX_LARGE_BYTES, MAX_SMALL_BYTES } from "../image/document_room.ts";
import { type ArchiveFile, isJson, tooLarge, unreadable } from "../image/files.ts";
import { MAX_MANIFEST_BYTES } from "../media_types.ts";
import { detach } from "../owned_bytes.ts";
import { type BlobSource, bytesSource } from "../source/blob_source.ts";

/** Bytes kept of every file: enough to tell gzip and zstd. */
const HEAD_BYTES = 16;
const MIB = 1024 * 1024;

/** A file that passed by: its bytes are there while they are held, its digest once it is known. */
export class PassingFile implements ArchiveFile {
  readonly path: string;
  readonly size: number;
  readonly #head: Bytes;
  #held: Bytes | undefined;
  #reserved = 0;
  body?: BlobSource;
  digest?: Digest;
  inflatedDigest?: Digest;
  inflateError?: unknown;
  compressed?: NonNullable<ArchiveFile["compressed"]>;

  constructor(path: string, size: number, head: Bytes) {
    this.path = path;
    this.size = size;
    this.#head = head.slice(0, HEAD_BYTES);
  }

  hold(bytes: Bytes): void {
    this.#held = bytes;
    this.body = bytesSource(bytes);
  }

  /** Notes memory of the budget that sending this file needs besides what is held. */
  reserve(bytes: number): void {
    this.#reserved = bytes;
  }

  /** Memory for what may have to be sent again. */
  get window(): number {
    return this.#reserved;
  }

  /**
   * Gives the memory back.
   *
   * @param isRead Whether what was held is read by nobody any more: it is freed at once then.
   * @returns How much that is.
   */
  release(isRead = false): number {
    const size = (this.#held?.length ?? 0) + this.#reserved;
    if (isRead && this.#held) detach(this.#held.buffer);
    this.#held = undefined;
    this.#reserved = 0;
    delete this.body;
    return size;
  }

  get held(): boolean {
    return this.#held !== undefined;
  }

  peek(): Promise<Bytes> {
    return Promise.resolve(this.#head);
  }

  bytes(limit: number): Promise<Bytes> {
    if (this.size > limit) return Promise.reject(tooLarge(this.path, this.size, limit));
    if (this.#held) return Promise.resolve(this.#held);
    // Every document is kept while there is room: what is asked for here and was not is none, or one too many.
    return Promise.reject(
      isJson(this.#head)
        ? unreadable(
          this.path,
          "the JSON documents before it in the stream come to all that is kept, " +
            `${MAX_SMALL_BYTES / MIB} MiB of those up to ${MAX_MANIFEST_BYTES / MIB} MiB and ` +
            `${MAX_LARGE_BYTES / MIB} MiB of larger ones`,
          { hint: "write the archive to a file first and push that" },
        )
        : unreadable(this.path, "it is no JSON document"),
    );
  }
}

/** A file of no bytes: what an entry without a body stands for. */
export function emptyFile(path: string): PassingFile {
  const file = new PassingFile(path, 0, new Uint8Array(0));
  file.hold(new Uint8Array(0));
  return file;
}
