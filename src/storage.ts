import type { Bytes } from "./bytes.ts";
import type { Digest } from "./digest.ts";
import type { BlobSource } from "./source/blob_source.ts";

/** A manifest or index as it was pushed, byte for byte. */
export interface StoredManifest {
  /** Digest of `bytes`, in the algorithm under which it was pushed. */
  digest: Digest;
  /** Media type under which it was pushed. */
  mediaType: string;
  /** The document; neither side changes the bytes after they were handed over. */
  bytes: Bytes;
  /** The manifest that this one refers to, which need not exist (distribution-spec, "Listing Referrers"). */
  subject?: Digest | undefined;
}

/**
 * One blob while it is written. Calls do not overlap, with one exception: `discard` may come at any time.
 *
 * A writer that is neither committed nor discarded holds what it has; a storage that outlives its process removes
 * such leftovers when it is opened again.
 */
export interface BlobWriter {
  /** Bytes written so far; right at any time, also after a `write` that failed. */
  readonly size: number;
  /** Whether it takes no more: it was ended, could not be written, or nobody had written to it for very long. */
  readonly isEnded?: boolean;
  /**
   * Appends bytes, which the writer may keep: the caller does not change them afterwards.
   *
   * @param bytes Next bytes of the blob.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Makes the blob readable in a repository, all at once: no reader ever sees a part of it. Committing content that
   * is already there is no error, so any number of writers may carry the same blob. The writer ends here, whether the
   * promise fulfils or rejects.
   *
   * @param repository Repository that gets the blob.
   * @param digest The digest that the content must have.
   * @throws {DigestMismatchError} If the content has another digest; it is dropped.
   */
  commit(repository: string, digest: Digest): Promise<void>;
  /** Drops what was written; idempotent. A write that is under way may fail because of it. */
  discard(): Promise<void>;
}

/**
 * What the embedded registry stands on: content by digest, and what each repository shows of it.
 *
 * Names, tags and digests have been checked against their grammar before they get here. Every method is atomic as seen
 * by the others; a repository comes into being with its first blob or manifest. Failures of the medium reject with any
 * error, the registry answers them with 500; with a `DiskError` where nothing more can be kept, which is 507.
 */
export interface Storage {
  /**
   * Whether it refuses to be written to; a registry over it then refuses pushes.
   * @default {false}
   */
  readonly readOnly?: boolean;
  /**
   * What it shows to who wants images of another registry, as mirrors are asked (`?ns=HOST`, containerd's registry
   * hosts). Without it that is everything.
   *
   * @param host The other registry: `ghcr.io`, `docker.io`, with its port where it has one.
   */
  inNamespace?(host: string): Storage;
  /** Starts a blob of yet unknown digest. */
  createBlob(): Promise<BlobWriter>;
  /** The blob as a repository shows it, nothing of it read yet; undefined where it has none of this digest. */
  openBlob(repository: string, digest: Digest): Promise<BlobSource | undefined>;
  /**
   * Told before a client is told that a blob or manifest is there: the client may count on it and name it in a manifest
   * without sending it, so a storage that removes what nobody needs keeps it for an hour at least.
   *
   * @returns False where the repository has not, or no longer, a blob or manifest of this digest.
   */
  keep?(repository: string, digest: Digest): Promise<boolean>;
  /** Shows a blob of the repository `from` in the repository `to` too; false where `from` has none. */
  mountBlob(from: string, to: string, digest: Digest): Promise<boolean>;
  /** Takes a blob out of one repository, its content with the last one; false where the repository had none. */
  deleteBlob(repository: string, digest: Digest): Promise<boolean>;
  /** A manifest of a repository. */
  getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined>;
  /**
   * Stores a manifest and points tags at it, whatever they named before; idempotent. Its digest has been checked.
   *
   * @param tags Whoever deletes the manifest meanwhile comes before all of it or after, so that none of them names nothing.
   */
  putManifest(
    repository: string,
    manifest: StoredManifest,
    tags?: readonly string[],
  ): Promise<void>;
  /** Deletes a manifest and every tag on it; false where the repository had none of this digest. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>;
  /** Digests of the repository's manifests with this subject, in no order. */
  listReferrers(repository: string, subject: Digest): Promise<Digest[]>;
  /** The digest that a tag names. */
  getTag(repository: string, tag: string): Promise<Digest | undefined>;
  /** Deletes a tag, not what it names; false where there was none. */
  deleteTag(repository: string, tag: string): Promise<boolean>;
  /** All tags of a repository, in no order; undefined where there is no such repository. */
  listTags(repository: string): Promise<string[] | undefined>;
  /** All repositories, in no order. */
  listRepositories(): Promise<string[]>;
}
