import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import type { Bytes } from "../../src/bytes.ts";
import { decompress } from "../../src/codec/decompress.ts";
import { unzstd } from "../../src/codec/unzstd.ts";
import { ArchiveError } from "../../src/errors.ts";
import { changed, joined, zstdFrame } from "../helpers/compressed.ts";
import { withValue } from "../helpers/globals.ts";
import { inPieces } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

const CHUNK_SIZES = [7, 511, 65_536];
const CONTENT = Uint8Array.from({ length: 140_000 }, (_, index) => (index * index) >> 7);
const FRAME = await zstdFrame(CONTENT);
const SKIPPABLE = Uint8Array.of(0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
const DAMAGED = "a zstd frame is damaged: its blocks, size or checksum do not match";
/** `zstd -19` of "abcd" and 2,000 times "abcdefgh\n", 1.5.4: a compressed block, a size and a checksum. */
const COMPRESSED = Uint8Array.from(
  atob("KLUv/WRURa0AAGhhYmNkYWJjZGVmZ2gKAQBEBvfyBQMB1nU="),
  (character) => character.charCodeAt(0),
);

test("unzstd() refuses damaged frames in the same words everywhere", async () => {
  const cases: [what: string, data: Bytes][] = [
    ["a wrong checksum", await zstdFrame(CONTENT, { checksum: 1 })],
    ["a changed byte", changed(FRAME, 1000)],
    ["a size that is too large", await zstdFrame(CONTENT, { contentSize: CONTENT.length + 1 })],
    ["a size that is too small", await zstdFrame(CONTENT, { contentSize: CONTENT.length - 1 })],
    ["a size far too small", await zstdFrame(CONTENT, { contentSize: 10 })],
    [
      "a size without a checksum",
      await zstdFrame(CONTENT, { contentSize: 140_001, checksum: null }),
    ],
    ["content where none was said", await zstdFrame(CONTENT, { contentSize: 0 })],
    ["nothing where content was said", await zstdFrame(CONTENT.slice(0, 0), { contentSize: 5 })],
    ["a changed byte in the second frame", joined(FRAME, changed(FRAME, 135_000))],
    ["a changed byte in the first frame", joined(changed(FRAME, 135_000), FRAME)],
    ["a compressed block that is changed", changed(COMPRESSED, 20)],
  ];
  for (const [what, data] of cases) {
    for (const size of CHUNK_SIZES) {
      assertEquals(await refusal(data, size), [DAMAGED, undefined], `${what}, ${size}`);
    }
  }
});

test("unzstd() refuses what is no whole frame in the same words everywhere", async () => {
  const pipe = "pipe it through zstd: zstd -dc --long=31 FILE | tarpush push - TARGET";
  const window = "a zstd frame needs a window of 150994944 bytes, above the limit of 134217728";
  const trailing = "something else follows the last zstd frame";
  const cases: [expected: string, hint: string | undefined, data: Bytes][] = [
    [`the data ends inside a block of zstd frame 1 ${after(135_000)}`, undefined, cut(135_000)],
    [`the data ends inside a checksum of zstd frame 1 ${after(-1)}`, undefined, cut(-1)],
    [`the data ends inside a frame header of zstd frame 1 ${after(5)}`, undefined, cut(5)],
    [trailing, undefined, joined(FRAME, new TextEncoder().encode("garbage"))],
    [trailing, undefined, joined(FRAME, new Uint8Array(512))],
    [trailing, undefined, joined(FRAME, new TextEncoder().encode("\n"))],
    [trailing, undefined, joined(FRAME, FRAME.slice(0, 2).fill(0, 1))],
    ...[FRAME.slice(0, 3), Uint8Array.of(0x5a, 0x2a)].map((start): [string, undefined, Bytes] => [
      `the data ends inside a frame header of zstd frame 2 (found after reading ${
        FRAME.length + start.length
      } bytes)`,
      undefined,
      joined(FRAME, start),
    ]),
    ["a zstd frame needs the dictionary 7", undefined, await zstdFrame(CONTENT, { dictionary: 7 })],
    [window, pipe, await zstdFrame(CONTENT, { window: 0x89 })],
    [window, pipe, joined(FRAME, SKIPPABLE, await zstdFrame(CONTENT, { window: 0x89 }))],
  ];
  for (const [expected, hint, data] of cases) {
    for (const size of CHUNK_SIZES) {
      assertEquals(await refusal(data, size), [expected, hint], `${size}`);
    }
  }
});

test("unzstd() notices every bit that flips in a frame with a checksum", async () => {
  // Both say how much is remembered, and more or less of it may do as well.
  const harmless = [4, 5];
  for (let at = 0; at < COMPRESSED.length; at++) {
    if (harmless.includes(at)) continue;
    for (let bit = 0; bit < 8; bit++) {
      const data = changed(COMPRESSED, at, 1 << bit);
      await assertRejects(() => inflate(data), ArchiveError, "Cannot inflate", `${at} ${bit}`);
    }
  }
});

test("unzstd() takes a window of 128 MiB, several frames and skippable ones", async () => {
  const data = joined(SKIPPABLE, await zstdFrame(CONTENT, { window: 0x88 }), SKIPPABLE, FRAME);
  assertEquals(await inflate(data), joined(CONTENT, CONTENT));
});

test("unzstd() gives the memory of a frame's window back", async () => {
  // A byte each, in a window of 128 KiB or 128 MiB; libzstd keeps a large one for 128 frames that need less.
  const [small, large] = [0x38, 0x88].map((window) =>
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, window, 9, 0, 0, 0x61)
  );
  const frames = Array.from({ length: 40 * 130 }, (_, index) => index % 130 === 0 ? large : small);
  const data = await new Blob(frames.flatMap((frame) => frame ?? [])).bytes();
  assertEquals((await inflate(data)).length, frames.length);
});

test("unzstd() inflates several streams at once, each by itself", async () => {
  const contents = Array.from({ length: 6 }, (_, index) => CONTENT.map((byte) => byte ^ index));
  const frames = await Promise.all(contents.map((content) => zstdFrame(content)));
  const broken = inflate(changed(FRAME, 1000), 4096).catch((error) => error);
  const inflated = await Promise.all(frames.map((frame) => inflate(frame, 4096)));
  assertInstanceOf(await broken, ArchiveError);
  for (const [index, content] of contents.entries()) assertEquals(inflated[index], content);
});

/** What is said of data that is refused, and the hint. */
async function refusal(data: Bytes, size: number): Promise<[string, string | undefined]> {
  const error = await assertRejects(() => inflate(data, size), ArchiveError);
  return [error.message.replace("Cannot inflate it: ", ""), error.hint];
}

async function inflate(data: Bytes, size = 65_536): Promise<Bytes> {
  return await new Response(decompress(inPieces(new Blob([data]), size), "zstd", "it")).bytes();
}

function after(end: number): string {
  return `(found after reading ${cut(end).length} bytes)`;
}

function cut(end: number): Bytes {
  return FRAME.slice(0, end);
}

test("unzstd() inflates natively where the runtime can, and tells a failure of the source from damage", async () => {
  const content = new TextEncoder().encode("content");
  const frame = await zstdFrame(content);
  const asked: string[] = [];
  class Native extends TransformStream<Bytes, Bytes> {
    constructor(format: string) {
      super({
        transform(piece) {
          if (piece.includes(0xee)) throw new TypeError("corrupt");
        },
        flush: (controller) => controller.enqueue(content),
      });
      asked.push(format);
    }
  }
  await withValue(globalThis, "DecompressionStream", Native, async () => {
    assertEquals(await Array.fromAsync(unzstd(once(frame))), [content]);
    const failure = new Error("the source fails");
    const failing = async function* () {
      yield frame;
      throw failure;
    };
    const thrown = await Array.fromAsync(unzstd(failing())).catch((error) => error);
    assertStrictEquals(thrown, failure);
    const damaged = await zstdFrame(new Uint8Array([0xee]));
    await assertRejects(() => Array.fromAsync(unzstd(once(damaged))), Error, DAMAGED);
  });
  assertEquals(asked, ["zstd", "zstd", "zstd"]);
});

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}
