import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { crc32 } from "../../src/codec/crc32.ts";
import { decompress } from "../../src/codec/decompress.ts";
import { type Compression, sniffCompression } from "../../src/codec/magic.ts";
import { ArchiveError } from "../../src/errors.ts";
import { encode, gzip, seededBytes } from "../helpers/archives.ts";
import { base64, bytes, joined } from "../helpers/compressed.ts";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CHUNK_SIZES = [1, 511, 512, 513, 65_536];
const NOTHING = new Uint8Array(0);
const SHORT = encode("a short content\n");
const PATTERN = Uint8Array.from({ length: 300_000 }, (_, index) => (index * index) >> 7);
const RANDOM = crypto.getRandomValues(new Uint8Array(60_000));

// Made with zstd 1.5.4: `zstd -19 --check` from a pipe (a window, two blocks), `zstd --no-check` (one raw block) and
// `zstd` of nothing (one frame of 13 bytes).
const ZSTD_LINES = base64(
  "KLUv/QRoRAsA0k8fE7AX0gF9BDFJILYkZLeVx2NAVwIjps66HHf3OA52Yi0jps66HHf3OA52Yi0jps66HHf3OA52Yi0jps66HHfncRyksZYRU2dd" +
    "znJn4ThIRHEtj5g663KW21lYjppEFNcsT4mpsx7lLLfyLCxHzS5GxBEHivMDyAaHyQQGQiGAoqggots3sCoQCUjIPBLAEGAIxhlWhLl8//87" +
    "YfWfSssd67AIhhyujgkAOqN3sVPq5JCZUh1JZNu4leOO1bAIw32g4wSCnVG62Dl1UsxM6I4ks+3cynbHaFiA4T4QcQLgzqhdzJA6O2ImlEfS" +
    "2fZuzbljNSzEcB/IOAGgzugXOxdT6iB7ZlCB1QcNW8CtbHeMhgUZ9iBxAgw58MVCTMdteJpBDuvJ2Ey3K4O0ww17ZuhAygkQ5DsOINarN/kg" +
    "WEmir4dByYB2iGwybDTT4Yojgxw83WaXpvvH2WUDIyizbI7nlJ0ZB4gUTQAAAAEArcpQ/66BReRAtw==",
);
/** `xz -9e` of the same lines, and of 4 MiB of zeros, 5.4.1. */
const XZ_LINES = base64(
  "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4kqvAgldADYaSh8IoCYDTQcngUbiKEKNinS71HOT/yT7l7SMyZeZ8148f8++seq/7IRiM9QPzBFLf8Kv" +
    "r+KhlVbsyzCW8j//HNK+JEeFOSTiMRbS1BjpJo2FVy/9fzn1JHk7MzY+BxyuvmXHgaP3+b8ERVCrP/LKSBYiRvSfxOHvqYd4f7ZC4yaiV6/sOO9+" +
    "RE4etEuKGMGmw804EvRAhyyf0EamBfb2Wl5SL3clPXfIlEmAIrUXN6nzxx9hk2M8vQkAcywD7cyxcUstJ2K1VwdUd3JdBfE1x7IpDFZKYNPbgTq7" +
    "2XP1zzSehMa+8r8GUEau6Pa1k8mkzAOE6OLMSYDk4/BtViToqigHNbqCEGIqllcryK1xmMcnxBi4IGNyne/GnVgBKSQ/SOvM7oF+fpDt7RAqfcP+" +
    "ANXL4RpxAdnW4fnxYCGJFwJrMjqIhvJbLWKpwON1Ze8zOF3B6wC5BeniXGe+Etzw6ZfhD8o3Wb1ft7zxOWoz8+pPReJhWSI18d6WSzLSlj2xc/R9" +
    "LUjC4i/wK4+QX+XOC82bIrclQmZrZG6zv4ORB8qjIfbqkximVqJJZ8RlM3zAnAktvi1y5Lx0M/hc6ZKSDQA5wieuT+r/m7tB1/CjwsXjihPYUM87" +
    "SIKf9c0iKdNr1nIHz4l61KidI1YAAifpClv2G9ijmfVlsboLSFZmOAWqfbnCIQAAAAAAAPe2t0ahSVwAAAGlBLCVCQCIfWxIscRn+wIAAAAABFla",
);
const XZ_ZEROS = base64(
  "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM//8RAWxdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLTL8U6PAFLsX7JiopNL6MN2X+m44wjEVPg" +
    "WRjFdYrid/i2lH8MasDedElk4ulcU7IE2PdEDKtfDW1G6eXDdoi3llestk3haR1v+0uIEGxCy4g/XACP0E6vJiiUcR89jyThcJ6nI1/sKMuF0ZWY" +
    "in4qkfIndfcZwAaYTZj92K/VkA/EJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1T" +
    "PfgpZAk7gMsqbN+1O/DEvS5fqg8+S2ZCkBMO/xCT+HF4WfgLzf+VKEYPqfx83vuaMC5WwI+F84OBwGXEJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAd" +
    "us6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvEgn5lif/xABKwDsc1On/b6ufDEan7eNMW5wnqcj" +
    "X+woy4XRlZiKfiqR8id19xnABphNmP3Yr9WQD8QlU/j1kTYxBaWw7m/BcE1HDNGREaqtYB26zrEnGFxZhulmUli+6XasWeTlWwUI+cfarfz7Uit0" +
    "zR5bIEL53VM9+ClkCTuAyyps37U78MS9Ll+qDz5LZkKQEw7/EJP4cXhZ+AvN/5UoRg+p/Hze+5owLlbAj4Xzg4HAZcQlU/j1kTYxBaWw7m/BcE1H" +
    "DNGREaqtYB26zrEnGFxZhulmUli+6XasWeTlWwUI+cfarfz7Uit0zR5bIEL53VM9+ClkCTuAyyps37U78MS9Ll+qDz5LZkKQEw7/EJP4cXhZ+AvN" +
    "/5UoRg+p/Hze+5owLlbAj4Xzg4HAZcQlUQ8/soAB3AAFAEHqpi0AAGtsRXzSCWHbAAHEBYCAgALTUy1YscRn+wIAAAAABFla",
);
const ZSTD_RAW = base64("KLUv/QBYcQAAYSBzaG9ydCBmcmFtZQo=");
const ZSTD_EMPTY = base64("KLUv/SQAAQAAmenYUQ==");
const ZSTD_SKIPPABLE = joined(bytes(0x51, 0x2a, 0x4d, 0x18, 5, 0, 0, 0), encode("hello"));
const LINES = encode(
  Array.from({ length: 12_000 }, (_, i) => `line ${i * i % 31} of ${i % 7}\n`).join(""),
);

test("sniffCompression() tells each kind by its first bytes, and nothing else", () => {
  const cases: [Compression | undefined, number[]][] = [
    ["gzip", [0x1f, 0x8b, 8, 0, 0, 0]],
    ["zstd", [0x28, 0xb5, 0x2f, 0xfd, 4, 0]],
    ["zstd", [0x5e, 0x2a, 0x4d, 0x18, 0, 0]],
    ["bzip2", [0x42, 0x5a, 0x68, 0x39, 0, 0]],
    ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    [undefined, [0x1f, 0x8b]],
    [undefined, [0x6e, 0x2a, 0x4d, 0x18, 0, 0]],
    [undefined, []],
  ];
  for (const [kind, head] of cases) assertEquals(sniffCompression(bytes(...head)), kind, `${head}`);
});

test("crc32() is the checksum of gzip, in any pieces", () => {
  assertEquals(crc32(encode("123456789")), 0xcbf43926);
  for (const at of [0, 1, 15, 16, 17, 299_999]) {
    assertEquals(crc32(PATTERN.subarray(at), crc32(PATTERN.subarray(0, at))), crc32(PATTERN));
  }
});

test("decompress() reads several gzip members alike in chunks of any size", async () => {
  const contents = [SHORT, PATTERN, NOTHING, RANDOM, new Uint8Array(200_000), SHORT];
  const data = joined(...await Promise.all(contents.map(gzip)));
  for (const size of CHUNK_SIZES) {
    assertSame(await inflate("gzip", data, size), joined(...contents), size);
  }
});

test("decompress() leaves room for timers in the middle of what is in memory", async () => {
  const zeros = new Blob([new Uint8Array(80 * 1024 * 1024)]).stream();
  const packed = new Blob([
    await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  ]);
  let hasFired = false;
  setTimeout(() => hasFired = true);
  let firedAt = 0;
  let size = 0;
  for await (const piece of decompress(packed.stream(), "gzip")) {
    size += piece.length;
    if (hasFired) firedAt ||= size;
  }
  assertEquals([size, firedAt > 0], [80 * 1024 * 1024, true]);
});

test("decompress() reads thousands of small gzip members", async () => {
  const member = await gzip(SHORT);
  const data = joined(...Array.from({ length: 5000 }, () => member));
  assertSame(await inflate("gzip", data), joined(...Array.from({ length: 5000 }, () => SHORT)));
});

test("decompress() reads every kind of gzip header", async () => {
  // Zeros that look like the trailer of an empty member.
  const extra = new Uint8Array(300);
  for (const flags of [0, 2, 4, 8, 16, 2 | 4 | 8 | 16]) {
    const data = joined(
      storedMember(SHORT, { flags, extra }),
      storedMember(SHORT, { flags, extra }),
    );
    for (const size of CHUNK_SIZES) {
      assertSame(await inflate("gzip", data, size), joined(SHORT, SHORT), flags);
    }
  }
});

test("decompress() ignores what follows the last gzip member, and reads it to its end", async () => {
  const followers = [
    ...[1, 7, 8, 9, 512, 70_000, 1_000_000].map((size) => new Uint8Array(size)),
    bytes(1),
    encode("some garbage"),
    joined(new Uint8Array(512), encode("some garbage")),
    joined(bytes(2), RANDOM),
  ];
  for (const content of [NOTHING, SHORT, PATTERN, RANDOM]) {
    for (const follower of followers) {
      const source = sourceOf(joined(await gzip(content), follower), 4096);
      assertSame(await collect(decompress(source.stream, "gzip")), content, follower.length);
      assert(source.isRead);
    }
  }
});

test("decompress() is not misled by content that looks like the end of a gzip member", async () => {
  const nested = await gzip(SHORT);
  // Stored, it stands in the data as it is: a trailer with the right length and the wrong checksum.
  const trailer = new Uint8Array(8);
  new DataView(trailer.buffer).setUint32(4, 20_008, true);
  const contents = [
    joined(...Array.from({ length: 50 }, () => nested)),
    joined(new Uint8Array(30_000), nested, new Uint8Array(30_000)),
    joined(RANDOM.subarray(0, 20_000), trailer, nested, RANDOM.subarray(0, 30_000)),
    joined(RANDOM.subarray(0, 20_000), trailer, new Uint8Array(30_000)),
  ];
  const padding = new Uint8Array(100_000);
  for (const content of contents) {
    const data = joined(storedMember(content), storedMember(content), padding);
    for (const size of [511, 65_536]) {
      assertSame(await inflate("gzip", data, size), joined(content, content));
    }
  }
});

test("decompress() reads several zstd frames, skippable ones among them, alike in chunks of any size", async () => {
  const frames = [
    ZSTD_SKIPPABLE,
    ZSTD_LINES,
    ZSTD_SKIPPABLE,
    ZSTD_EMPTY,
    ZSTD_RAW,
    ZSTD_LINES,
    ZSTD_RAW,
  ];
  const content = joined(LINES, encode("a short frame\n"), LINES, encode("a short frame\n"));
  for (const last of [NOTHING, ZSTD_SKIPPABLE, ZSTD_EMPTY]) {
    for (const size of CHUNK_SIZES) {
      assertSame(await inflate("zstd", joined(...frames, last), size), content, size);
    }
  }
});

test("decompress() reads any number of frames without content", async () => {
  const skippable = bytes(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
  for (const frame of [skippable, ZSTD_SKIPPABLE, ZSTD_EMPTY]) {
    const frames = Array.from({ length: 20_000 }, () => frame);
    assertSame(await inflate("zstd", joined(...frames), 2 ** 21), NOTHING);
    assertSame(await inflate("zstd", joined(...frames, ZSTD_LINES), 2 ** 21), LINES);
  }
});

test("decompress() fails when data ends early, wherever that is", async () => {
  const gzipped = joined(await gzip(SHORT), await gzip(LINES.subarray(0, 2000)));
  const zstd = joined(ZSTD_LINES, ZSTD_SKIPPABLE, ZSTD_RAW);
  const cases = [
    { kind: "gzip", data: gzipped, ends: [(await gzip(SHORT)).length] },
    { kind: "zstd", data: zstd, ends: [385, 385 + ZSTD_SKIPPABLE.length] },
  ] as const;
  for (const { kind, data, ends } of cases) {
    for (let cut = 0; cut < data.length; cut++) {
      if (ends.includes(cut)) continue;
      const error = await assertRejects(
        () => collect(decompress(sourceOf(data.subarray(0, cut)).stream, kind, "image.tar")),
        ArchiveError,
        "Cannot inflate image.tar: ",
        `${kind} cut at ${cut}`,
      );
      assertMatch(error.message, new RegExp(`after reading ${cut} bytes`));
    }
  }
  const large = await gzip(PATTERN);
  for (const cut of [11, 5000, large.length - 9, large.length - 8, large.length - 1]) {
    await assertInflateFails("gzip", large.subarray(0, cut));
  }
});

test("decompress() fails on a wrong checksum, a wrong length and changed content of gzip", async () => {
  for (const content of [NOTHING, SHORT, PATTERN, RANDOM]) {
    const data = await gzip(content);
    const middle = data.length >> 1;
    for (const at of [data.length - 8, data.length - 5, data.length - 4, data.length - 1, middle]) {
      const changed = data.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      await assertInflateFails("gzip", changed);
      await assertInflateFails("gzip", joined(changed, data));
      await assertInflateFails("gzip", joined(data, changed));
    }
  }
});

test("decompress() fails on data that is not what it should be", async () => {
  const header = [0x28, 0xb5, 0x2f, 0xfd];
  const cases: [Compression, Bytes, RegExp][] = [
    ["gzip", SHORT, /not gzip/],
    ["gzip", NOTHING, /empty/],
    [
      "gzip",
      joined(
        bytes(0x1f, 0x8b, 8, 8),
        RANDOM.map((byte) => byte | 1),
        RANDOM.map((byte) => byte | 1),
      ),
      /header/,
    ],
    ["zstd", SHORT, /not zstd/],
    ["zstd", joined(ZSTD_RAW, SHORT), /follows the last zstd frame/],
    ["zstd", bytes(...header, 0x01, 0x00, 7, 1, 0, 0), /dictionary 7/],
    [
      "zstd",
      bytes(...header, 0x00, 0x89, 1, 0, 0),
      /window of 150994944 bytes, above the limit of 134217728/,
    ],
    ["zstd", bytes(...header, 0xa0, 1, 0, 0, 8, 1, 0, 0), /window of 134217729 bytes/],
    ["zstd", bytes(...header, 0x08, 0x58, 1, 0, 0), /reserved bit/],
    ["zstd", bytes(...header, 0x00, 0x58, 7, 0, 0), /reserved type 3/],
    ["zstd", bytes(...header, 0x00, 0x58, 0x0b, 0, 0x10), /131073 bytes/],
    [
      "zstd",
      bytes(...header, 0x00, 0x58, 0x45, 0, 0, ...Array(8).fill(0xff)),
      /Cannot inflate zstd data/,
    ],
  ];
  for (const [kind, data, message] of cases) {
    assertMatch((await assertInflateFails(kind, data)).message, message);
  }
});

test("decompress() refuses bzip2, naming the command to pipe through", () => {
  const { stream } = sourceOf(SHORT);
  const error = assertThrows(() => decompress(stream, "bzip2", "image.tar"), ArchiveError);
  assertStringIncludes(error.message, "it is compressed with bzip2, expected gzip, zstd or xz");
  assert(error.hint?.includes("bunzip2 -c FILE | tarpush push - TARGET"), error.hint);
  assert(!stream.locked);
});

test("decompress() inflates a gzip bomb in bounded steps, as far as the reader asks", async () => {
  const bomb = new Uint8Array(
    await new Response(zeros(256).pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
  assert(bomb.length > 2 * 100_000);
  const source = sourceOf(bomb, 4096);
  await assertBounded(decompress(source.stream, "gzip"), source, {
    size: 2 ** 28,
    step: 17 * 2 ** 20,
    ahead: 100_000,
  });
});

test("decompress() inflates a zstd bomb in bounded steps, as far as the reader asks", async () => {
  // A window of 128 KiB and 8192 blocks, each a zero that is repeated 131072 times.
  const blocks = new Uint8Array(4 * 8192).map((_, index) => [0x02, 0, 0x10, 0][index % 4] ?? 0);
  blocks[blocks.length - 4] = 0x03;
  const source = sourceOf(joined(bytes(0x28, 0xb5, 0x2f, 0xfd, 0, 0x38), blocks), 4096);
  await assertBounded(decompress(source.stream, "zstd"), source, {
    size: 2 ** 30,
    step: 17 * 2 ** 17,
    ahead: 3 * 4096,
  });
});

test("decompress() inflates an xz bomb in bounded steps, as far as the reader asks", async () => {
  const source = sourceOf(joined(...Array.from({ length: 64 }, () => XZ_ZEROS)), 4096);
  await assertBounded(decompress(source.stream, "xz"), source, {
    size: 2 ** 28,
    step: 2 ** 16,
    ahead: 2 * 4096,
  });
});

test("decompress() refuses a bomb that goes on and on, and cancels its source", async () => {
  const bombs = [
    ["gzip", await gzip(new Uint8Array(4 * 1024 * 1024))],
    ["zstd", zstdZeros(32)],
    ["xz", XZ_ZEROS],
  ] as const;
  for (const [kind, bomb] of bombs) {
    let cancelled = false;
    const source = () =>
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: (controller) => controller.enqueue(bomb),
        cancel: () => void (cancelled = true),
      }, { highWaterMark: 0 });
    const limits = { ratio: 100, freeBytes: 20 * 1024 * 1024 };
    let inflated = 0;
    const error = await assertRejects(
      async () => {
        for await (const piece of decompress(source(), kind, "a bomb", limits)) {
          inflated += piece.length;
        }
      },
      ArchiveError,
      "more than 100 times as much",
    );
    assertStringIncludes(error.message, "Cannot inflate a bomb: it has become");
    assert(inflated <= limits.freeBytes, `${inflated}`);
    assertEquals(cancelled, true);
    // The ratio alone is no reason: a file may be full of zeros.
    const whole = decompress(new Blob([bomb]).stream(), kind, "zeros", limits);
    assertEquals((await new Response(whole).bytes()).length, 4 * 1024 * 1024);
  }
});

/** One zstd frame of blocks that are 128 KiB of zeros each (RFC 8878, "RLE_Block"). */
function zstdZeros(blocks: number): Uint8Array<ArrayBuffer> {
  const bytes = [0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
  const size = blocks * 128 * 1024;
  bytes.push(size & 0xff, (size >> 8) & 0xff, (size >> 16) & 0xff, (size >> 24) & 0xff);
  for (let at = 1; at <= blocks; at++) {
    const word = (128 * 1024) << 3 | 0b010 | (at === blocks ? 1 : 0);
    bytes.push(word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, 0);
  }
  return new Uint8Array(bytes);
}

test("decompress() joins small pieces and reads nothing before it is asked", async () => {
  for (const [kind, data] of await samples(RANDOM)) {
    const source = sourceOf(joined(...Array.from({ length: 6 }, () => data)), 100);
    const stream = decompress(source.stream, kind);
    await turn();
    assertEquals(source.taken, 0);
    const sizes = (await Array.fromAsync(stream)).map((piece) => piece.length);
    // A large piece is handed on as it is, so the small ones before it may be fewer than 64 KiB.
    const pairs = sizes.slice(1).map((size, index) => size + (sizes[index] ?? 0));
    for (const pair of pairs.slice(0, -1)) assertGreaterOrEqual(pair, 65_536);
  }
});

test("decompress() passes errors of the source unchanged", async () => {
  for (const [kind, data] of await samples(RANDOM)) {
    for (const size of [0, 3, 300]) {
      const failure = new Error("connection reset");
      const source = sourceOf(data.subarray(0, size), 100, failure);
      assertStrictEquals(
        await assertRejects(() => collect(decompress(source.stream, kind))),
        failure,
      );
    }
  }
});

test("decompress() cancels the source when the reader cancels", async () => {
  for (const [kind, data] of await samples(PATTERN)) {
    for (const pieces of [0, 1]) {
      const source = sourceOf(joined(...Array.from({ length: 20 }, () => data)), 100);
      const reader = decompress(source.stream, kind).getReader();
      for (let piece = 0; piece < pieces; piece++) await reader.read();
      await reader.cancel("enough");
      assertEquals(source.cancelled, ["enough"]);
      assert(!source.isRead);
    }
  }
});

test("decompress() gives up the decoder when the reader cancels", async () => {
  let aborted = 0;
  const Decoder = DecompressionStream;
  class Watched {
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;
    constructor(format: CompressionFormat) {
      const { readable, writable } = new Decoder(format);
      const writer = writable.getWriter();
      writer.closed.catch(() => {});
      this.readable = readable;
      this.writable = new WritableStream({
        write: (bytes) => writer.write(bytes),
        close: () => writer.close(),
        abort: (reason) => {
          aborted++;
          return writer.abort(reason);
        },
      });
    }
  }
  const packed = await gzip(seededBytes(1, 2 ** 20));
  await withValue(globalThis, "DecompressionStream", Watched, async () => {
    const reader = decompress(new Blob([packed]).stream(), "gzip").getReader();
    assertEquals((await reader.read()).done, false);
    const before = aborted;
    await reader.cancel();
    assertEquals(aborted, before + 1);
  });
});

test("decompress() cancels a source that it is waiting for", async () => {
  for (const kind of ["gzip", "zstd", "xz"] as const) {
    const cancelled: unknown[] = [];
    const stream = new ReadableStream<Bytes>({ cancel: (reason) => void cancelled.push(reason) });
    const reader = decompress(stream, kind).getReader();
    const read = reader.read();
    await turn();
    await reader.cancel("enough");
    assertEquals(cancelled, ["enough"]);
    assertEquals((await read).done, true);
  }
});

test("decompress() cancels the source when the data is corrupt", async () => {
  for (const kind of ["gzip", "zstd", "xz"] as const) {
    const source = sourceOf(new Uint8Array(2_000_000), 65_536);
    const error = await assertRejects(() => collect(decompress(source.stream, kind)), ArchiveError);
    assertEquals(source.cancelled, [error.cause]);
    assertLessOrEqual(source.taken, 3 * 65_536);
  }
});

/** Something of each kind that is inflated. */
async function samples(content: Bytes): Promise<[Compression, Bytes][]> {
  return [["gzip", await gzip(content)], ["zstd", ZSTD_LINES], ["xz", XZ_LINES]];
}

interface Source {
  stream: ReadableStream<Bytes>;
  /** Bytes that were taken so far. */
  taken: number;
  /** Whether the end was reached. */
  isRead: boolean;
  cancelled: unknown[];
}

/** A source that gives chunks only when asked, and keeps count; it ends with the failure if there is one. */
function sourceOf(data: Bytes, chunkSize = 65_536, failure?: Error): Source {
  const stream = new ReadableStream<Bytes>({
    pull(controller) {
      if (source.taken < data.length) {
        const chunk = data.slice(source.taken, source.taken + chunkSize);
        source.taken += chunk.length;
        controller.enqueue(chunk);
        return;
      }
      if (failure) throw failure;
      source.isRead = true;
      controller.close();
    },
    cancel: (reason) => void source.cancelled.push(reason),
  }, { highWaterMark: 0 });
  const source: Source = { stream, taken: 0, isRead: false, cancelled: [] };
  return source;
}

/** Reads a content of zeros: steps of bounded size, and no step without being asked. */
async function assertBounded(
  stream: ReadableStream<Bytes>,
  source: Source,
  { size, step, ahead }: { size: number; step: number; ahead: number },
): Promise<void> {
  const reader = stream.getReader();
  const first = await reader.read();
  for (let count = 0; count < 20; count++) await turn();
  assertLessOrEqual(source.taken, ahead);
  let read = 0;
  for (let { done, value } = first; !done && value; { done, value } = await reader.read()) {
    assertLessOrEqual(value.length, step);
    if (value[0] !== 0 || value.at(-1) !== 0) throw new Error("content that is not zero");
    read += value.length;
  }
  assertEquals(read, size);
}

async function assertInflateFails(kind: Compression, data: Bytes): Promise<ArchiveError> {
  const error = await assertRejects(() => inflate(kind, data), ArchiveError, "Cannot inflate");
  assertInstanceOf(error.cause, Error);
  return error;
}

// assertEquals would print megabytes.
function assertSame(actual: Bytes, expected: Bytes, note: unknown = ""): void {
  assertEquals(
    actual.length,
    expected.length,
    `length ${actual.length} for ${expected.length}: ${note}`,
  );
  const difference = actual.findIndex((byte, index) => byte !== expected[index]);
  assertEquals(difference, -1, `differs at ${difference}: ${note}`);
}

function inflate(kind: Compression, data: Bytes, chunkSize?: number): Promise<Bytes> {
  return collect(decompress(sourceOf(data, chunkSize).stream, kind));
}

async function collect(stream: ReadableStream<Bytes>): Promise<Bytes> {
  return await new Response(stream).bytes();
}

/** A gzip member whose content is not compressed, so that it stands in the data byte for byte. */
function storedMember(content: Bytes, { flags = 0, extra = NOTHING } = {}): Bytes {
  const header = joined(
    bytes(0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255),
    flags & 4 ? joined(bytes(extra.length & 255, extra.length >> 8), extra) : NOTHING,
    flags & 8 ? encode("image.tar\0") : NOTHING,
    flags & 16 ? encode("a comment\0") : NOTHING,
  );
  const checksum = crc32(header);
  const blocks: Bytes[] = [];
  for (let at = 0; at < content.length; at += 65_535) {
    const block = content.subarray(at, at + 65_535);
    const isLast = at + block.length === content.length;
    blocks.push(bytes(isLast ? 1 : 0, ...uint16(block.length), ...uint16(~block.length)), block);
  }
  const trailer = new DataView(new ArrayBuffer(8));
  trailer.setUint32(0, crc32(content), true);
  trailer.setUint32(4, content.length, true);
  return joined(
    header,
    flags & 2 ? bytes(...uint16(checksum)) : NOTHING,
    ...blocks,
    new Uint8Array(trailer.buffer),
  );
}

function uint16(number: number): [number, number] {
  return [number & 255, (number >> 8) & 255];
}

function zeros(mebibytes: number): ReadableStream<Bytes> {
  const piece = new Uint8Array(2 ** 20);
  let left = mebibytes;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(piece);
      else controller.close();
    },
  });
}

/** Lets everything run that is ready to. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
