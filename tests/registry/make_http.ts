import type { RepositoryContext } from "../../src/registry/blobs.ts";
import { Alarms } from "../../src/registry/http/alarms.ts";
import type { FetchHandler, Http } from "../../src/registry/http/call.ts";
import { resolveRetry, type RetryOptions } from "../../src/registry/http/retry.ts";

/** What a test wants to be otherwise. */
export interface HttpOptions {
  /** @default {"http://registry.test"} */
  origin?: string;
  headers?: Record<string, string>;
  /** Without delay unless said otherwise. */
  retry?: RetryOptions;
  /** Limits that no test reaches unless it says so. */
  timeouts?: Partial<Http["timeouts"]>;
}

/** A registry to send requests to. */
export function makeHttp(fetch: FetchHandler, options: HttpOptions = {}): Http {
  const { origin = "http://registry.test", headers = {}, retry, timeouts } = options;
  return {
    origin,
    fetch,
    headers,
    retry: resolveRetry({ delay: 0, ...retry }),
    timeouts: { connect: 60_000, idle: 60_000, response: 60_000, ...timeouts },
    alarms: new Alarms(),
    seen: { answered: false, pausedUntil: 0 },
  };
}

/** The repository `team/app` of a registry. */
export function makeRepository(fetch: FetchHandler, options?: HttpOptions): RepositoryContext {
  return { http: makeHttp(fetch, options), repository: "team/app" };
}
