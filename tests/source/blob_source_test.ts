import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { collect, concat, toBytes } from "../../src/bytes.ts";
import { bytesSource, isBlobSource, readRange } from "../../src/source/blob_source.ts";
import { test } from "../helpers/test.ts";

const TEN = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

/** A source that hands out pieces of a given size and counts how many were asked for. */
function piecewise(bytes: Uint8Array<ArrayBuffer>, pieceSize: number) {
  const state = { pieces: 0, cancelled: false };
  const stream = (start: number, end: number) => {
    let at = start;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= end) return controller.close();
        state.pieces++;
        controller.enqueue(bytes.subarray(at, Math.min(end, at += pieceSize)));
      },
      cancel: () => void (state.cancelled = true),
    }, { highWaterMark: 0 });
  };
  const source = {
    size: bytes.length,
    slice: (start: number, end: number) => ({
      stream: () => stream(start, Math.min(end, bytes.length)),
    }),
  };
  return { source, state, stream };
}

test("isBlobSource() asks for a size and a slice method", () => {
  assertEquals(isBlobSource(new Blob(["x"])), true);
  assertEquals(isBlobSource({ size: 1, slice: () => ({}) }), true);
  for (const value of [null, undefined, "text", {}, { size: 1 }, { size: "1", slice() {} }, TEN]) {
    assertEquals(isBlobSource(value), false);
  }
  assertEquals(isBlobSource(new ReadableStream()), false);
});

test("readRange() gives the bytes whatever the pieces are", async () => {
  for (const pieceSize of [1, 3, 4, 10, 100]) {
    const { source } = piecewise(TEN, pieceSize);
    assertEquals(await readRange(source, 2, 6), TEN.slice(2, 6), `pieces of ${pieceSize}`);
    assertEquals(await readRange(source, 0, 10), TEN);
  }
});

test("readRange() stops at the end of the source", async () => {
  const { source } = piecewise(TEN, 4);
  assertEquals(await readRange(source, 8, 20), TEN.slice(8));
  assertEquals(await readRange(source, 10, 20), new Uint8Array(0));
  assertEquals(await readRange(source, 30, 20), new Uint8Array(0));
});

test("readRange() reads nothing for an empty range", async () => {
  const { source, state } = piecewise(TEN, 4);
  assertEquals((await readRange(source, 5, 5)).length, 0);
  assertEquals(state.pieces, 0);
});

test("readRange() gives what there is when a source is shorter than it says", async () => {
  const { source } = piecewise(TEN, 4);
  assertEquals(await readRange({ ...source, size: 50 }, 6, 50), TEN.slice(6));
});

test("readRange() takes no more than it asked for from a source that gives more", async () => {
  const greedy = { size: 10, slice: () => new Blob([TEN]) };
  assertEquals(await readRange(greedy, 0, 4), TEN.slice(0, 4));
});

test("collect() joins a stream up to the limit", async () => {
  const { stream } = piecewise(TEN, 3);
  assertEquals(await collect(stream(0, 10), 10, () => new Error("too large")), TEN);
  assertEquals((await collect(stream(0, 0), 0, () => new Error("too large"))).length, 0);
});

test("collect() cancels the stream past the limit and throws the given error", async () => {
  const { stream, state } = piecewise(TEN, 3);
  await assertRejects(
    () => collect(stream(0, 10), 5, () => new RangeError("over")),
    RangeError,
    "over",
  );
  assertEquals(state, { pieces: 2, cancelled: true });
});

test("concat() does not copy a single piece", () => {
  assertStrictEquals(concat([TEN], 10), TEN);
  assertEquals(concat([TEN.subarray(0, 4), TEN.subarray(4)], 10), TEN);
  assertEquals(concat([], 0), new Uint8Array(0));
});

test("toBytes() copies only out of shared memory", () => {
  assertStrictEquals(toBytes(TEN), TEN);
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  shared.set([7, 8]);
  assertEquals(toBytes(shared).buffer instanceof ArrayBuffer, true);
  assertEquals([...toBytes(shared)], [7, 8]);
});

test("bytesSource() hands bytes out without a copy, a MiB at a time", async () => {
  const bytes = new Uint8Array(2.5 * 1024 * 1024).map((_, at) => at);
  const pieces = await Array.fromAsync(bytesSource(bytes).slice(1, bytes.length).stream());
  assertEquals(pieces.map(({ length }) => length / 1024), [1024, 1024, 512 - 1 / 1024]);
  for (const { buffer } of pieces) assertStrictEquals(buffer, bytes.buffer);
  assertEquals(concat(pieces.map(toBytes), bytes.length - 1), bytes.subarray(1));
  assertEquals(await Array.fromAsync(bytesSource(bytes).slice(7, 7).stream()), []);
});
