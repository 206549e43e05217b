/** A clock that stands still but for those who sleep on it: when nothing else is left to do, it is the time that the next one waits for. */
export class FakeClock {
  #time = 0;
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();
  #isTurning = false;

  /** The time, in milliseconds. */
  readonly now = (): number => this.#time;

  /** Who sleeps now. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Lets time pass that nobody waits for. */
  pass(milliseconds: number): void {
    this.#time += milliseconds;
  }

  /** Waits; rejects with the signal's reason when it is aborted meanwhile. */
  readonly sleep = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = { at: this.#time + milliseconds, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      }, { once: true });
      void this.#turn();
    });

  async #turn(): Promise<void> {
    if (this.#isTurning) return;
    this.#isTurning = true;
    while (this.#sleepers.size > 0) {
      // All that can go on does so before any time passes.
      await new Promise((resolve) => setTimeout(resolve));
      const [first] = [...this.#sleepers].sort((a, b) => a.at - b.at);
      if (!first) break;
      this.#sleepers.delete(first);
      this.#time = Math.max(this.#time, first.at);
      first.wake();
    }
    this.#isTurning = false;
  }
}
