import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ResumableBody } from "../../../src/push/one_pass/resumable_body.ts";
import type { Bytes } from "../../helpers/archives.ts";
import { test } from "../../helpers/test.ts";

/** A body of pieces of ten bytes, 0 to 99, and what becomes of its source. */
function makeBody(window: number, failAt = Infinity) {
  let at = 0;
  let cancelled: unknown;
  const stream = new ReadableStream<Bytes>({
    pull(controller) {
      if (at >= failAt) return controller.error(new Error("the source broke"));
      if (at >= 100) return controller.close();
      controller.enqueue(Uint8Array.from({ length: 10 }, () => at++));
    },
    cancel: (reason) => void (cancelled = reason),
  }, { highWaterMark: 0 });
  return { body: new ResumableBody(stream, window), read: () => at, cancelled: () => cancelled };
}

async function take(stream: ReadableStream<Bytes>, length: number): Promise<number[]> {
  const bytes: number[] = [];
  const reader = stream.getReader();
  while (bytes.length < length) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes.push(...value);
  }
  reader.releaseLock();
  return bytes;
}

const from = (start: number) => Array.from({ length: 100 - start }, (_, at) => start + at);

test("ResumableBody gives a body that is read once as it is", async () => {
  const { body } = makeBody(20);
  assertEquals(await take(body.open(0), Infinity), from(0));
});

test("ResumableBody goes on wherever its window reaches", async () => {
  for (let start = 30; start <= 50; start++) {
    const { body } = makeBody(20);
    await take(body.open(0), 50);
    assertEquals([body.start, body.end], [30, 50]);
    assertEquals(await take(body.open(start), Infinity), from(start), `${start}`);
  }
});

test("ResumableBody refuses a place that is gone or not yet there", async () => {
  const { body } = makeBody(20);
  await take(body.open(0), 50);
  for (const start of [0, 29, 51]) assertThrows(() => body.open(start), RangeError);
});

test("ResumableBody ends a stream that was opened before, and loses nothing of what it was reading", async () => {
  const { body } = makeBody(20);
  const old = body.open(0);
  await take(old, 30);
  const pending = old.getReader().read();
  const next = body.open(30);
  await assertRejects(() => pending, TypeError, "opened anew");
  assertEquals(await take(next, Infinity), from(30));
});

test("ResumableBody loses nothing of its window to a stream that is halted while it reads", async () => {
  const [asked, given] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const pieces = Array.from({ length: 4 }, (_, at) => new Uint8Array(10).fill(at));
  const source = async function* () {
    yield* pieces.slice(0, 2);
    asked.resolve();
    await given.promise;
    yield* pieces.slice(2);
  };
  const body = new ResumableBody(ReadableStream.from(source()), 20);
  const dying = take(body.open(0), Infinity);
  await asked.promise;
  body.halt();
  given.resolve();
  await assertRejects(() => dying, TypeError, "opened anew");
  assertEquals([body.start, body.end, body.canRewind], [0, 30, true]);
  assertEquals(await take(body.open(0), Infinity), pieces.flatMap((piece) => [...piece]));
});

test("ResumableBody begins again with a stream that is opened anew, whatever it was waiting for", async () => {
  const pieces = Array.from({ length: 5 }, (_, at) => new Uint8Array(10).fill(at));
  const asked = Promise.withResolvers<void>();
  let cancelled = 0;
  let given = 0;
  const stuck = new ReadableStream<Bytes>({
    pull(controller) {
      if (given < 4) return controller.enqueue(pieces[given++]);
      asked.resolve();
      return new Promise(() => {});
    },
    cancel: () => void cancelled++,
  }, { highWaterMark: 0 });
  const body = new ResumableBody(stuck, 10, undefined, () => ReadableStream.from(pieces));
  const dying = take(body.open(0), Infinity);
  await asked.promise;
  assertEquals([body.start, body.canRewind], [30, true]);
  body.rewind();
  const whole = take(body.open(0), Infinity);
  await assertRejects(() => dying, TypeError, "opened anew");
  assertEquals(await whole, pieces.flatMap((piece) => [...piece]));
  assertEquals(cancelled, 1);
});

for (const way of ["rewind", "forget", "cancel"] as const) {
  test(`ResumableBody ends the stream that is open with ${way}()`, async () => {
    const pieces = () => ReadableStream.from(Array.from({ length: 5 }, () => new Uint8Array(10)));
    const body = new ResumableBody(pieces(), 10, undefined, pieces);
    const open = body.open(0);
    await take(open, 30);
    await body[way]("no more");
    await assertRejects(() => take(open, 10), TypeError, "opened anew");
  });
}

test("ResumableBody is not cancelled with one of its streams", async () => {
  const { body, cancelled } = makeBody(20);
  const stream = body.open(0);
  await take(stream, 20);
  await stream.cancel("broken");
  assertEquals(cancelled(), undefined);
  assertEquals(await take(body.open(10), Infinity), from(10));
  await body.cancel("no more");
  assertEquals(cancelled(), undefined, "a stream at its end has nothing to cancel");
});

test("ResumableBody cancels its source when it is given up", async () => {
  const { body, cancelled } = makeBody(20);
  await take(body.open(0), 20);
  await body.cancel("no more");
  assertEquals(cancelled(), "no more");
});

test("ResumableBody tells the failure of its source from others", async () => {
  const { body } = makeBody(20, 50);
  await assertRejects(() => take(body.open(0), Infinity), Error, "the source broke");
  assertEquals((body.failure?.error as Error).message, "the source broke");
});

test("ResumableBody reads nothing ahead", async () => {
  const { body, read } = makeBody(20);
  const stream = body.open(0);
  assertEquals(read(), 0);
  await take(stream, 10);
  assertEquals(read(), 10);
});

test("ResumableBody gives up each piece once it is behind the window", async () => {
  const pieces = Array.from({ length: 10 }, (_, at) => new Uint8Array(10).fill(at));
  const passed: number[] = [];
  const body = new ResumableBody(
    ReadableStream.from(pieces),
    20,
    (piece) => passed.push(pieces.indexOf(piece)),
  );
  await take(body.open(0), 50);
  assertEquals(passed, [0, 1, 2]);
  assertEquals(await take(body.open(30), 20), [3, 4].flatMap((at) => Array(10).fill(at)));
});

test("ResumableBody gives back what it keeps when all has arrived", async () => {
  const passed: number[] = [];
  const body = new ResumableBody(
    ReadableStream.from([1, 2, 3].map((n) => new Uint8Array(n))),
    100,
    (piece) => passed.push(piece.length),
  );
  await take(body.open(0), Infinity);
  assertEquals(passed, []);
  body.forget();
  assertEquals(passed, [1, 2, 3]);
});
