/** Something to be done at a time that may still move. */
export interface Alarm {
  /** As `performance.now()` counts. */
  deadline: number;
  ring(): void;
}

/** Longest time that a timer can wait, in milliseconds: one of more rings at once. */
export const MAX_WAIT = 2 ** 31 - 1;

/**
 * One timer for all requests to a registry: on Deno, a timer for each takes a tenth of what its request takes. It is not
 * shared any wider, because on an edge worker a timer ends with the request from outside that set it.
 *
 * The timer is a signal of the web's: `setTimeout` costs a process of Deno 5 ms, the modules of Node.js that it loads. Such a
 * signal cannot be taken back; it keeps nobody waiting while nobody listens, and serves again until it is due.
 */
export class Alarms {
  readonly #alarms = new Set<Alarm>();
  #timer: AbortSignal | undefined;
  /** When the timer rings. */
  #due = Infinity;
  readonly #onTime = () => this.#ring();

  /** Sets an alarm. */
  set(alarm: Alarm): void {
    this.#alarms.add(alarm);
    this.#wakeAt(alarm.deadline);
    if (this.#alarms.size === 1) this.#timer?.addEventListener("abort", this.#onTime);
  }

  /** Bytes move far more often than time runs out: where the timer is due before, it finds the new deadline by itself. */
  putOff(alarm: Alarm, deadline: number): void {
    alarm.deadline = deadline;
    if (this.#alarms.has(alarm)) this.#wakeAt(deadline);
  }

  /** Takes an alarm back. */
  drop(alarm: Alarm): void {
    this.#alarms.delete(alarm);
    if (this.#alarms.size === 0) this.#timer?.removeEventListener("abort", this.#onTime);
  }

  /** Makes sure that the timer rings by then. */
  #wakeAt(time: number): void {
    // One that nobody listened to has passed unheard.
    if (this.#timer?.aborted) this.#due = Infinity;
    if (time >= this.#due) return;
    this.#timer?.removeEventListener("abort", this.#onTime);
    this.#due = time;
    this.#timer = startTimer(Math.max(0, Math.min(time - performance.now(), MAX_WAIT)));
    this.#timer.addEventListener("abort", this.#onTime);
  }

  #ring(): void {
    const soon = performance.now() + 1;
    this.#due = Infinity;
    for (const alarm of this.#alarms) {
      if (alarm.deadline > soon) continue;
      this.#alarms.delete(alarm);
      alarm.ring();
    }
    const next = Math.min(...[...this.#alarms].map(({ deadline }) => deadline));
    if (next < Infinity) this.#wakeAt(next);
  }
}

function startTimer(milliseconds: number): AbortSignal {
  if (typeof AbortSignal.timeout === "function") {
    return AbortSignal.timeout(Math.ceil(milliseconds));
  }
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}
