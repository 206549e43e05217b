import type { RetryOptions } from "./retry.ts";

/** A request that was answered with 429 and nothing else to go by: parts of the delay before a second attempt. */
const PAUSE_PART = 6;
const FIRST_INTERVAL_PART = 30;
// What is slower than that is a matter of pauses: a registry that refuses at any pace is not spoken to for hours.
const LONGEST_INTERVAL_PART = 7.5;
/** After so long without a refusal requests follow each other twice as fast as right after it, in milliseconds. */
const RECOVERY = 10_000;

/** What the refusals of a registry have taught: until when nothing is sent, and how far apart requests are after that. */
export class Restraint {
  readonly #retry: Required<RetryOptions>;
  /** Until when nothing is sent. */
  pausedUntil = -Infinity;
  /** Refusals in a row; those of requests that were under way at the same time are one. */
  row = 0;
  /** Milliseconds between two requests, right after the last refusal. */
  #interval = 0;
  #refusedAt = -Infinity;

  /** @param retry Complete options: waits are made of their delays. */
  constructor(retry: Required<RetryOptions>) {
    this.#retry = retry;
  }

  /** Milliseconds that two requests are apart: fewer the longer the last refusal is ago. */
  interval(now: number): number {
    if (this.#interval === 0) return 0;
    return this.#interval / (1 + (now - this.#refusedAt) / RECOVERY);
  }

  /** Has nothing sent for some milliseconds; a longer pause stands. */
  pause(now: number, milliseconds: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, now + milliseconds);
  }

  /**
   * Takes a refusal in.
   *
   * @param sentAt When the request was sent.
   * @param wait Milliseconds that the registry asks for, where it does.
   */
  refused(now: number, sentAt: number, wait: number | undefined): void {
    const { delay, maxDelay, maxRetryAfter, random } = this.#retry;
    // Who asks for more ends what was refused, but not the rest.
    if (wait !== undefined && wait <= maxRetryAfter) this.pause(now, wait);
    if (this.#interval > 0 && sentAt <= this.#refusedAt) return;
    const interval = Math.max(delay / FIRST_INTERVAL_PART, 2 * this.interval(now));
    this.#interval = Math.min(delay / LONGEST_INTERVAL_PART, interval);
    this.#refusedAt = now;
    if (wait === undefined) {
      const longest = Math.min(maxDelay, delay * 2 ** this.row) / PAUSE_PART;
      this.pause(now, longest * (1 + random()) / 2);
    }
    this.row++;
  }

  /** Takes in that a request was answered, well or badly. */
  accepted(): void {
    this.row = 0;
  }
}
