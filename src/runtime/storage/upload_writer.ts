import { type Bytes, toBytes } from "../../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../../digest.ts";
import { DigestMismatchError, OciError } from "../../errors.ts";
import type { IncrementalHash } from "../../incremental_hash.ts";
import { free } from "../../owned_bytes.ts";
import type { BlobWriter } from "../../storage.ts";
import { writeFile } from "./repository.ts";
import type { GrowingFile, StorageFiles } from "./storage_files.ts";
import { hashFile } from "./stored_blobs.ts";

/** Bytes that are written and hashed in one go: with less, each of them costs more than its bytes. */
const PIECE_BYTES = 128 * 1024;

/** Bytes of all uploads that are left to the system before the disk is told to begin: at the end few are to wait for. */
const WRITE_BACK_BYTES = 16 * 1024 * 1024;

/** Most bytes of all small blobs together that wait in memory for their end; one more is written at once. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Gives a whole file its place. */
export type Publish = (path: string, repository: string, digest: Digest) => Promise<void>;

/** What all writers of a storage share. */
export class WriterRoom {
  /** Bytes of small blobs that wait in memory. */
  waiting = 0;
  /** Writers that have not ended. */
  readonly open = new Set<UploadWriter>();
  /** Files that have grown since the disk was told to begin with them, by how much in all, and whether it is at that. */
  readonly #grown = new Set<string>();
  #left = 0;
  #isWritingBack = false;

  /** Has the disk begin with what the system was left, now and then. */
  noteWritten(files: StorageFiles, path: string, bytes: number): void {
    this.#grown.add(path);
    this.#left += bytes;
    if (this.#left < WRITE_BACK_BYTES || this.#isWritingBack) return;
    this.#isWritingBack = true;
    const paths = [...this.#grown];
    this.#grown.clear();
    this.#left = 0;
    void files.writeBack(paths).then(() => this.#isWritingBack = false);
  }
}

/**
 * One blob on its way to the disk: hashed while it is written, under a temporary name until it is whole. One of up to 1
 * MiB is written when its last byte is there.
 */
export class UploadWriter implements BlobWriter {
  /** When somebody wrote last, in milliseconds since 1970. */
  touched = Date.now();
  size = 0;
  isEnded = false;
  readonly #files: StorageFiles;
  readonly #path: string;
  readonly #room: WriterRoom;
  readonly #publish: Publish;
  /** Bytes that wait in memory: all of a small blob, the next piece of another one. */
  readonly #waiting = new PieceBuffer();
  /** How many of them the room counts. */
  #counted = 0;
  #file: Promise<Begun> | undefined;
  /** The piece that is being written. */
  #writing: Promise<void> = Promise.resolve();

  constructor(files: StorageFiles, path: string, room: WriterRoom, publish: Publish) {
    this.#files = files;
    this.#path = path;
    this.#room = room;
    this.#publish = publish;
    room.open.add(this);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#requireOpen("write");
    this.touched = Date.now();
    try {
      for (let rest = bytes; rest.length > 0;) {
        const count = this.#waiting.append(rest);
        this.size += count;
        rest = rest.subarray(count);
        if (this.#waiting.isFull || !this.#mayWait()) await this.#flush();
      }
      free(toBytes(bytes));
    } catch (error) {
      // How much of it is there nobody knows: who sends it begins again.
      await this.discard();
      throw error;
    }
  }

  async commit(repository: string, digest: Digest): Promise<void> {
    this.#requireOpen("commit");
    try {
      const actual = await this.#finish(digest);
      if (actual !== digest) throw mismatch(this.size, actual, digest);
      await this.#publish(this.#path, repository, digest);
      this.#end();
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  async discard(): Promise<void> {
    if (this.isEnded) return;
    this.#end();
    const begun = await this.#file?.catch(() => undefined);
    // A write that fails because of this has told its caller.
    await this.#writing.catch(() => {});
    await begun?.file.close().catch(() => {});
    await this.#files.remove(this.#path).catch(() => {});
  }

  #end(): void {
    this.isEnded = true;
    this.#count(0);
    this.#room.open.delete(this);
  }

  #count(bytes: number): void {
    this.#room.waiting += bytes - this.#counted;
    this.#counted = bytes;
  }

  /** Whether what waits may go on to: a piece is filled, a small blob needs room. */
  #mayWait(): boolean {
    if (this.#file) return true;
    this.#count(this.#waiting.bytes.length);
    return this.#room.waiting <= MAX_WAITING_BYTES;
  }

  async #begin(): Promise<Begun> {
    this.#count(0);
    const file = await this.#files.create(this.#path);
    return { file, hash: await this.#files.hashGrowing(this.#path, "sha256") };
  }

  /** Writes and hashes what waits, while the next piece may come. */
  async #flush(): Promise<void> {
    await this.#writing;
    const { file, hash } = await (this.#file ??= this.#begin());
    if (this.isEnded) throw this.#endedError("write");
    const bytes = this.#waiting.take();
    this.#room.noteWritten(this.#files, this.#path, bytes.length);
    this.#writing = Promise.all([file.write(bytes), hash.update(bytes)]).then(() => {});
    // Who waits for it next hears of it; until then it is no failure that nobody handles.
    this.#writing.catch(() => {});
  }

  /** Brings everything to the disk; returns the digest of it. */
  async #finish(expected: Digest): Promise<Digest> {
    const algorithm = digestAlgorithm(expected);
    if (!this.#file) {
      const { bytes } = this.#waiting;
      const actual = await digestBytes(bytes, algorithm);
      if (actual !== expected) return actual;
      // Nothing was there to remove.
      if (this.isEnded) throw this.#endedError("commit");
      await writeFile(this.#files, this.#path, bytes);
      await this.#files.sync([this.#path]);
      return actual;
    }
    if (this.#waiting.bytes.length > 0) await this.#flush();
    await this.#writing;
    const { file, hash } = await this.#file;
    await file.close();
    const [actual] = await Promise.all([hash.digest(), this.#files.sync([this.#path])]);
    // Few blobs have another digest: those are read once more.
    if (algorithm === "sha256") return actual;
    return await hashFile(this.#files, this.#path, this.size, algorithm);
  }

  #requireOpen(action: string): void {
    if (this.isEnded) throw this.#endedError(action);
  }

  #endedError(action: string): OciError {
    return new OciError(`Cannot ${action} blob: its writer has ended`);
  }
}

/** A blob that has a file. */
interface Begun {
  file: GrowingFile;
  hash: IncrementalHash;
}

/** Gathers bytes until there is a piece of them, in two buffers by turns: one is filled while the other is written. */
class PieceBuffer {
  #buffer: Bytes = new Uint8Array(0);
  #spare: Bytes | undefined;
  #filled = 0;

  /** What has been gathered. */
  get bytes(): Bytes {
    return this.#buffer.subarray(0, this.#filled);
  }

  get isFull(): boolean {
    return this.#filled === PIECE_BYTES;
  }

  /** Takes as many bytes as fit, and says how many. */
  append(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, PIECE_BYTES - this.#filled);
    this.#makeRoom(this.#filled + count);
    this.#buffer.set(bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    return count;
  }

  /** What has been gathered, and goes on to be there until the next but one `take`. */
  take(): Bytes {
    const taken = this.bytes;
    [this.#buffer, this.#spare] = [this.#spare ?? new Uint8Array(PIECE_BYTES), this.#buffer];
    this.#filled = 0;
    return taken;
  }

  #makeRoom(size: number): void {
    if (size <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.min(PIECE_BYTES, Math.max(2 * size, 4096)));
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}

function mismatch(size: number, actual: Digest, expected: Digest): DigestMismatchError {
  return new DigestMismatchError(
    `Cannot commit blob of ${size} bytes: its digest is ${actual}, expected ${expected}`,
    { expected, actual },
  );
}
