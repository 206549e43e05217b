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
 */
export class Alarms {
  readonly #alarms = new Set<Alarm>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;

  /** Sets an alarm. */
  set(alarm: Alarm): void {
    this.#alarms.add(alarm);
    if (alarm.deadline < this.#due) this.#wakeAt(alarm.deadline);
  }

  /** Bytes move far more often than time runs out: where the timer is due before, it finds the new deadline by itself. */
  putOff(alarm: Alarm, deadline: number): void {
    alarm.deadline = deadline;
    if (deadline < this.#due && this.#alarms.has(alarm)) this.#wakeAt(deadline);
  }

  /** Takes an alarm back. */
  drop(alarm: Alarm): void {
    this.#alarms.delete(alarm);
    if (this.#alarms.size === 0) this.#wakeAt(Infinity);
  }

  #wakeAt(time: number): void {
    clearTimeout(this.#timer);
    this.#due = time;
    if (time === Infinity) return;
    const wait = Math.min(time - performance.now(), MAX_WAIT);
    this.#timer = setTimeout(() => this.#ring(), wait);
  }

  #ring(): void {
    const soon = performance.now() + 1;
    for (const alarm of this.#alarms) {
      if (alarm.deadline > soon) continue;
      this.#alarms.delete(alarm);
      alarm.ring();
    }
    this.#wakeAt(Math.min(...[...this.#alarms].map(({ deadline }) => deadline)));
  }
}
