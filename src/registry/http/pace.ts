import { giveUp, type PieceReader } from "../../bytes.ts";
import { anySignal, sleep } from "../../concurrency.ts";
import { MAX_WAIT } from "./alarms.ts";
import { readRateLimit } from "./rate_limit.ts";
import { Restraint } from "./restraint.ts";
import type { RetryOptions } from "./retry.ts";

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
  readonly #sleep: typeof sleep;
  readonly #restraint: Restraint;
  /** Milliseconds between two requests, and for a byte, that the caller wants. */
  readonly #interval: number;
  readonly #perByte: number;
  /** Who waits to send a request. */
  readonly #line: (() => void)[] = [];
  /** Wakes who lets them go, while there are some. */
  #asleep: AbortController | undefined;
  #lastSent = -Infinity;
  /** When the bytes that have been let through will have gone. */
  #bytesUntil = -Infinity;

  /**
   * @param retry Complete options, with the clock.
   * @param wait Waits on that clock.
   */
  constructor(
    { maxRequestsPerSecond, maxRate }: PaceLimits,
    retry: Required<RetryOptions>,
    wait: typeof sleep = sleep,
  ) {
    this.#retry = retry;
    this.#sleep = wait;
    this.#restraint = new Restraint(retry);
    this.#interval = maxRequestsPerSecond === undefined ? 0 : 1000 / maxRequestsPerSecond;
    this.#perByte = maxRate === undefined ? 0 : 1000 / maxRate;
  }

  /**
   * Waits until a request may be sent.
   *
   * @param isAgain Whether it goes before all that wait: it did so before, and was refused.
   * @returns When that is.
   */
  enter(signal: AbortSignal | undefined, isAgain = false): Promise<number> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = () => {
        this.#line.splice(this.#line.indexOf(go), 1);
        if (this.#line.length === 0) this.#asleep?.abort();
        reject(signal?.reason);
      };
      const go = () => {
        signal?.removeEventListener("abort", leave);
        resolve(this.#lastSent);
      };
      if (isAgain) this.#line.unshift(go);
      else this.#line.push(go);
      signal?.addEventListener("abort", leave, { once: true });
      if (!this.#asleep) void this.#serve();
    });
  }

  /** Lets those in the line go, one after the other, until nobody is left. */
  async #serve(): Promise<void> {
    while (this.#line.length > 0) {
      const asleep = this.#asleep = new AbortController();
      try {
        await this.#sleepUntil(() => this.#nextRequest(), asleep.signal);
      } catch {
        // All had left; somebody may have come since.
        continue;
      }
      this.#lastSent = this.#retry.now();
      this.#line.shift()?.();
    }
    this.#asleep = undefined;
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

  /** Refusals since another answer; those of requests that were under way at the same time are one. */
  get refusalsInARow(): number {
    return this.#restraint.row;
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
    return Math.max(LEAST_PIECE_BYTES, Math.floor(PIECE_TIME / this.#perByte));
  }

  /** Waits until bytes may pass: those that came before have gone by then. */
  async pass(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const now = this.#retry.now();
    const start = Math.max(now, this.#bytesUntil);
    this.#bytesUntil = start + bytes * this.#perByte;
    if (start - now > SLACK) await this.#sleepUntil(() => start, signal);
  }

  /** Lets a body be read no faster than bytes may pass; who cancels it, or aborts the signal, does not wait. */
  slowed(reader: PieceReader, signal: AbortSignal | undefined): PieceReader {
    const closed = new AbortController();
    const until = anySignal(signal, closed.signal);
    return {
      read: async () => {
        const piece = await reader.read();
        if (!piece) return undefined;
        await this.pass(piece.length, until).catch((error) => {
          giveUp(reader, error);
          throw error;
        });
        return piece;
      },
      cancel: (reason) => {
        closed.abort(reason);
        return reader.cancel(reason);
      },
    };
  }

  /** Waits until a time that may move meanwhile. */
  async #sleepUntil(time: () => number, signal: AbortSignal | undefined): Promise<void> {
    for (let left; (left = time() - this.#retry.now()) > 0;) {
      await this.#sleep(Math.min(left, MAX_WAIT), signal);
    }
  }
}
