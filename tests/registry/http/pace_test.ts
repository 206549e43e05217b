import { assert, assertEquals, assertRejects } from "@std/assert";
import { type PieceReader, streamOf } from "../../../src/bytes.ts";
import { Pace, type PaceLimits } from "../../../src/registry/http/pace.ts";
import { resolveRetry, type RetryOptions } from "../../../src/registry/http/retry.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { test } from "../../helpers/test.ts";

/** A pace on a clock of its own, without jitter. */
function makePace(limits: PaceLimits = {}, options: RetryOptions = {}) {
  const clock = new FakeClock();
  const retry = resolveRetry({ random: () => 1, now: clock.now, ...options });
  return { clock, pace: new Pace(limits, retry, clock.sleep) };
}

/** When so many requests that are all there are sent. */
async function timesOf(pace: Pace, count: number): Promise<number[]> {
  return await Promise.all(Array.from({ length: count }, () => pace.enter(undefined)));
}

const NO_HEADERS = new Headers();

test("Pace sends requests at even distances", async () => {
  const { clock, pace } = makePace({ maxRequestsPerSecond: 20 });
  assertEquals(await timesOf(pace, 5), [0, 50, 100, 150, 200]);
  clock.pass(1000);
  // What was not used before is no credit.
  assertEquals(await timesOf(pace, 3), [1200, 1250, 1300]);
});

test("Pace sends less than one request a second where that is wanted", async () => {
  const { pace } = makePace({ maxRequestsPerSecond: 1 / 3e6 });
  // Longer than a timer can wait.
  const [first, second] = await timesOf(pace, 2);
  assertEquals(first, 0);
  assertEquals(Math.round(second ?? 0), 3e9);
});

test("Pace without limits lets everything through at once", async () => {
  const { pace } = makePace();
  assertEquals(await timesOf(pace, 4), [0, 0, 0, 0]);
  await pace.pass(1e12, undefined);
  await pace.pass(1e12, undefined);
  assertEquals(await timesOf(pace, 1), [0]);
});

test("Pace lets go of who gives up at once, and of nobody before his turn", async () => {
  const { clock, pace } = makePace({ maxRequestsPerSecond: 1 });
  const abort = new AbortController();
  const times: string[] = [];
  const enter = async (name: string, signal?: AbortSignal) => {
    try {
      times.push(`${name} ${await pace.enter(signal)}`);
    } catch (error) {
      times.push(`${name} ${error} at ${clock.now()}`);
    }
  };
  const all = [
    enter("a"),
    enter("b", abort.signal),
    enter("c", abort.signal),
    enter("d"),
    enter("e"),
  ];
  abort.abort("enough");
  await Promise.all(all);
  assertEquals(times.toSorted(), ["a 0", "b enough at 0", "c enough at 0", "d 1000", "e 2000"]);
  await assertRejects(() => pace.enter(AbortSignal.abort(new Error("before"))), Error, "before");
  assertEquals(await pace.enter(undefined), 3000);
  assertEquals(clock.sleeping, 0);
});

test("Pace spreads bytes over time, whoever they are of", async () => {
  const { clock, pace } = makePace({ maxRate: 10_000 });
  const times = await Promise.all([500, 500, 1000, 5000, 10].map(async (bytes) => {
    await pace.pass(bytes, undefined);
    return clock.now();
  }));
  assertEquals(times, [0, 50, 100, 200, 700]);
  assertEquals(pace.pieceBytes, 1250);
  assertEquals(makePace({ maxRate: 1 }).pace.pieceBytes, 1024);
  assertEquals(makePace({ maxRequestsPerSecond: 1 }).pace.pieceBytes, Infinity);
});

test("Pace does not wait for less than a timer is good for", async () => {
  const { clock, pace } = makePace({ maxRate: 100_000_000 });
  let waits = 0;
  for (let piece = 0; piece < 1000; piece++) {
    const before = clock.now();
    await pace.pass(64 * 1024, undefined);
    if (clock.now() > before) waits++;
  }
  assert(Math.abs(clock.now() - 1000 * 64 * 1024 / 100_000) < 25);
  assert(waits < 40, `${waits} waits`);
});

test("Pace.slowed() passes on what it gets, and stops waiting when it is cancelled or aborted", async () => {
  const { clock, pace } = makePace({ maxRate: 1000 });
  let cancelled = 0;
  const body: PieceReader = {
    read: () => Promise.resolve(new Uint8Array(1000)),
    cancel: () => Promise.resolve(void cancelled++),
  };
  const abort = new AbortController();
  const reader = pace.slowed(body, abort.signal);
  assertEquals((await reader.read())?.length, 1000);
  await reader.read();
  assertEquals(clock.now(), 1000);
  const third = reader.read();
  abort.abort(new Error("enough"));
  await assertRejects(() => third, Error, "enough");
  const other = streamOf(pace.slowed(body, undefined)).getReader();
  const waiting = other.read();
  await other.cancel();
  assertEquals((await waiting).done, true);
  assertEquals([cancelled, clock.sleeping], [2, 0]);
  const empty = { ...body, read: () => Promise.resolve(undefined) };
  assertEquals(await pace.slowed(empty, undefined).read(), undefined);
});

test("Pace pauses all requests for as long as a registry asks that refuses one", async () => {
  const { pace } = makePace({}, { delay: 1500 });
  assertEquals(await pace.enter(undefined), 0);
  pace.refused(0, 4000);
  assertEquals(pace.pauseLeft, 4000);
  // Then a refusal is heard for which there was no need: it was under way with the first.
  pace.refused(0, 2000);
  assertEquals(await timesOf(pace, 3).then((times) => times.map(Math.round)), [4000, 4036, 4071]);
});

test("Pace pauses longer with each refusal in a row, where the registry names no time", async () => {
  const { clock, pace } = makePace({}, { delay: 1500, maxDelay: 45_000 });
  const waits: number[] = [];
  for (let at = 0; at < 7; at++) {
    const sentAt = await pace.enter(undefined);
    pace.refused(sentAt, undefined);
    waits.push(pace.pauseLeft);
  }
  assertEquals(waits, [250, 500, 1000, 2000, 4000, 7500, 7500]);
  const sentAt = await pace.enter(undefined);
  pace.accepted(NO_HEADERS);
  pace.refused(sentAt, undefined);
  assertEquals(pace.pauseLeft, 250);
  assert(clock.now() > 22_000);
});

test("Pace does not wait for a registry that asks for more than anybody waits", async () => {
  const { pace } = makePace({}, { maxRetryAfter: 120_000 });
  pace.refused(undefined, 6 * 3_600_000);
  assertEquals([pace.pauseLeft, await pace.enter(undefined)], [0, 0]);
});

test("Pace slows down with each refusal, down to a limit, and recovers little by little", async () => {
  const { clock, pace } = makePace({}, { delay: 1500 });
  const distance = async () => {
    const [first = 0, second = 0] = await timesOf(pace, 2);
    return Math.round(second - first);
  };
  const distances: number[] = [];
  for (let at = 0; at < 6; at++) {
    pace.refused(clock.now(), 0);
    distances.push(await distance());
  }
  const slowest = distances.at(-1) ?? 0;
  assertEquals(distances.slice(0, 2), [50, 99]);
  assert(slowest > 180 && slowest <= 200, `${distances}`);
  const recovered: number[] = [];
  for (const pause of [10_000, 10_000, 1_000_000]) {
    clock.pass(pause);
    recovered.push(await distance());
  }
  const [once = 0, twice = 0, much = 0] = recovered;
  assert(once > 90 && once < 105 && twice > 60 && twice < 70 && much < 3, `${recovered}`);
});

test("Pace never goes faster than the caller wants", async () => {
  const { pace } = makePace({ maxRequestsPerSecond: 1 });
  pace.refused(0, 0);
  assertEquals(await timesOf(pace, 3), [0, 1000, 2000]);
});

test("Pace lets who was refused go first", async () => {
  const { pace } = makePace({ maxRequestsPerSecond: 1 });
  const names: string[] = [];
  const enter = (name: string, isAgain = false) =>
    pace.enter(undefined, isAgain).then((at) => names.push(`${name} ${at}`));
  await Promise.all([enter("a"), enter("b"), enter("c"), enter("again", true)]);
  assertEquals(names, ["again 0", "a 1000", "b 2000", "c 3000"]);
});

test("Pace lets nobody go early who comes when all others have left", async () => {
  const { clock, pace } = makePace({ maxRequestsPerSecond: 1 });
  await pace.enter(undefined);
  const abort = new AbortController();
  const left = pace.enter(abort.signal).catch((error) => error);
  abort.abort("enough");
  // A timer would keep the program running.
  assertEquals(clock.sleeping, 0);
  assertEquals(await pace.enter(undefined), 1000);
  assertEquals([await left, clock.sleeping], ["enough", 0]);
});

test("Pace waits where a registry says that it will answer no more for now", async () => {
  const { pace } = makePace({ maxRequestsPerSecond: 1000 });
  pace.accepted(new Headers({ "ratelimit-remaining": "1", "ratelimit-reset": "5" }));
  assertEquals(pace.pauseLeft, 0);
  pace.accepted(new Headers({ "ratelimit-remaining": "0", "ratelimit-reset": "5" }));
  assertEquals(await timesOf(pace, 2), [5000, 5001]);
  pace.accepted(new Headers({ "ratelimit-remaining": "0;w=21600", "ratelimit-reset": "21600" }));
  assertEquals(pace.pauseLeft, 0);
});
