import { assertEquals, assertThrows } from "@std/assert";
import { TarError } from "../../src/errors.ts";
import { MAX_NAME_BYTES, parseLongName, parsePax } from "../../src/tar/extensions.ts";
import { paxRecords } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const encode = (text: string) => new TextEncoder().encode(text);

test("parsePax() keeps path, linkpath and size and leaves out the rest", () => {
  const content = paxRecords({
    path: "größe/" + "x".repeat(200),
    linkpath: "a=b\n12 path=other",
    size: "8589934592",
    mtime: "1.5",
    "SCHILY.xattr.user.bytes": "\0\n=",
    comment: "",
  });
  assertEquals(parsePax(content, 0), {
    path: "größe/" + "x".repeat(200),
    linkpath: "a=b\n12 path=other",
    size: 8589934592,
  });
});

test("parsePax() accepts no records, leading zeros, and takes the last of equal keys", () => {
  assertEquals(parsePax(encode(""), 0), {});
  assertEquals(parsePax(encode("0012 path=a\n"), 0), { path: "a" });
  assertEquals(parsePax(encode("10 path=a\n10 path=b\n"), 0), { path: "b" });
});

test("parsePax() hands on that values are taken back", () => {
  assertEquals(parsePax(encode("8 path=\n8 size=\n"), 0), {
    path: "",
    size: null,
  });
});

test("parsePax() marks sparse files", () => {
  assertEquals(parsePax(paxRecords({ "GNU.sparse.major": "1" }), 0), { sparse: true });
});

test("parsePax() refuses malformed records", () => {
  for (
    const text of [
      "path=a\n",
      "x path=a\n",
      " 10 path=a\n",
      "-10 path=a\n",
      "+10 path=a\n",
      "1e1 path=a\n",
      "8 path=a\n",
      "11 path=a\n",
      "10 path=a ",
      "0 path=a\n",
      "3 a\n",
      "5 ab\n",
      "5 =b\n",
      "8 a\0b=c\n",
      "10\tpath=a\n",
      "9999999999 path=a\n",
      "10 path=a\n\0\0",
      "10 path=a\n1",
    ]
  ) {
    const error = assertThrows(
      () => parsePax(encode(text), 1024),
      TarError,
      "PAX record is ",
      text,
    );
    assertEquals(error.offset, 1024);
  }
});

test("parsePax() refuses sizes that are no size", () => {
  for (
    const size of ["-1", "+1", "1.0", "0x10", "1e3", " 1", "9007199254740992", "9".repeat(400)]
  ) {
    assertThrows(() => parsePax(paxRecords({ size }), 0), TarError, "PAX size is ");
  }
  assertEquals(parsePax(paxRecords({ size: "9007199254740991" }), 0).size, 2 ** 53 - 1);
});

test("parsePax() refuses names with a NUL and names past the limit", () => {
  assertThrows(() => parsePax(paxRecords({ path: "a\0b" }), 0), TarError, "expected no NUL");
  const longest = "x".repeat(MAX_NAME_BYTES);
  assertEquals(parsePax(paxRecords({ linkpath: longest }), 0), { linkpath: longest });
  assertThrows(
    () => parsePax(paxRecords({ linkpath: longest + "x" }), 0),
    TarError,
    "name has 65537 bytes, expected at most 65536",
  );
});

test("parseLongName() ends at the first NUL and has the same limit", () => {
  assertEquals(parseLongName(encode("long\0rest"), 0), "long");
  assertEquals(parseLongName(encode("no end"), 0), "no end");
  assertEquals(parseLongName(encode("x".repeat(MAX_NAME_BYTES) + "\0"), 0).length, MAX_NAME_BYTES);
  assertThrows(
    () => parseLongName(encode("x".repeat(MAX_NAME_BYTES + 2)), 0),
    TarError,
    "name has ",
  );
  assertThrows(() => parseLongName(encode("\0"), 0), TarError, "GNU long name is empty");
});
