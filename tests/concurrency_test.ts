import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { anySignal, mapAll, OnceEach, Places, runAll, sleep } from "../src/concurrency.ts";
import { withValue } from "./helpers/globals.ts";
import { test } from "./helpers/test.ts";

/** Jobs that end when the test says so. */
function gates() {
  const open = new Map<number, () => void>();
  const fail = new Map<number, (error: unknown) => void>();
  const started: number[] = [];
  const job = (item: number) => {
    started.push(item);
    return new Promise<void>((resolve, reject) => {
      open.set(item, resolve);
      fail.set(item, reject);
    });
  };
  return { open: (item: number) => open.get(item)?.(), fail, started, job };
}

/** Lets every promise that can settle now do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test("runAll() runs every item once", async () => {
  const seen: number[] = [];
  await runAll([1, 2, 3, 4, 5], 2, async (item) => {
    await Promise.resolve();
    seen.push(item);
  });
  assertEquals(seen.sort(), [1, 2, 3, 4, 5]);
});

test("runAll() ends at once without items", async () => {
  await runAll([], 3, () => Promise.reject(new Error("never called")));
});

test("runAll() keeps at most the limit running, and starts in order", async () => {
  const { open, started, job } = gates();
  const run = runAll([1, 2, 3, 4], 2, job);
  await settle();
  assertEquals(started, [1, 2]);
  open(2);
  await settle();
  assertEquals(started, [1, 2, 3]);
  open(1);
  open(3);
  await settle();
  open(4);
  await run;
  assertEquals(started, [1, 2, 3, 4]);
});

test("runAll() takes items only as places become free", async () => {
  let taken = 0;
  function* items() {
    for (let item = 1; item <= 100; item++) {
      taken++;
      yield item;
    }
  }
  const { open, job } = gates();
  const controller = new AbortController();
  const run = runAll(items(), 3, job, controller.signal);
  await settle();
  assertEquals(taken, 3);
  controller.abort(new Error("enough"));
  for (const item of [1, 2, 3]) open(item);
  await assertRejects(() => run, Error, "enough");
  assertEquals(taken <= 6, true);
});

test("runAll() aborts the others after the first failure and awaits them", async () => {
  const error = new Error("first");
  let ended = false;
  const started: number[] = [];
  const run = runAll([1, 2, 3, 4], 2, async (item, signal) => {
    started.push(item);
    if (item === 1) throw error;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await settle();
    ended = true;
    throw new Error("a later one");
  });
  const thrown = await assertRejects(() => run, Error, "first");
  assertStrictEquals(thrown, error);
  assertEquals([ended, started], [true, [1, 2]]);
});

test("runAll() throws the signal's reason and starts nothing once it is aborted", async () => {
  const reason = new Error("stopped");
  const started: number[] = [];
  const job = (item: number) => Promise.resolve(void started.push(item));
  const thrown = await assertRejects(() => runAll([1, 2], 1, job, AbortSignal.abort(reason)));
  assertStrictEquals(thrown, reason);
  assertEquals(started, []);
});

test("runAll() fails when a job throws before its first await", async () => {
  const job = () => {
    throw new TypeError("sync");
  };
  await assertRejects(() => runAll([1], 1, job), TypeError, "sync");
});

test("mapAll() keeps the order of the items, whichever ends first", async () => {
  const turns = [3, 1, 2, 0];
  const results = await mapAll(turns, 2, async (count) => {
    for (let turn = 0; turn < count; turn++) await Promise.resolve();
    return count * 10;
  });
  assertEquals(results, [30, 10, 20, 0]);
  assertEquals(await mapAll([], 2, () => Promise.resolve(1)), []);
});

test("Places gives places in the order in which they were asked for, and loses none", async () => {
  const { open, fail, started, job } = gates();
  const places = new Places(2);
  const abort = new AbortController();
  const run = (item: number, signal?: AbortSignal) =>
    places.run(signal, () => job(item)).catch((error) => error);
  const all = [run(1), run(2), run(3, abort.signal), run(4), run(5)];
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  abort.abort("enough");
  assertEquals(await all[2], "enough");
  fail.get(1)?.("broken");
  await turn();
  assertEquals(started, [1, 2, 4]);
  open(2);
  open(4);
  await turn();
  open(5);
  assertEquals(await Promise.all(all), ["broken", undefined, "enough", undefined, undefined]);
  assertEquals(await run(6, AbortSignal.abort("before")), "before");
  assertEquals(started, [1, 2, 4, 5]);
});

test("anySignal() is aborted with the first of two, where the runtime cannot combine them, too", async () => {
  for (const any of [AbortSignal.any, undefined]) {
    await withValue(AbortSignal, "any", any, () => {
      for (const which of [0, 1]) {
        const controllers = [new AbortController(), new AbortController()] as const;
        const both = anySignal(controllers[0].signal, controllers[1].signal);
        assertEquals(both.aborted, false);
        controllers[which]?.abort("first");
        controllers[1 - which]?.abort("second");
        assertEquals([both.aborted, both.reason], [true, "first"]);
      }
      const late = anySignal(AbortSignal.abort("before"), new AbortController().signal);
      assertEquals([late.aborted, late.reason], [true, "before"]);
    });
  }
});

test("OnceEach makes a thing once, also for those who come meanwhile", async () => {
  const things = new OnceEach<string, number>();
  let made = 0;
  const get = (key: string) => things.get(key, () => Promise.resolve(++made));
  assertEquals(await Promise.all([get("a"), get("a"), get("b")]), [1, 1, 2]);
  assertEquals([await get("a"), things.has("a"), things.has("c")], [1, true, false]);
});

test("OnceEach has a thing made by the next where the first fails", async () => {
  const things = new OnceEach<string, number>();
  const failing = things.get("a", () => Promise.reject(new Error("broken")));
  const others = [1, 2].map((value) => things.get("a", () => Promise.resolve(value)));
  await assertRejects(() => failing, Error, "broken");
  assertEquals(await Promise.all(others), [1, 1]);
  await assertRejects(() => things.get("b", () => Promise.reject(new Error("again"))));
  assertEquals(things.has("b"), false);
});

test("sleep ends at once with the reason of a signal", async () => {
  const aborted = AbortSignal.abort(new Error("before"));
  await assertRejects(() => sleep(1e6, aborted), Error, "before");
  const controller = new AbortController();
  const sleeping = sleep(1e6, controller.signal);
  controller.abort(new Error("meanwhile"));
  await assertRejects(() => sleeping, Error, "meanwhile");
});

test("sleep takes its listener off the signal", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (
    ...args: Parameters<typeof remove>
  ) => (listeners--, remove(...args));
  await sleep(0, signal);
  assertEquals(listeners, 0);
});
