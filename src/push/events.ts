import type { Digest } from "../digest.ts";

/** How a blob came to be in the repository; in a dry run, how it would. */
export type BlobStatus = "pushed" | "exists" | "mounted";

/**
 * What a push reports while it runs. Every event about a blob carries its `digest`, or, in one pass where the digest
 * is not known yet, the `path` of its entry in the archive.
 */
export type PushEvent =
  | {
    /** What will be pushed. In one pass it comes when the archive has ended. */
    type: "plan";
    /** References that will be written. */
    images: number;
    /** Different blobs. */
    blobs: number;
    /** Sum of the blobs' sizes. */
    bytes: number;
  }
  | { type: "blob-start"; digest?: Digest; path?: string; size: number }
  | {
    /**
     * At most ten a second for a blob; `sent` may go back after a failed attempt. Where the system sends several blobs from
     * a file by itself (Bun, plain http), their sum is known and each is an estimate.
     */
    type: "blob-progress";
    digest?: Digest;
    path?: string;
    sent: number;
  }
  | { type: "blob-done"; digest: Digest; path?: string; size: number; status: BlobStatus }
  | {
    type: "retry";
    digest?: Digest;
    path?: string;
    /** The attempt that follows, counted from 2. */
    attempt: number;
    /** Milliseconds until it starts. */
    delay: number;
    /** What went wrong, in one line. */
    reason: string;
  }
  | {
    /** A manifest was written, or would be in a dry run; one that is there already is none. */
    type: "manifest";
    digest: Digest;
    mediaType: string;
  }
  | {
    /** `reference` stands now. */
    type: "tag";
    reference: string;
    digest: Digest;
    /** Of a signature or the like: the digest of the image that it stands beside. */
    subject?: Digest;
  }
  | { type: "warning"; message: string };
