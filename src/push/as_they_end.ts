import { anySignal, untilAborted } from "../concurrency.ts";

/**
 * Runs a job for every item, some at a time, and gives the results in the order in which the jobs end; to fail is a result,
 * too, but for what was cut short: that has no reason of its own. The next item is taken as soon as there is a place for it.
 * When the run ends early, for nobody asks for more or a job threw, the signal that the jobs got is aborted, and all are
 * awaited.
 *
 * @param failFast Whether the first that failed ends the rest.
 * @param job The work; it must heed the signal.
 * @param signal Aborts the signal of the jobs, and takes no more items, be one awaited: the run ends with the last job.
 * @throws The signal's reason.
 * @throws {TypeError} If there are no items to take one after the other.
 */
export async function* resultsAsTheyEnd<T, R extends { status: string }>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  failFast: boolean,
  job: (item: T, index: number, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal,
): AsyncGenerator<R, void, void> {
  const iterator = iteratorOf(items);
  const over = new AbortController();
  const inner = anySignal(signal, over.signal);
  const running = new Set<Promise<Ended<R>>>();
  let coming: Promise<Come<T>> | undefined;
  let count = 0;
  let isRead = false;
  try {
    for (;;) {
      const takesMore = !isRead && !signal.aborted;
      // The list may come from somewhere, too: what ends meanwhile does not wait for it.
      if (takesMore && running.size < limit) coming ??= come();
      const awaited = [...(takesMore && coming ? [coming] : []), ...running];
      if (awaited.length === 0) break;
      const first = await Promise.race<Come<T> | Ended<R>>(awaited);
      if ("run" in first) {
        const { run, result } = first;
        running.delete(run);
        const isFailed = result.status === "failed";
        if (isFailed) signal.throwIfAborted();
        yield result;
        if (isFailed && failFast) return;
      } else if (first.next) {
        coming = undefined;
        if (first.next.done) isRead = true;
        else start(first.next.value);
      }
    }
  } finally {
    over.abort();
    await Promise.allSettled(running);
    const returned = isRead ? undefined : Promise.resolve(iterator.return?.());
    // What is waited for may never come, or fail with nobody left to be told.
    if (coming) { for (const late of [coming, returned]) late?.catch(() => {}); }
    else await returned;
  }
  signal.throwIfAborted();

  /** The next item; none where the signal is aborted before it is there. */
  async function come(): Promise<Come<T>> {
    let next: IteratorResult<T, unknown> | undefined;
    const taken = (async () => {
      next = await iterator.next();
    })();
    taken.catch(() => {});
    await untilAborted(taken, signal).catch((error) => {
      if (!signal.aborted) throw error;
    });
    return { next };
  }

  function start(item: T): void {
    const run: Promise<Ended<R>> = job(item, count++, inner).then((result) => ({
      run,
      result,
    }));
    running.add(run);
  }
}

interface Ended<R> {
  run: Promise<Ended<R>>;
  result: R;
}

interface Come<T> {
  next: IteratorResult<T, unknown> | undefined;
}

function iteratorOf<T>(items: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  if (typeof items === "object" && items !== null) {
    if (Symbol.asyncIterator in items) return items[Symbol.asyncIterator]();
    if (Symbol.iterator in items) return items[Symbol.iterator]();
  }
  throw new TypeError("Cannot take sources one after the other: expected an array or an iterable");
}
