import { requireCount } from "../../concurrency.ts";

/** How failed requests are repeated. */
export interface RetryOptions {
  /**
   * Attempts in all, the first one included. With the default delays they last 30 to 60 seconds: a registry that
   * restarts is away for less. A refusal because there are too many requests (429) counts for an eighth of one, unless the
   * registry was left alone for long before it.
   * @default {5}
   */
  attempts?: number;
  /**
   * Delay before the second attempt, in milliseconds; with each further one it is three times as long. Up to a half of
   * each is left out at random. After a 429 that names no time every request waits, for a sixth of it at first.
   * @default {1500}
   */
  delay?: number;
  /**
   * Longest delay, in milliseconds, where the registry names none.
   * @default {45000}
   */
  maxDelay?: number;
  /**
   * Longest `Retry-After` that is obeyed, in milliseconds; a registry that asks for more ends the push.
   * @default {120000}
   */
  maxRetryAfter?: number;
  /**
   * Source of jitter, 0 to 1.
   * @default {Math.random}
   */
  random?: () => number;
  /**
   * Clock, in milliseconds.
   * @default {performance.now}
   */
  now?: () => number;
}

const FACTOR = 3;

/**
 * Checks and completes retry options.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function resolveRetry(options: RetryOptions = {}): Required<RetryOptions> {
  const {
    attempts = 5,
    delay = 1500,
    maxDelay = 45_000,
    maxRetryAfter = 120_000,
    random = Math.random,
    now = () => performance.now(),
  } = options;
  requireCount("retry.attempts", attempts);
  for (const [name, value] of Object.entries({ delay, maxDelay, maxRetryAfter })) {
    if (!(value >= 0)) {
      throw new RangeError(`Cannot use retry.${name} ${value}: expected 0 or more`);
    }
  }
  return { attempts, delay, maxDelay, maxRetryAfter, random, now };
}

/**
 * How long to wait before an attempt: exponential with equal jitter, so that no wait is nearly nothing, or what the
 * registry asked for.
 *
 * @param attempt The attempt that follows, counted from 2.
 * @param retryAfter What the registry asked for, in milliseconds.
 * @returns Milliseconds, or undefined when no further attempt is due.
 */
export function retryDelay(
  attempt: number,
  options: Required<RetryOptions>,
  retryAfter?: number,
): number | undefined {
  if (attempt > options.attempts) return undefined;
  if (retryAfter !== undefined) return retryAfter > options.maxRetryAfter ? undefined : retryAfter;
  const ceiling = Math.min(options.maxDelay, options.delay * FACTOR ** (attempt - 2));
  return Math.round(ceiling * (1 + options.random()) / 2);
}

/**
 * Reads a `Retry-After` header: seconds, or an HTTP date (RFC 9110, section 10.2.3).
 *
 * @param now Present time in milliseconds since 1970.
 * @returns Milliseconds to wait, at least 0; undefined where the text is neither.
 */
export function parseRetryAfter(text: string | null | undefined, now: number): number | undefined {
  const value = text?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Only the three date forms of HTTP begin with the name of a day; Date.parse alone takes far more.
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(value)) return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
