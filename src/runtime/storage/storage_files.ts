import type { Bytes } from "../../bytes.ts";
import type { DigestAlgorithm } from "../../digest.ts";
import type { IncrementalHash } from "../../incremental_hash.ts";
import type { BlobSource } from "../../source/blob_source.ts";

/** What is known of a file without opening it. */
export interface FoundFile {
  isDirectory: boolean;
  /** Length in bytes. */
  size: number;
  /** When it was written or touched last, in milliseconds since 1970. */
  modified: number;
  /** How many names it has. */
  links: number;
  /** The same for all names of one file. */
  id: string;
}

/** A lock; disposing of it sets it free. */
export interface FileLock extends AsyncDisposable {
  /** Whether it is still held: what holds it may have been ended from outside. */
  isHeld(): boolean;
}

/** A file that is being written. */
export interface GrowingFile {
  /** Hands bytes to the system, all of them. One call after the other; the bytes may be changed afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the writing; what the system refuses shows here at the latest. Idempotent. */
  close(): Promise<void>;
}

/**
 * What a storage asks of a file system, on the runtime that it runs on. What fails rejects with an `OciError` that names
 * the file; what is not there is no failure where the answer can say so.
 */
export interface StorageFiles {
  /**
   * Takes a lock that is held by nobody else, and is free again when it is disposed of or the process ends, however that
   * comes; undefined where another process has it.
   */
  lock(path: string): Promise<FileLock | undefined>;
  /** Begins a file that is not there yet. */
  create(path: string): Promise<GrowingFile>;
  /** Settled when what is in these files and folders outlives a loss of power. */
  sync(paths: readonly string[]): Promise<void>;
  /** Settled when the disk has what was in growing files when this was called; a failure does not show. */
  writeBack(paths: readonly string[]): Promise<void>;
  /** Gives a file another name, in the place of what had it, in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Gives a file one more name; false where the file system cannot, or there is no such file. */
  link(from: string, to: string): Promise<boolean>;
  /** Copies a file. */
  copy(from: string, to: string): Promise<void>;
  /** Removes a file; false where there was none. */
  remove(path: string): Promise<boolean>;
  /** Notes that a file is used now; false where there is none. */
  touch(path: string): Promise<boolean>;
  /** Makes a folder, and those above it, where they are not there. */
  makeDirectory(path: string): Promise<void>;
  /** What there is under a path; undefined for nothing. */
  stat(path: string): Promise<FoundFile | undefined>;
  /** What is in a folder, where a link is never one; empty where there is none. */
  list(path: string): Promise<{ name: string; isDirectory: boolean }[]>;
  /** Reads a whole file; undefined where there is none. */
  read(path: string): Promise<Bytes | undefined>;
  /** A file to be read at any offset, opened when it is. */
  open(path: string, size: number): BlobSource;
  /** A hash for a file that is being written; it may read the file when it is asked for the digest. */
  hashGrowing(path: string, algorithm: DigestAlgorithm): Promise<IncrementalHash>;
  /** A hash for a file that is being read; it may read the file by itself, until the signal. */
  hashWhole(
    path: string,
    algorithm: DigestAlgorithm,
    signal: AbortSignal | undefined,
  ): Promise<IncrementalHash>;
}
