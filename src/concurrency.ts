/**
 * Runs `job` for every item, at most `limit` at a time, in order of the items. The first failure aborts the signal
 * that the others got; all are awaited before it is thrown.
 *
 * @param items What to work on; taken one by one as places become free.
 * @param limit Most jobs at once, a whole number above 0.
 * @param job The work; it must heed the signal.
 * @param signal Aborts the whole run with its reason.
 * @throws The first failure of a job, or the signal's reason.
 */
export async function runAll<T>(
  items: Iterable<T>,
  limit: number,
  job: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const inner = anySignal(signal, failed.signal);
  const iterator = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = iterator.next(); !next.done && !inner.aborted; next = iterator.next()) {
      try {
        await job(next.value, inner);
      } catch (error) {
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  inner.throwIfAborted();
}

/** Like {@linkcode runAll}, with results in the order of the items. */
export async function mapAll<T, R>(
  items: readonly T[],
  limit: number,
  job: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const results: R[] = [];
  await runAll(items.entries(), limit, async ([at, item], signal) => {
    results[at] = await job(item, signal);
  }, signal);
  return results;
}

/** @throws {RangeError} If an option is no number of jobs, or the like. */
export function requireCount(option: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  throw new RangeError(`Cannot use ${option} ${value}: expected a whole number above 0`);
}

/** An amount of something, such as memory: taking waits until enough has been given back, one taker after the other. */
export class Budget {
  readonly size: number;
  #free: number;
  readonly #waiting = new Set<{ amount: number; resume: () => void }>();

  constructor(size: number) {
    this.size = this.#free = size;
  }

  /** Takes some; the signal ends the waiting. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#waiting.size === 0 && amount <= this.#free) {
      this.#free -= amount;
      return;
    }
    const { promise, resolve } = createPromise();
    const taker = { amount, resume: resolve };
    this.#waiting.add(taker);
    try {
      await untilAborted(promise, signal);
    } catch (error) {
      // What was given at the same moment goes to the next, and so does the turn of who has gone.
      this.giveBack(this.#waiting.delete(taker) ? 0 : amount);
      throw error;
    }
  }

  giveBack(amount: number): void {
    this.#free += amount;
    for (const taker of this.#waiting) {
      if (taker.amount > this.#free) return;
      this.#waiting.delete(taker);
      this.#free -= taker.amount;
      taker.resume();
    }
  }
}

/** A number of places for jobs, which are given in the order in which they were asked for. */
export class Places {
  readonly #free: Budget;

  /** @param count Most jobs at once, a whole number above 0. */
  constructor(count: number) {
    this.#free = new Budget(count);
  }

  /** Runs a job when there is a place for it; the signal ends the waiting. */
  async run<T>(signal: AbortSignal | undefined, job: () => Promise<T>): Promise<T> {
    await this.#free.take(1, signal);
    try {
      return await job();
    } finally {
      this.#free.giveBack(1);
    }
  }
}

/** What several want at the same time and later, each thing made once. */
export class OnceEach<Key, Value> {
  readonly #made = new Map<Key, Promise<Value>>();

  /** Whether it was made, or is being made. */
  has(key: Key): boolean {
    return this.#made.has(key);
  }

  /**
   * Gives what was made, or makes it; who comes meanwhile waits. A failure is that of the one who made it: others make it
   * with what they have themselves.
   */
  async get(key: Key, make: () => Promise<Value>): Promise<Value> {
    for (let known = this.#made.get(key); known; known = this.#made.get(key)) {
      try {
        return await known;
      } catch {
        // It is told where it belongs.
      }
    }
    const making = make().catch((error) => {
      this.#made.delete(key);
      throw error;
    });
    this.#made.set(key, making);
    return await making;
  }
}

/** A promise and what fulfils it: `Promise.withResolvers`, which Node.js 20 lacks. */
export function createPromise(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((fulfil) => void (resolve = fulfil));
  return { promise, resolve };
}

/** Waits for a promise, but no longer than until the signal is aborted: then rejects with its reason. */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    over.abort();
  }
}

/** Waits; rejects with the signal's reason when it is aborted meanwhile. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** A signal that is aborted with the first of two, by `AbortSignal.any` where the runtime has that; with one it is that. */
export function anySignal(first: AbortSignal | undefined, second: AbortSignal): AbortSignal {
  if (!first) return second;
  if (typeof AbortSignal.any === "function") return AbortSignal.any([first, second]);
  const either = new AbortController();
  for (const signal of [first, second]) {
    if (signal.aborted) either.abort(signal.reason);
    const abort = () => either.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true, signal: either.signal });
  }
  return either.signal;
}

/** What is in memory is read, hashed and inflated without ever waiting: after so many bytes others get their turn. */
const REST_BYTES = 64 * 1024 * 1024;

/** Lets timers and signals have their turn now and then while bytes are at hand; that costs a millisecond each time. */
export class Rests {
  #bytes = 0;

  /**
   * Counts bytes that were worked on.
   *
   * @returns What to wait for, where a turn is due.
   */
  after(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < REST_BYTES) return undefined;
    this.#bytes = 0;
    return new Promise((resolve) => setTimeout(resolve));
  }
}
