import type { Bytes } from "../../bytes.ts";
import { hasCode, RegistryError } from "../../errors.ts";
import type { Call } from "./call.ts";
import type { Pace } from "./pace.ts";
import type { RetryOptions } from "./retry.ts";
import { wasCrowd, wasShutOut } from "./stranger.ts";

/** A registry that asks for so long a wait means it: a refusal after that counts for a whole attempt, in milliseconds. */
const LONG_WAIT = 30_000;
/**
 * Nothing is sent for so long to who shuts all out, in milliseconds, at first and then: mod_evasive 1.10 lets a client in again,
 * as it comes, when nothing came of it for ten seconds, and firewalls count what came in a minute.
 */
const SHUT_OUT_WAIT = { first: 12_000, later: 18_000 };
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
    const { attempts, maxRetryAfter } = this.#retry;
    const isShutOut = refusal.retryAfter === undefined && wasShutOut(refusal);
    const shutOutWait = this.#count++ === 0 ? SHUT_OUT_WAIT.first : SHUT_OUT_WAIT.later;
    const wait = isShutOut ? shutOutWait : refusal.retryAfter;
    this.#last = refusal;
    this.#pace.refused(sentAt, wait);
    this.#patience -= this.#cost(isShutOut ? LONG_WAIT : wait ?? 0);
    // Who has been waited for in vain is not waited for again by each request.
    const isInVain = isShutOut && this.#pace.refusalsInARow >= attempts;
    const isTooLong = wait !== undefined && wait > maxRetryAfter;
    if (attempts === 1 || this.#patience < 0 || isInVain || isTooLong) return false;
    await call.onRetry?.(this.#count + 1, this.#pace.pauseLeft, refusal);
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
