import { type Bytes, giveUp } from "../../bytes.ts";
import { withLength } from "./known_length.ts";
import type { Pace } from "./pace.ts";
import type { Clock } from "./time_limits.ts";

/** A slow connection takes this much at a time in less than any sensible limit. */
const LEAST_PIECE_BYTES = 128 * 1024;
/** What buffers of system and runtime take at once: it says nothing about the connection. */
const BUFFERED_BYTES = 4 * 1024 * 1024;

/**
 * Lets the body of a request pass while its time limits are watched.
 *
 * @param body The body; it is cancelled when the clock's signal is aborted.
 * @param options Limit on idleness in milliseconds; whether reading the body has time limits of its own; its length,
 * where that is known; the pace that it has to keep.
 */
export function watchBody(
  body: ReadableStream<Bytes>,
  clock: Clock,
  { idle, isPatient, size, pace }: {
    idle: number;
    isPatient: boolean;
    size?: number | undefined;
    pace?: Pace | undefined;
  },
  onError: (error: unknown) => void,
): ReadableStream<Bytes> | Blob {
  const { signal } = clock;
  const reader = body.getReader();
  const start = performance.now();
  let rest: Bytes = new Uint8Array(0);
  let taken = 0;
  const watched = new ReadableStream<Bytes>({
    start(controller) {
      signal.addEventListener("abort", () => {
        controller.error(signal.reason);
        giveUp(reader, signal.reason);
      }, { once: true });
    },
    async pull(controller) {
      clock.moved();
      let isDone = false;
      try {
        while (rest.length === 0 && !isDone) {
          if (isPatient) clock.pause();
          const { done, value } = await reader.read();
          clock.moved();
          if (done) isDone = true;
          else rest = value;
        }
      } catch (error) {
        onError(error);
        throw error;
      }
      if (isDone) {
        clock.sent();
        return controller.close();
      }
      // Whole pieces are what is fast; only cut ones show that a slow connection moves.
      const most = pieceBytes(taken, performance.now() - start, idle);
      const part = rest.subarray(0, pace ? Math.min(most, pace.pieceBytes) : most);
      rest = rest.subarray(part.length);
      taken += part.length;
      if (pace) {
        // The registry is not to blame for this.
        clock.pause();
        await pace.pass(part.length, signal);
        clock.moved();
      }
      controller.enqueue(part);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return withLength(watched, size);
}

/** Bytes to hand over next, such that they are through in an eighth of the limit on idleness. */
function pieceBytes(taken: number, milliseconds: number, idle: number): number {
  const rate = Math.max(0, taken - BUFFERED_BYTES) / Math.max(1, milliseconds);
  // Where there is no limit, nothing times it would be no number.
  return rate > 0 ? Math.max(LEAST_PIECE_BYTES, Math.floor(rate * idle / 8)) : LEAST_PIECE_BYTES;
}
