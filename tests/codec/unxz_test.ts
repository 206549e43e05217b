import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/bytes.ts";
import { decompress } from "../../src/codec/decompress.ts";
import { ArchiveError } from "../../src/errors.ts";
import { base64, changed, joined, xzStream } from "../helpers/compressed.ts";
import { inPieces } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

const CHUNK_SIZES = [7, 511, 65_536];
const SHORT = new TextEncoder().encode("a short content\n");
const CONTENT = Uint8Array.from({ length: 140_000 }, (_, index) => (index * index) >> 7);
const STREAM = xzStream(CONTENT, { blockSize: 50_000 });
const NOTHING = new Uint8Array(0);
const PIPE = "pipe it through xz: xz -dc FILE | tarpush push - TARGET";
const DAMAGED = "an xz stream is damaged: its blocks, sizes or checksums do not match";
const OTHER =
  "an xz stream has another check or filter, expected CRC32, CRC64 or no check, and LZMA2 alone";

/** "a short content\n" and nothing, as xz 5.4.1 compresses them. */
const CRC64 = base64(
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAPYSBzaG9ydCBjb250ZW50CgCNtsRsNlWE3AABKBDlC2xgH7bzfQEAAAAABFla",
);
const CRC32 = base64(
  "/Td6WFoAAAFpIt42AgAhARYAAAB0L+WjAQAPYSBzaG9ydCBjb250ZW50CgD8TnNIAAEkEOlE2cyQQpkNAQAAAAABWVo=",
);
const NO_CHECK = base64(
  "/Td6WFoAAAD/EtlBAgAhARYAAAB0L+WjAQAPYSBzaG9ydCBjb250ZW50CgAAASAQ7YG1qAZynnoBAAAAAABZWg==",
);
const SHA256 = base64(
  "/Td6WFoAAArh+wyhAgAhARYAAAB0L+WjAQAPYSBzaG9ydCBjb250ZW50CgCssfJxIr0jAlNa1E+inTV4Oj8VycU6LfgAcFzAKj2OmAABQBBK6kjNGJtLmgEAAAAAClla",
);
const EMPTY = base64("/Td6WFoAAATm1rRGAAAAABzfRCEftvN9AQAAAAAEWVo=");
/** With `-9e`, whose dictionary of 64 MiB is the largest of all presets. */
const DICTIONARY_64_MIB = base64(
  "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jMAQAPYSBzaG9ydCBjb250ZW50CgCNtsRsNlWE3AABKBDlC2xgH7bzfQEAAAAABFla",
);
const DICTIONARY_192_MIB = base64(
  "/Td6WFoAAATm1rRGAgAhAR8AAAD+YO3eAQAPYSBzaG9ydCBjb250ZW50CgCNtsRsNlWE3AABKBDlC2xgH7bzfQEAAAAABFla",
);
/** With `--x86`, a filter for programs. */
const X86 = base64(
  "/Td6WFoAAATm1rRGAgEEACEBEACLIW9JAQAPYSBzaG9ydCBjb250ZW50CgCNtsRsNlWE3AABKBDlC2xgH7bzfQEAAAAABFla",
);
/** With `--block-size=5`. */
const BLOCKS = base64(
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAEYSBzaG8AAAAACklz88XAu5oCACEBFgAAAHQv5aMBAARydCBjbwAAAABHqCaR9MHcQwIAIQEWAAAAdC/lowEABG50ZW50AAAAAH6Qm3rQLTmhAgAhARYAAAB0L+WjAQAACgAAAABkIzkzLRCIHAAEHQUdBR0FGQEAALAdNr0UFzswAwAAAAAEWVo=",
);

test("unxz() reads streams of every check, their blocks and their padding", async () => {
  const padding = new Uint8Array(8);
  const cases: [data: Bytes, content: Bytes][] = [
    [CRC64, SHORT],
    [CRC32, SHORT],
    [NO_CHECK, SHORT],
    [DICTIONARY_64_MIB, SHORT],
    [BLOCKS, SHORT],
    [EMPTY, NOTHING],
    [joined(EMPTY, CRC64), SHORT],
    [joined(CRC64, CRC32, NO_CHECK, BLOCKS), joined(SHORT, SHORT, SHORT, SHORT)],
    [joined(CRC64, padding, CRC32, padding, padding), joined(SHORT, SHORT)],
    [STREAM, CONTENT],
    [joined(STREAM, padding, STREAM), joined(CONTENT, CONTENT)],
  ];
  for (const [index, [data, content]] of cases.entries()) {
    for (const size of CHUNK_SIZES) assertEquals(await inflate(data, size), content, `${index}`);
  }
});

test("unxz() says what it refuses in the same words everywhere", async () => {
  const dictionary = "an xz block needs a dictionary above the limit of 67108864 bytes";
  const trailing = "something else follows the last xz stream";
  const garbage = new TextEncoder().encode("garbage, and more of it");
  const cases: [expected: string, hint: string | undefined, data: Bytes][] = [
    [dictionary, PIPE, DICTIONARY_192_MIB],
    [dictionary, PIPE, xzStream(CONTENT, { dictionary: 39 })],
    [OTHER, PIPE, SHA256],
    [OTHER, PIPE, X86],
    [trailing, undefined, joined(STREAM, garbage)],
    [trailing, undefined, joined(EMPTY, garbage)],
    [trailing, undefined, joined(STREAM, new Uint8Array(512), garbage)],
    ["the data is not xz", undefined, garbage],
    [DAMAGED, undefined, joined(STREAM, new Uint8Array(3))],
    [DAMAGED, undefined, joined(STREAM, changed(STREAM, 100))],
    ...[100, 60_000, STREAM.length - 30, STREAM.length - 5, STREAM.length - 1].map((
      at,
    ): [string, undefined, Bytes] => [DAMAGED, undefined, changed(STREAM, at)]),
    ...[8, 20, 70_000, STREAM.length - 1].map((end): [string, undefined, Bytes] => [
      `the data ends inside an xz stream (found after reading ${end} bytes)`,
      undefined,
      STREAM.slice(0, end),
    ]),
  ];
  for (const [index, [expected, hint, data]] of cases.entries()) {
    for (const size of CHUNK_SIZES) {
      const error = await assertRejects(() => inflate(data, size), ArchiveError, "", `${index}`);
      const message = error.message.replace("Cannot inflate it: ", "");
      assertEquals([message, error.hint], [expected, hint], `${index}, ${size}`);
    }
  }
});

test("unxz() notices every bit that flips", async () => {
  for (const data of [CRC64, CRC32, BLOCKS]) {
    for (let at = 0; at < data.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = changed(data, at, 1 << bit);
        await assertRejects(() => inflate(flipped), ArchiveError, "Cannot inflate", `${at} ${bit}`);
      }
    }
  }
});

test("unxz() inflates several streams at once, each by itself", async () => {
  const contents = Array.from({ length: 6 }, (_, index) => CONTENT.map((byte) => byte ^ index));
  const broken = inflate(changed(STREAM, 1000), 4096).catch((error) => error);
  const inflated = await Promise.all(contents.map((content) => inflate(xzStream(content), 4096)));
  assertInstanceOf(await broken, ArchiveError);
  for (const [index, content] of contents.entries()) assertEquals(inflated[index], content);
});

test("unxz() does not wait for a stream that nobody reads to its end", async () => {
  const reader = decompress(inPieces(new Blob([STREAM]), 511), "xz", "it").getReader();
  await reader.read();
  assertEquals(await inflate(STREAM), CONTENT);
  await reader.cancel();
});

async function inflate(data: Bytes, size = 65_536): Promise<Bytes> {
  return await new Response(decompress(inPieces(new Blob([data]), size), "xz", "it")).bytes();
}
