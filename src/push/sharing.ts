import { createPromise, Places, untilAborted } from "../concurrency.ts";

/**
 * Keeps archives that are pushed to one registry at the same time out of each other's way: what several of them hold is
 * sent by one, and all together have no more uploads in flight than one push may have.
 */
export class Sharing {
  /** Where uploads wait for their turn. */
  readonly uploads: Places;
  readonly #busy = new Map<string, Promise<void>>();

  /** @param uploads Most uploads in flight. */
  constructor(uploads: number) {
    this.uploads = new Places(uploads);
  }

  /**
   * Runs a job that no other archive does meanwhile. Another that is at it is waited for, and then `plan` is asked again:
   * there may be nothing left to do.
   *
   * @param plan Tells the name of the job, or its result where it needs no work.
   */
  async alone<T>(
    signal: AbortSignal,
    plan: () => { key: string } | { result: T },
    job: () => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const planned = plan();
      if ("result" in planned) return planned.result;
      const other = this.#busy.get(planned.key);
      if (other) await untilAborted(other, signal);
      else return await this.#run(planned.key, job);
    }
  }

  async #run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const { promise, resolve } = createPromise();
    this.#busy.set(key, promise);
    try {
      return await job();
    } finally {
      this.#busy.delete(key);
      resolve();
    }
  }
}
