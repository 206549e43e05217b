import type { Bytes } from "../../bytes.ts";
import { anySignal, createPromise, untilAborted } from "../../concurrency.ts";
import { MAX_WAIT } from "./alarms.ts";
import { readRateLimit } from "./rate_limit.ts";
import { Restraint } from "./restraint.ts";
import { type RetryOptions, sleep as sleepOn } from "./retry.ts";

/** How fast the caller wants a registry to be spoken to. */
export interface PaceLimits {
  maxRequestsPerSecond?: number | undefined;
  /** Bytes a second. */
  maxRate?: number | undefined;
}

/** Bytes that are early by less are let through, in milliseconds: a timer is no more exact. */
const SLACK = 20;
/** A stream goes in pieces that take so long each, in milliseconds: a connection that rests for long is cut. */
const PIECE_TIME = 125;
/** Smaller ones cost more than they even out. */
const LEAST_PIECE_BYTES = 1024;

/**
 * The pace of all requests to a registry, and of the bytes of their bodies in both directions: what the caller allows, and
 * what the registry's refusals ask for. Whoever waits for it waits in one line, and leaves it as soon as its signal is
 * aborted.
 */
export class Pace {
  readonly #retry: Required<RetryOptions>;
  readonly #sleep: typeof sleepOn;
  readonly #restraint: Restraint;
  /** Milliseconds between two requests, and for a byte, that the caller wants. */
  readonly #interval: number;
  readonly #perByte: number;
  #line: Promise<void> = Promise.resolve();
  #lastSent = -Infinity;
  /** When the bytes that have been let through will have gone. */
  #bytesUntil = -Infinity;

  /**
   * @param limits What the caller wants.
   * @param retry Complete options, with the clock.
   * @param sleep Waits on that clock.
   */
  constructor(
    { maxRequestsPerSecond, maxRate }: PaceLimits,
    retry: Required<RetryOptions>,
    sleep: typeof sleepOn = sleepOn,
  ) {
    this.#retry = retry;
    this.#sleep = sleep;
    this.#restraint = new Restraint(retry);
    this.#interval = maxRequestsPerSecond === undefined ? 0 : 1000 / maxRequestsPerSecond;
    this.#perByte = maxRate === undefined ? 0 : 1000 / maxRate;
  }

  /** Waits until a request may be sent; returns when that is. */
  async enter(signal: AbortSignal | undefined): Promise<number> {
    const before = this.#line;
    const { promise, resolve } = createPromise();
    this.#line = promise;
    try {
      await untilAborted(before, signal);
      await this.#sleepUntil(() => this.#nextRequest(), signal);
      return this.#lastSent = this.#retry.now();
    } finally {
      // Where this one gives up its place, who is behind it still waits for those before.
      void before.then(resolve);
    }
  }

  #nextRequest(): number {
    const interval = Math.max(this.#interval, this.#restraint.interval(this.#retry.now()));
    return Math.max(this.#restraint.pausedUntil, this.#lastSent + interval);
  }

  /** Has no request sent for some milliseconds. */
  pause(milliseconds: number): void {
    this.#restraint.pause(this.#retry.now(), milliseconds);
  }

  /** Milliseconds until requests are sent again. */
  get pauseLeft(): number {
    return Math.max(0, Math.round(this.#restraint.pausedUntil - this.#retry.now()));
  }

  /**
   * Takes in that a registry refused a request because there are too many: all that follow slow down.
   *
   * @param sentAt When it was sent, as `enter` told; undefined for one that did not ask.
   * @param wait Milliseconds that the registry asks for, where it does.
   */
  refused(sentAt: number | undefined, wait: number | undefined): void {
    this.#restraint.refused(this.#retry.now(), sentAt ?? -Infinity, wait);
  }

  /** How much of an attempt the last refusal has cost. */
  get refusalCost(): number {
    return this.#restraint.cost;
  }

  /** Takes in that a request was not refused. */
  accepted(headers: Headers): void {
    this.#restraint.accepted();
    const { remaining, reset } = readRateLimit(headers, Date.now());
    // The next one would be refused.
    const isUsedUp = remaining === 0 && reset !== undefined && reset <= this.#retry.maxRetryAfter;
    if (isUsedUp) this.pause(reset);
  }

  /** Whether bytes are counted. */
  get countsBytes(): boolean {
    return this.#perByte > 0;
  }

  /** Bytes of a stream to let through at once. */
  get pieceBytes(): number {
    if (!this.countsBytes) return Infinity;
    return Math.max(LEAST_PIECE_BYTES, Math.floor(PIECE_TIME / this.#perByte));
  }

  /** Waits until bytes may pass: those that came before have gone by then. */
  async pass(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.countsBytes) return;
    const now = this.#retry.now();
    const start = Math.max(now, this.#bytesUntil);
    this.#bytesUntil = start + bytes * this.#perByte;
    if (start - now > SLACK) await this.#sleepUntil(() => start, signal);
  }

  /** Lets a body pass no faster than bytes may; who cancels it, or aborts the signal, does not wait. */
  slowed(body: ReadableStream<Bytes>, signal: AbortSignal | undefined): ReadableStream<Bytes> {
    const reader = body.getReader();
    const closed = new AbortController();
    const until = signal ? anySignal(signal, closed.signal) : closed.signal;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        await this.pass(value.length, until).catch((error) => {
          // What closing the connection throws changes nothing.
          reader.cancel(error).catch(() => {});
          throw error;
        });
        controller.enqueue(value);
      },
      cancel(reason) {
        closed.abort(reason);
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Waits until a time that may move meanwhile. */
  async #sleepUntil(time: () => number, signal: AbortSignal | undefined): Promise<void> {
    for (let left; (left = time() - this.#retry.now()) > 0;) {
      await this.#sleep(Math.min(left, MAX_WAIT), signal);
    }
  }
}
