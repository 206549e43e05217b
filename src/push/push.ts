import type { Digest } from "../digest.ts";
import type { Hasher } from "../incremental_hash.ts";
import type { BlobSource } from "../source.ts";
import type { BlobStatus, PushEvent } from "./events.ts";

/** A blob of a pushed image. */
export interface PushedBlob {
  digest: Digest;
  size: number;
  mediaType: string;
  status: BlobStatus;
}

/** One reference that was written. */
export interface PushedImage {
  /** `host[:port]/repository:tag`, or `host[:port]/repository@digest` where no tag was asked for. */
  reference: string;
  digest: Digest;
  mediaType: string;
  blobs: PushedBlob[];
}

/** What {@linkcode pushImage} did. */
export interface PushResult {
  images: PushedImage[];
  bytesUploaded: number;
  bytesRead: number;
  milliseconds: number;
}

/** Options for {@linkcode pushImage}. */
export interface PushOptions {
  concurrency?: number;
  signal?: AbortSignal;
  onEvent?: (event: PushEvent) => void | Promise<void>;
  images?: readonly string[];
  platforms?: readonly string[];
  allTags?: boolean;
  rename?: readonly string[];
  verify?: boolean;
  dryRun?: boolean;
  mountFrom?: readonly string[];
  plainHttp?: boolean;
  chunkSize?: number;
  memoryBudget?: number;
  retry?: { attempts?: number };
  timeouts?: { connect?: number; idle?: number; response?: number };
  headers?: Record<string, string>;
  fetch?: (request: Request) => Promise<Response>;
  hasher?: Hasher;
}

/** Pushes. */
export function pushImage(
  _source: BlobSource | ReadableStream<Uint8Array> | URL,
  _target: string | readonly string[],
  _options: PushOptions = {},
): Promise<PushResult> {
  return Promise.reject(new Error("not yet"));
}
