import type { RepositoryContext } from "../../src/registry/blobs.ts";
import { Alarms } from "../../src/registry/http/alarms.ts";
import type { FetchHandler, Http } from "../../src/registry/http/call.ts";
import { Pace, type PaceLimits } from "../../src/registry/http/pace.ts";
import { resolveRetry, type RetryOptions } from "../../src/registry/http/retry.ts";
import type { UploadSession } from "../../src/registry/upload/upload_session.ts";
import type { FakeClock } from "../helpers/fake_clock.ts";

/** What a test wants to be otherwise. */
export interface HttpOptions {
  /** @default {"http://registry.test"} */
  origin?: string;
  headers?: Record<string, string>;
  /** Without delay unless said otherwise. */
  retry?: RetryOptions;
  /** Limits that no test reaches unless it says so. */
  timeouts?: Partial<Http["timeouts"]>;
  limits?: PaceLimits;
  /** What the pace of requests goes by. */
  clock?: FakeClock;
}

/** A registry to send requests to. */
export function makeHttp(fetch: FetchHandler, options: HttpOptions = {}): Http {
  const { origin = "http://registry.test", headers = {}, retry, timeouts, limits, clock } = options;
  const resolved = resolveRetry({ delay: 0, ...retry });
  const pace = clock && new Pace(limits ?? {}, { ...resolved, now: clock.now }, clock.sleep);
  return {
    origin,
    fetch,
    headers,
    retry: resolved,
    timeouts: { connect: 60_000, idle: 60_000, response: 60_000, ...timeouts },
    alarms: new Alarms(),
    limits,
    seen: { answered: false, ...pace && { pace } },
  };
}

/** The repository `team/app` of a registry. */
export function makeRepository(fetch: FetchHandler, options?: HttpOptions): RepositoryContext {
  return { http: makeHttp(fetch, options), repository: "team/app" };
}

/** An upload to that repository which it has opened at `/u/1`. */
export function makeSession(fetch: FetchHandler, query = ""): UploadSession {
  return { context: makeRepository(fetch), location: new URL(`http://registry.test/u/1${query}`) };
}
