import { sleep } from "../concurrency.ts";
import { Problem, problemResponse } from "./problem.ts";

/** Requests that a registry answers within a time. */
export interface RateLimit {
  /** How many. */
  requests: number;
  /** Within how many seconds, counted from the first of them. */
  seconds: number;
}

/** What goes wrong with real registries when they are busy, far away or broken, for tests of what must live with it. */
export interface RegistryTroubles {
  /**
   * Requests that are answered; those beyond get 429 with Retry-After until the time is over, as Docker Hub does for
   * each address (2026).
   * @default {none}
   */
  rateLimit?: RateLimit;
  /**
   * Milliseconds that pass before a request is looked at, as with a registry on another continent.
   * @default {0}
   */
  latency?: number;
  /**
   * Called for each request, counted from 1: a status or a whole answer that it returns takes the place of the
   * registry's, whose storage sees nothing of the request. A registry that restarts behind nginx 1.22 is 502, behind
   * HAProxy 2.6 it is 503.
   * @default {none}
   */
  failures?: (request: Request, number: number) => number | Response | undefined;
}

/** Resolves with the answer to a request that goes wrong, undefined for one that does not. */
export type Troubles = (request: Request) => Promise<Response | undefined>;

/**
 * Makes what stands before a registry and answers in its place.
 *
 * @returns What to ask before each request is looked at; undefined where nothing ever goes wrong.
 * @throws {RangeError} If `latency` is no length of time.
 */
export function createTroubles(
  { rateLimit, latency = 0, failures }: RegistryTroubles,
  now: () => number,
): Troubles | undefined {
  if (!(latency >= 0 && latency < Infinity)) {
    throw new RangeError(`Cannot create registry: latency is ${latency}, expected milliseconds`);
  }
  if (!rateLimit && !latency && !failures) return undefined;
  const checkRate = rateLimit ? createRateCheck(rateLimit, now) : () => {};
  let count = 0;
  return async (request) => {
    const number = ++count;
    checkRate();
    if (latency > 0) await sleep(latency);
    const failure = failures?.(request, number);
    if (typeof failure !== "number") return failure;
    const message = `request ${number} fails on purpose`;
    return problemResponse(new Problem(failure, { code: "UNKNOWN", message }));
  };
}

function createRateCheck({ requests, seconds }: RateLimit, now: () => number): () => void {
  let end = -Infinity;
  let left = 0;
  return () => {
    const time = now();
    if (time >= end) [end, left] = [time + seconds * 1000, requests];
    if (left-- > 0) return;
    const message = `more than ${requests} requests within ${seconds} s`;
    const wait = `${Math.ceil((end - time) / 1000)}`;
    throw new Problem(429, { code: "TOOMANYREQUESTS", message }, {
      headers: { "Retry-After": wait },
    });
  };
}
