import type { ArchiveFormat } from "../image/write_archive.ts";
import { parsePlatforms } from "../image/platforms.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";
import type { FetchHandler, Http } from "../registry/http.ts";
import { resolveRetry, type RetryOptions } from "../registry/retry.ts";
import { resolveTimeouts, type Timeouts } from "../registry/time_limits.ts";
import type { PullEvent } from "./events.ts";

/** Options for {@linkcode pullImage}. */
export interface PullOptions {
  /** Aborts the pull: the stream fails with the signal's reason. */
  signal?: AbortSignal;
  /** Told what happens; a promise it returns is awaited before the pull goes on. */
  onEvent?: (event: PullEvent) => void | Promise<void>;
  /**
   * Layout of the archive: "docker" is the one of docker save since version 25, an OCI layout with manifest.json beside
   * it; "oci" is the layout alone.
   * @default {"docker"}
   */
  format?: ArchiveFormat;
  /**
   * Platforms to pull, such as `linux/arm64`. One gives that image itself, several a new index.
   * @default {[]} all that the image has
   */
  platforms?: readonly string[];
  /**
   * Use http where the reference names no scheme.
   * @default {false} https, but http for localhost, 127.0.0.0/8 and [::1]
   */
  plainHttp?: boolean;
  /** How failed requests are repeated, and broken connections opened again. */
  retry?: RetryOptions;
  /** Limits on waiting; there is none on the whole of a pull. */
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

/** {@linkcode PullOptions} with every value checked and filled in. */
export type ResolvedPullOptions = ReturnType<typeof resolvePullOptions>;

/**
 * Checks options once, before anything is asked.
 *
 * @throws {TypeError} If the format or a platform is none.
 * @throws {RangeError} If a number is out of range.
 */
export function resolvePullOptions(options: PullOptions) {
  const { format = "docker", platforms = [], signal, onEvent, hasher = createHash } = options;
  if (format !== "docker" && format !== "oci") {
    throw new TypeError(`Cannot use format ${JSON.stringify(format)}: expected "docker" or "oci"`);
  }
  return {
    format,
    platforms: parsePlatforms(platforms),
    signal,
    emit: async (event: PullEvent): Promise<void> => await onEvent?.(event),
    plainHttp: options.plainHttp ?? false,
    hasher,
    headers: options.headers ?? {},
    fetch: (options.fetch ?? globalThis.fetch) as FetchHandler,
    retry: resolveRetry(options.retry),
    timeouts: resolveTimeouts(options.timeouts),
  };
}

/** What requests to the registry share. */
export function httpFor(origin: string, options: ResolvedPullOptions): Http {
  const { fetch, headers, retry, timeouts } = options;
  return { origin, fetch, headers, retry, timeouts, seen: { answered: false, pausedUntil: 0 } };
}
