import type { Bytes } from "../../bytes.ts";
import { hasCode, RegistryError } from "../../errors.ts";
import type { Call } from "./call.ts";
import type { Pace } from "./pace.ts";
import type { RetryOptions } from "./retry.ts";
import { wasCrowd } from "./stranger.ts";

/** A registry that asks for so long a wait means it: a refusal after that counts for a whole attempt, in milliseconds. */
const LONG_WAIT = 30_000;
/** Other refusals are a matter of pace: so many count for one attempt. */
const REFUSALS_AN_ATTEMPT = 8;

/**
 * Whether a registry, or a proxy before it, answered that there are too many requests, and not that this one is wrong.
 *
 * @param hasServed Whether the registry has given an answer that was expected: else a proxy may have none behind it.
 */
export function isRefusal(error: unknown, hasServed = false): error is RegistryError {
  return error instanceof RegistryError &&
    (error.status === 429 || (hasServed && wasCrowd(error)) || hasCode(error, "TOOMANYREQUESTS"));
}

/** What one request meets at a registry that refuses it because there are too many. */
export class Refusals {
  readonly #pace: Pace;
  readonly #retry: Required<RetryOptions>;
  /** Attempts that are left. */
  #patience: number;
  #count = 0;
  #last: RegistryError | undefined;

  constructor(pace: Pace, retry: Required<RetryOptions>) {
    this.#pace = pace;
    this.#retry = retry;
    this.#patience = retry.attempts - 1;
  }

  /**
   * Takes a refusal in; the registry's pace waits for as long as it has to.
   *
   * @param call The request, whose listener is told.
   * @param sentAt When the request was sent, as the pace told.
   * @returns Whether the request may be sent again.
   */
  async wait(call: Call, refusal: RegistryError, sentAt: number | undefined): Promise<boolean> {
    const { retryAfter } = refusal;
    this.#last = refusal;
    this.#pace.refused(sentAt, retryAfter);
    this.#patience -= this.#cost(retryAfter ?? 0);
    const isTooLong = retryAfter !== undefined && retryAfter > this.#retry.maxRetryAfter;
    if (this.#retry.attempts === 1 || this.#patience < 0 || isTooLong) return false;
    await call.onRetry?.(++this.#count + 1, this.#pace.pauseLeft, refusal);
    return true;
  }

  /** How much of an attempt a refusal costs: little where the registry has answered something else meanwhile. */
  #cost(wait: number): number {
    const least = 1 / REFUSALS_AN_ATTEMPT;
    return this.#pace.refusalsInARow > 1 ? Math.min(1, Math.max(least, wait / LONG_WAIT)) : least;
  }

  /**
   * The request with a body to send.
   *
   * @throws The last refusal, where the body comes only once.
   */
  reopened(call: Call): Call {
    const { body } = call;
    if (typeof body !== "function") return call;
    let opened: ReadableStream<Bytes> | undefined;
    try {
      opened = body();
    } catch {
      throw this.#last;
    }
    const next = () => {
      const stream = opened ?? body();
      opened = undefined;
      return stream;
    };
    return { ...call, body: next };
  }
}
