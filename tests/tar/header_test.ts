import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { TarError } from "../../src/errors.ts";
import { isTar, NotTarError, parseHeader } from "../../src/tar/header.ts";
import { explainHead } from "../../src/tar/not_a_tar.ts";
import { base256, GNU, header, USTAR, V7 } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

function assertHeaderError(block: Uint8Array, message: string, offset = 512) {
  const error = assertThrows(() => parseHeader(block, offset), TarError);
  assertEquals(error.message, message);
  assertEquals(error.offset, offset);
}

test("parseHeader() reads all fields of a ustar header", () => {
  const block = header({
    name: "b",
    mode: 0o4755,
    uid: 1000,
    gid: 2000,
    size: 12,
    mtime: 1_700_000_000,
    typeflag: "2",
    linkname: "../target",
    uname: "user",
    gname: "group",
    prefix: "a",
  });
  assertEquals(parseHeader(block, 0), {
    name: "b",
    mode: 0o4755,
    uid: 1000,
    gid: 2000,
    size: 12,
    mtime: 1_700_000_000,
    checksum: block.fill(0x20, 148, 156).reduce((sum, byte) => sum + byte, 0),
    typeflag: "2",
    linkname: "../target",
    magic: "ustar\0",
    version: "00",
    uname: "user",
    gname: "group",
    devmajor: "0000000",
    devminor: "0000000",
    prefix: "a",
  });
});

test("parseHeader() returns nothing for a block of zeros", () => {
  assertEquals(parseHeader(new Uint8Array(512), 0), undefined);
});

test("parseHeader() leaves out what V7 headers do not have", () => {
  const parsed = parseHeader(header({ magic: V7, typeflag: "\0" }), 0);
  assertEquals(parsed?.typeflag, "\0");
  assertEquals(parsed && "magic" in parsed, false);
  assertEquals(parsed && "prefix" in parsed, false);
});

test("parseHeader() takes no prefix from a GNU header", () => {
  const parsed = parseHeader(header({ magic: GNU, prefix: "00001234567" }), 0);
  assertEquals([parsed?.magic, parsed?.version, parsed?.prefix], ["ustar ", " \0", ""]);
});

test("parseHeader() cuts the prefix of a star header before its times", () => {
  const prefix = "p".repeat(131) + "00000000000 00000000000 ";
  const block = header({ prefix: prefix + "\0".repeat(8) + "tar\0" });
  assertEquals(parseHeader(block, 0)?.prefix, "p".repeat(131));
});

test("parseHeader() reads fields that are filled to their last byte", () => {
  const parsed = parseHeader(
    header({ name: "n".repeat(100), prefix: "p".repeat(155), size: "777777777777" }),
    0,
  );
  assertEquals(parsed?.name, "n".repeat(100));
  assertEquals(parsed?.prefix, "p".repeat(155));
  assertEquals(parsed?.size, 8 ** 12 - 1);
});

test("parseHeader() reads names that are UTF-8, with a byte order mark or not", () => {
  assertEquals(parseHeader(header({ name: "größe/名前" }), 0)?.name, "größe/名前");
  assertEquals(parseHeader(header({ name: "\ufeffname" }), 0)?.name, "\ufeffname");
});

test("parseHeader() reads octal numbers however they are padded", () => {
  for (
    const [text, size] of [
      ["00000000012\0", 10],
      ["        12 \0", 10],
      ["12\0\0\0\0\0\0\0\0\0\0", 10],
      ["12          ", 10],
      ["12\0leftover", 10],
      ["\0\0\0\0\0\0\0\0\0\0\0\0", 0],
      ["            ", 0],
    ] as const
  ) assertEquals(parseHeader(header({ size: text }), 0)?.size, size, JSON.stringify(text));
});

test("parseHeader() refuses numbers that are not octal", () => {
  for (const text of ["00000000019", "0x10", "-0000000001", "12 34", "1e3"]) {
    assertHeaderError(
      header({ size: text }),
      `Cannot read tar entry "name" at byte 512: size is ${JSON.stringify(text)}, ` +
        "expected an octal or base-256 number",
    );
  }
});

test("parseHeader() refuses octal digits behind a NUL, which some readers see and some do not", () => {
  for (const text of ["\0".repeat(8) + "012", "\x0000000000012", "  \x000012"]) {
    assertHeaderError(
      header({ size: text }),
      `Cannot read tar entry "name" at byte 512: size is ${JSON.stringify(text)}, ` +
        "expected an octal or base-256 number",
    );
  }
});

test("parseHeader() reads base-256 numbers", () => {
  for (const size of [0n, 1n, 0o77777777777n + 1n, 2n ** 40n, 2n ** 53n - 1n]) {
    assertEquals(parseHeader(header({ size: base256(size) }), 0)?.size, Number(size));
  }
  assertEquals(parseHeader(header({ mtime: base256(-86_400n) }), 0)?.mtime, -86_400);
});

test("parseHeader() refuses negative and overflowing base-256 sizes", () => {
  assertHeaderError(
    header({ size: base256(-1n) }),
    'Cannot read tar entry "name" at byte 512: size is -1, expected at least 0',
  );
  for (const size of [2n ** 53n, 2n ** 64n, 2n ** 93n]) {
    assertHeaderError(
      header({ size: base256(size) }),
      `Cannot read tar entry "name" at byte 512: size is ${
        Number(size)
      }, expected at most 2^53 - 1`,
    );
  }
});

test("parseHeader() reads times beyond what numbers hold: broken clocks and file systems have them", () => {
  for (const mtime of [2n ** 54n, 2n ** 63n - 1n, -(2n ** 62n)]) {
    assertEquals(parseHeader(header({ mtime: base256(mtime) }), 0)?.mtime, Number(mtime));
  }
});

test("parseHeader() accepts a checksum over signed bytes", () => {
  const name = "größe";
  const block = header({ name });
  const unsigned = parseHeader(block, 0)?.checksum ?? 0;
  const high = new TextEncoder().encode(name).filter((byte) => byte >= 0x80).length;
  const signed = unsigned - 256 * high;
  assertEquals(parseHeader(header({ name, checksum: signed }), 0)?.checksum, signed);
});

test("isTar() takes for a tar what begins with a header that can be read, or with zeros", () => {
  const name = "\u00fc".repeat(4);
  const unsigned = parseHeader(header({ name }), 0)?.checksum ?? 0;
  const high = new TextEncoder().encode(name).length;
  const heads = [
    header({ name: "a" }),
    header({ name: "a", magic: V7 }),
    header({ name, checksum: unsigned - 256 * high }),
    new Uint8Array(512),
  ];
  for (const [index, head] of heads.entries()) {
    assertEquals(isTar(head), true, `${index}`);
    const longer = new Uint8Array(700).fill(1);
    longer.set(head);
    assertEquals(isTar(longer), true, `${index}`);
    assertEquals(isTar(head.subarray(0, 511)), false, `${index}`);
    const broken = head.slice();
    broken[511] = 1;
    assertEquals(isTar(broken), false, `${index}`);
  }
});

test("parseHeader() refuses a wrong checksum", () => {
  const expected = parseHeader(header({ name: "a/layer.tar" }), 0)?.checksum;
  assertHeaderError(
    header({ name: "a/layer.tar", checksum: 4096 }),
    `Cannot read tar entry "a/layer.tar" at byte 1536: header checksum is 4096, expected ${expected}`,
    1536,
  );
  assertHeaderError(
    header({ checksum: "garbage\0" }),
    `Cannot read tar entry "name" at byte 512: header checksum is no octal number, expected ${
      parseHeader(header({ magic: USTAR }), 0)?.checksum
    }`,
  );
});

test("parseHeader() says of a bad first block that it is not a tar archive", () => {
  const noise = new Uint8Array(512).fill(0x80);
  const notTar = assertThrows(() => parseHeader(noise, 0), TarError, "is not a tar archive");
  assertStringIncludes(notTar.message, "header checksum is no octal number, expected ");
  const explained = (block: Uint8Array) =>
    explainHead(assertThrows(() => parseHeader(block, 0), NotTarError));
  assertEquals(explained(noise), undefined);
  const text = new TextEncoder().encode("some text ".repeat(60)).subarray(0, 512);
  assertStringIncludes(explained(text)?.message ?? "", 'it is text that begins with "some text ');
  const gzip = new Uint8Array(512);
  gzip.set([0x1f, 0x8b, 8]);
  const error = explained(gzip);
  assertEquals(
    error?.message,
    "Cannot read tar at byte 0: input is not a tar archive, it is compressed with gzip",
  );
  assertEquals(error?.hint, "pipe it through gzip: gzip -dc FILE | tarpush push - TARGET");
});
