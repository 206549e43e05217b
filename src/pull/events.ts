import type { Digest } from "../digest.ts";

/** An image of an archive that is pulled. */
export interface PulledImage {
  /** `host[:port]/repository:tag`, or `...@digest` where there is no tag. */
  reference: string;
  /** Digest of the manifest or index. */
  digest: Digest;
  /** Media type of that manifest or index. */
  mediaType: string;
}

/** What a pull reports while it runs. */
export type PullEvent =
  | {
    /** What will be written; it comes once, before the first byte. */
    type: "plan";
    /** The images, in the order in which they were asked for. */
    images: PulledImage[];
    /** Different configs and layers. */
    blobs: number;
    /** Sum of their sizes. */
    bytes: number;
    /** Length of the whole archive in bytes. */
    size: number;
    /** What is left out since another place has it, where any was named. */
    leftOut?: { blobs: number; bytes: number };
  }
  | { type: "blob-start"; digest: Digest; size: number }
  | {
    /** At most ten a second for a blob. */
    type: "blob-progress";
    digest: Digest;
    received: number;
  }
  | {
    /** The blob has come whole, and has its digest. */
    type: "blob-done";
    digest: Digest;
    size: number;
    /** Of a folder: it was there. */
    exists?: boolean;
  }
  | {
    type: "retry";
    /** The blob that is read, where it is one. */
    digest?: Digest;
    /** The attempt that follows, counted from 2. */
    attempt: number;
    /** Milliseconds until it starts. */
    delay: number;
    /** What went wrong, in one line. */
    reason: string;
  }
  | { type: "warning"; message: string };
