import { assertEquals, assertRejects } from "@std/assert";
import { collect } from "../src/bytes.ts";
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
