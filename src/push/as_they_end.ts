/**
 * Runs a job for every item, some at a time, and gives the results in the order in which the jobs end. The next item is
 * taken as soon as there is a place for it. When the run ends early, for nobody asks for more or a job threw, the signal
 * that the jobs got is aborted, and all are awaited.
 *
 * @param items What to work on, in this order.
 * @param limit Most jobs at once, a whole number above 0.
 * @param job The work; it must heed the signal.
 */
export async function* asTheyEnd<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  job: (item: T, index: number, signal: AbortSignal) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const iterator: Iterator<T> | AsyncIterator<T> = Symbol.asyncIterator in items
    ? items[Symbol.asyncIterator]()
    : items[Symbol.iterator]();
  const over = new AbortController();
  const running = new Set<Promise<Ended<R>>>();
  let coming: Promise<Come<T>> | undefined;
  let count = 0;
  let isOver = false;
  try {
    for (;;) {
      // The list may come from somewhere, too: what ends meanwhile does not wait for it.
      if (!isOver && running.size < limit) {
        coming ??= Promise.resolve(iterator.next()).then((next) => ({ next }));
      }
      const first = await Promise.race<Come<T> | Ended<R>>(
        coming ? [coming, ...running] : [...running],
      );
      if ("next" in first) {
        coming = undefined;
        if (first.next.done) isOver = true;
        else start(first.next.value);
        if (isOver && running.size === 0) return;
        continue;
      }
      running.delete(first.run);
      yield first.result;
      if (isOver && running.size === 0) return;
    }
  } finally {
    over.abort();
    await Promise.allSettled(running);
    const returned = isOver ? undefined : Promise.resolve(iterator.return?.());
    // What is waited for may never come, or fail with nobody left to be told.
    if (coming) { for (const late of [coming, returned]) late?.catch(() => {}); }
    else await returned;
  }

  function start(item: T): void {
    const run: Promise<Ended<R>> = job(item, count++, over.signal).then((result) => ({
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
  next: IteratorResult<T, unknown>;
}
