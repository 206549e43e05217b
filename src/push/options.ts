import { createHash, type Hasher } from "../incremental_hash.ts";
import type { FetchHandler, Http } from "../registry/http.ts";
import { resolveRetry, type RetryOptions } from "../registry/retry.ts";
import { resolveTimeouts, type Timeouts } from "../registry/time_limits.ts";
import type { PushEvent } from "./events.ts";

/** Options for {@linkcode pushImage}. */
export interface PushOptions {
  /**
   * Upper bound of blob uploads in flight, for both kinds of source.
   * @default {3}
   */
  concurrency?: number;
  /** Aborts the push; the promise rejects with the signal's reason once every upload has ended. */
  signal?: AbortSignal;
  /** Told what happens; a promise it returns is awaited before the push goes on. */
  onEvent?: (event: PushEvent) => void | Promise<void>;
  /**
   * Images to push: full names, bare tags, digests (12 hex digits or more) or `#N`.
   * @default {[]} all of the archive
   */
  images?: readonly string[];
  /**
   * Platforms to push, such as `linux/arm64`. One pushes that image itself, several a new index.
   * @default {[]} what the archive has
   */
  platforms?: readonly string[];
  /**
   * Push every tag that the archive knows to the repository of the target.
   * @default {false}
   */
  allTags?: boolean;
  /**
   * `FROM=TO` pairs that change a leading part of own names.
   * @default {[]}
   */
  rename?: readonly string[];
  /**
   * Read and hash every blob of the archive before it is sent, and inflate compressed docker layers to compare them
   * with the config. The registry verifies digests in any case.
   * @default {false}
   */
  verify?: boolean;
  /**
   * Only ask what is missing; send and write nothing. Blobs that a push would send have status `pushed`.
   * @default {false}
   */
  dryRun?: boolean;
  /**
   * Memory for blobs of a source that comes only once (a stream, a compressed archive), in bytes. Blobs of up to three
   * quarters of it are held, pushed while reading goes on, and can be sent again. A larger one passes through, of which
   * the last eighth (6 MiB at most) is kept: where its connection breaks and the registry keeps what had arrived, it goes
   * on from there, else the push fails. JSON documents (32 MiB at most), the chunk in flight where uploads are chunked
   * (8 MiB) and buffers of the runtime come on top.
   *
   * Which blobs an image needs is known only at the end. What was sent and not needed is cancelled where its digest was
   * unknown, or where images, platforms or a digest were asked for, up to 256 open uploads; any other blob of the archive
   * that no image needs stays in the repository until the registry collects its garbage. A compressed file that goes to its
   * own names is read twice, and of that only what is needed is sent.
   * @default {67108864} 64 MiB
   */
  memoryBudget?: number;
  /**
   * Send blobs above this size in chunks of it, in bytes: for a proxy that limits the size of a request. A limit that is
   * found out by a refusal is met in the same way, with chunks of 8 MiB or less.
   * @default {undefined} one request for a blob
   */
  chunkSize?: number;
  /**
   * Repositories of the target's registry to mount blobs from.
   * @default {[]}
   */
  mountFrom?: readonly string[];
  /**
   * Use http where the reference names no scheme.
   * @default {false} https, but http for localhost, 127.0.0.0/8 and [::1]
   */
  plainHttp?: boolean;
  /** How failed requests are repeated. */
  retry?: RetryOptions;
  /** Limits on waiting; there is none on the whole of a push. */
  timeouts?: Timeouts;
  /** Sent with every request to the registry, and to no other host. */
  headers?: Record<string, string>;
  /**
   * Answers requests in place of the network: a proxy, or a registry in this process.
   * @default {fetch}
   */
  fetch?: FetchHandler;
  /**
   * Makes incremental hashes.
   * @default {createHash} the fastest that the runtime has
   */
  hasher?: Hasher;
}

const DEFAULT_MEMORY_BUDGET = 64 * 1024 * 1024;
/** Small layers and the files beside them must be held. */
const MIN_MEMORY_BUDGET = 1024 * 1024;

/** {@linkcode PushOptions} with every value checked and filled in. */
export type ResolvedOptions = ReturnType<typeof resolveOptions>;

/**
 * Checks options once, before anything is read or sent.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function resolveOptions(options: PushOptions) {
  const {
    concurrency = 3,
    signal = new AbortController().signal,
    onEvent,
    images = [],
    platforms = [],
    allTags = false,
    rename = [],
    verify = false,
    dryRun = false,
    chunkSize,
    memoryBudget = DEFAULT_MEMORY_BUDGET,
    mountFrom = [],
    plainHttp = false,
    headers = {},
    fetch = globalThis.fetch,
    hasher = createHash,
  } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`Cannot use concurrency ${concurrency}: expected a whole number above 0`);
  }
  if (chunkSize !== undefined && !(Number.isInteger(chunkSize) && chunkSize > 0)) {
    throw new RangeError(
      `Cannot use chunkSize ${chunkSize}: expected a whole number of bytes above 0`,
    );
  }
  if (!(memoryBudget >= MIN_MEMORY_BUDGET)) {
    throw new RangeError(
      `Cannot use memoryBudget ${memoryBudget}: expected at least ${MIN_MEMORY_BUDGET} bytes`,
    );
  }
  return {
    concurrency,
    signal,
    memoryBudget,
    chunkSize,
    emit: async (event: PushEvent): Promise<void> => await onEvent?.(event),
    images,
    platforms,
    allTags,
    rename,
    verify,
    dryRun,
    mountFrom,
    plainHttp,
    headers,
    fetch: fetch as FetchHandler,
    hasher,
    retry: resolveRetry(options.retry),
    timeouts: resolveTimeouts(options.timeouts),
  };
}

/** What requests to one registry share, from the options of a push. */
export function httpFor(origin: string, options: ResolvedOptions): Http {
  const { fetch, headers, retry, timeouts, chunkSize } = options;
  const seen: Http["seen"] = { answered: false, pausedUntil: 0 };
  if (chunkSize !== undefined) seen.chunkSize = chunkSize;
  return { origin, fetch, headers, retry, timeouts, seen };
}
