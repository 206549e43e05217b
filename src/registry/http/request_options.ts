import { createHash, type Hasher } from "../../incremental_hash.ts";
import { currentPage } from "../../page.ts";
import { Alarms } from "./alarms.ts";
import type { FetchHandler, Http } from "./call.ts";
import type { PaceLimits } from "./pace.ts";
import { resolveRetry, type RetryOptions } from "./retry.ts";
import { resolveTimeouts, type Timeouts } from "./time_limits.ts";

/** Options of everything that talks to a registry. */
export interface RequestOptions {
  /**
   * Use http where the reference names no scheme.
   * @default {false} https, but http for localhost, 127.0.0.0/8 and [::1]
   */
  plainHttp?: boolean;
  /** How failed requests are repeated, and broken connections opened again. */
  retry?: RetryOptions;
  /** Limits on waiting; there is none on the whole of a transfer. */
  timeouts?: Timeouts;
  /**
   * Most requests a second to each registry; they are sent at even distances. A registry that answers 429 is spoken to
   * more slowly in any case, by all that this call does there, and faster again little by little.
   * @default {undefined} no limit
   */
  maxRequestsPerSecond?: number;
  /**
   * Most bytes a second of what each registry is sent and sends, in bodies of requests and answers.
   * @default {undefined} no limit
   */
  maxRate?: number;
  /** Sent with every request to the registry, and to no other host. */
  headers?: Record<string, string>;
  /**
   * Answers requests in place of the network: a proxy, or a registry in this process. One that calls Bun's `fetch` passes
   * `decompress: false` on to it: what a store labels as compressed would be inflated, and is no blob then. The one of
   * `./runtime` (`currentHost().fetchWith`) goes past proxies as `NO_PROXY` says, and reads a source that is a URL, too.
   * @default {fetch}
   */
  fetch?: FetchHandler;
  /**
   * Makes incremental hashes.
   * @default {createHash} the fastest that the runtime has
   */
  hasher?: Hasher;
}

/** {@linkcode RequestOptions} with every value checked and filled in. */
export type ResolvedRequestOptions = ReturnType<typeof resolveRequestOptions>;

/**
 * Checks options once, before anything is sent.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function resolveRequestOptions(options: RequestOptions) {
  const { plainHttp = false, headers = {}, fetch = globalThis.fetch, hasher = createHash } =
    options;
  return {
    plainHttp,
    headers,
    fetch: fetch as FetchHandler,
    hasher,
    retry: resolveRetry(options.retry),
    timeouts: resolveTimeouts(options.timeouts),
    limits: resolveLimits(options),
  };
}

function resolveLimits(
  { maxRequestsPerSecond, maxRate }: RequestOptions,
): PaceLimits | undefined {
  for (const [name, value] of Object.entries({ maxRequestsPerSecond, maxRate })) {
    if (value === undefined || value > 0) continue;
    throw new RangeError(`Cannot use ${name} ${value}: expected a number above 0`);
  }
  if (maxRequestsPerSecond === undefined && maxRate === undefined) return undefined;
  return { maxRequestsPerSecond, maxRate };
}

/**
 * What requests to one registry share.
 *
 * @param origin Its scheme, host and port.
 * @param options Settings; `chunkSize` is what the caller wants of large bodies.
 * @param seen What is known of it, where others share that: with it they share the pace.
 */
export function httpFor(
  origin: string,
  options: ResolvedRequestOptions & { chunkSize?: number | undefined },
  seen: Http["seen"] = { answered: false },
): Http {
  const { fetch, retry, timeouts, limits, chunkSize } = options;
  const headers = Object.fromEntries(
    Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  if (chunkSize !== undefined) seen.chunkSize = chunkSize;
  const page = currentPage();
  return { origin, fetch, headers, retry, timeouts, alarms: new Alarms(), limits, page, seen };
}
