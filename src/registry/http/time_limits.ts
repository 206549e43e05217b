import { anySignal } from "../../concurrency.ts";
import type { Alarm, Alarms } from "./alarms.ts";

/** Time limits in milliseconds; there is none on the whole of a transfer. */
export interface Timeouts {
  /**
   * Until a registry answers for the first time.
   * @default {30000}
   */
  connect?: number;
  /**
   * Without a byte moved.
   * @default {60000}
   */
  idle?: number;
  /**
   * Between the last byte sent and the answer: registries hash and store then.
   * @default {300000} or `idle`, where that is longer
   */
  response?: number;
}

/**
 * Checks and completes time limits.
 *
 * @throws {RangeError} If one is not above 0.
 */
export function resolveTimeouts(timeouts: Timeouts = {}): Required<Timeouts> {
  const { connect = 30_000, idle = 60_000 } = timeouts;
  const { response = Math.max(300_000, idle) } = timeouts;
  for (const [name, value] of Object.entries({ connect, idle, response })) {
    if (!(value > 0)) {
      throw new RangeError(`Cannot use timeouts.${name} ${value}: expected more than 0`);
    }
  }
  return { connect, idle, response };
}

/** Slower than any line that images go over: a body sent as bytes has so much more time, for nobody sees it move. */
const SLOWEST_BYTES_PER_SECOND = 32 * 1024;

/** What a request is like, as far as its limits go. */
export interface TimedRequest {
  /** Nothing has been heard of the registry yet. */
  isFirst: boolean;
  /** Its body is a stream. */
  isStreamed: boolean;
  /** The registry hashes and stores before it answers. */
  isStored: boolean;
  /** Length of a body that is sent from memory. */
  bytes: number;
  /** Its answer is read after the clock was stopped, and must heed `signal` then, too. */
  isRead: boolean;
  signal: AbortSignal | undefined;
  /** How long `signal` is not heeded yet after its abort, in milliseconds. */
  grace: number;
}

const NO_BYTE = "no byte moved";

/** Watches the time limits of one request. */
export interface Clock {
  /** Aborted when time runs out, and with the request's own signal. */
  readonly signal: AbortSignal;
  /** What ran out, for the message, and what lifts it. */
  expired: { state: string; hint: string | undefined } | undefined;
  /** A byte of the body moved. */
  moved(): void;
  /** The same of a body whose bytes were not known to be seen. */
  movedInSight(): void;
  /** No limit runs until the next byte moves. */
  pause(): void;
  /** The body has been handed over whole. */
  sent(): void;
  stop(): void;
}

/** Starts the clock of one request. */
export function startClock(
  alarms: Alarms,
  { connect, idle, response }: Required<Timeouts>,
  { isFirst, isStreamed, isStored, isRead, bytes, signal, grace }: TimedRequest,
): Clock {
  const slowly = Math.floor(bytes / SLOWEST_BYTES_PER_SECOND) * 1000;
  let limit = isStreamed || !isStored ? idle : response + slowly;
  const isConnect = isFirst && !isStored && connect < limit;
  if (isConnect) limit = connect;
  let state = isStreamed ? NO_BYTE : "no answer";
  const controller = new AbortController();
  const alarm: Alarm = {
    deadline: performance.now() + limit,
    ring() {
      // The option sets the limit on idleness, and this one where it is longer.
      const least = limit === idle ? limit : response;
      const hint = isConnect
        ? undefined
        : `allow more time with --timeout SECONDS, above ${least / 1000}`;
      clock.expired = { state: `${state} for ${limit / 1000} s`, hint };
      controller.abort();
    },
  };
  alarms.set(alarm);
  let late: ReturnType<typeof setTimeout> | undefined;
  const abortNow = () => controller.abort(signal?.reason);
  const abort = grace > 0 ? () => void (late = setTimeout(abortNow, grace)) : abortNow;
  // A listener that is taken off again costs a third of what it takes to bind two signals for good.
  if (!isRead) signal?.addEventListener("abort", abort);
  const clock: Clock = {
    signal: isRead ? anySignal(signal, controller.signal) : controller.signal,
    expired: undefined,
    moved: () => alarms.putOff(alarm, performance.now() + limit),
    movedInSight() {
      [limit, state] = [idle, NO_BYTE];
      alarms.putOff(alarm, performance.now() + limit);
    },
    pause: () => void (alarm.deadline = Infinity),
    sent() {
      [limit, state] = [response, "no answer"];
      alarms.putOff(alarm, performance.now() + limit);
    },
    stop() {
      alarms.drop(alarm);
      // Even to clear none would make Deno load its timers.
      if (late !== undefined) clearTimeout(late);
      signal?.removeEventListener("abort", abort);
    },
  };
  return clock;
}

/** A question on the side must not be what a person waits for. */
export const PROBE_MILLISECONDS = 5_000;

/** Ends such a question, after less where the limit is lower, and with what it is asked for. */
export function probeSignal(cancel: AbortSignal | undefined, limit = Infinity): AbortSignal {
  return anySignal(cancel, AbortSignal.timeout(Math.min(PROBE_MILLISECONDS, limit)));
}
