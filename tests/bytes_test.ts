import { assertEquals, assertRejects } from "@std/assert";
import { collect, createStream, readHead, toBytes } from "../src/bytes.ts";
import { withValue } from "./helpers/globals.ts";
import { test } from "./helpers/test.ts";

const tooLarge = () => new Error("too large");
const streamOf = (...pieces: Uint8Array[]) => ReadableStream.from(pieces);

test("collect() joins pieces, and keeps no more than they hold", async () => {
  const room = new Uint8Array(65_536).fill(7);
  for (const pieces of [[room.subarray(0, 3)], [room.subarray(0, 2), room.subarray(9, 10)]]) {
    const bytes = await collect(streamOf(...pieces), 3, tooLarge);
    assertEquals([bytes, bytes.buffer.byteLength], [new Uint8Array([7, 7, 7]), 3]);
  }
  assertEquals(await collect(streamOf(), 0, tooLarge), new Uint8Array(0));
});

test("collect() stops at its limit", async () => {
  await assertRejects(() => collect(streamOf(new Uint8Array(4)), 3, tooLarge), Error, "too large");
});

test("createStream() makes a piece when it is asked for, and tells that nobody asks any more", async () => {
  const told: unknown[] = [];
  const pieces = [new Uint8Array(1), new Uint8Array(0)];
  const stream = createStream(() => {
    told.push("asked");
    return pieces.shift();
  }, (reason) => told.push(reason));
  const reader = stream.getReader();
  await Promise.resolve();
  assertEquals(told, []);
  assertEquals((await reader.read()).value?.length, 1);
  assertEquals((await reader.read()).value?.length, 0);
  await reader.cancel("enough");
  assertEquals(told, ["asked", "asked", "enough"]);
});

test("readHead() gives the beginning, and all of the stream with it", async () => {
  for (const size of [0, 1, 2, 3, 4, 9]) {
    const pieces = [1, 2, 3, 4].map((byte) => new Uint8Array([byte]));
    const { head, whole } = await readHead(streamOf(...pieces).getReader(), size);
    assertEquals(head, new Uint8Array([1, 2, 3, 4]).subarray(0, size));
    assertEquals(await collect(whole, 4, tooLarge), new Uint8Array([1, 2, 3, 4]));
  }
});

// Jest's global one is not that of the memory of WebAssembly, which was written to in a copy.
test("toBytes() copies shared memory, and no other, wherever its ArrayBuffer is from", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  const bytes = new Uint8Array(3);
  await withValue(globalThis, "ArrayBuffer", class {}, () => {
    assertEquals([toBytes(bytes) === bytes, Object.is(toBytes(shared), shared)], [true, false]);
  });
});
