import { assertEquals, assertThrows } from "@std/assert";
import {
  digestAlgorithm,
  digestBytes,
  digestHex,
  digestOfPath,
  formatDigest,
  isDigest,
  parseDigest,
  shortDigest,
  toDigest,
} from "../src/digest.ts";
import { test } from "./helpers/test.ts";

const HEX = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const HELLO = new TextEncoder().encode("hello");

test("parseDigest() takes sha256 with 64 and sha512 with 128 lowercase hex digits", () => {
  assertEquals(parseDigest(`sha256:${HEX}`), `sha256:${HEX}`);
  assertEquals(parseDigest(`sha512:${HEX}${HEX}`), `sha512:${HEX}${HEX}`);
});

test("parseDigest() refuses everything else", () => {
  const wrong = [
    "",
    "sha256:",
    HEX,
    `sha256:${HEX.slice(1)}`,
    `sha256:${HEX}0`,
    `sha256:${HEX.toUpperCase()}`,
    `SHA256:${HEX}`,
    `sha512:${HEX}`,
    `sha384:${HEX}`,
    `sha256:${HEX}\n`,
    ` sha256:${HEX}`,
    `sha256:../../${HEX.slice(6)}`,
    `sha256:${HEX.slice(1)}g`,
  ];
  for (const text of wrong) {
    assertThrows(() => parseDigest(text), SyntaxError, "Cannot parse digest");
    assertEquals(isDigest(text), false, text);
  }
  for (const value of [undefined, null, 5, {}, [`sha256:${HEX}`]]) {
    assertEquals(isDigest(value), false);
  }
});

test("parseDigest() cuts what it quotes", () => {
  const error = assertThrows(() => parseDigest("x".repeat(100_000)), SyntaxError);
  assertEquals(error.message.length < 200, true);
});

test("toDigest() gives undefined where algorithm and digits make none", () => {
  assertEquals(toDigest("sha256", HEX), `sha256:${HEX}`);
  assertEquals(toDigest("sha256", HEX.slice(2)), undefined);
  assertEquals(toDigest("md5", HEX), undefined);
});

test("digestAlgorithm(), digestHex() and shortDigest() take a digest apart", () => {
  const digest = parseDigest(`sha256:${HEX}`);
  assertEquals(digestAlgorithm(digest), "sha256");
  assertEquals(digestAlgorithm(parseDigest(`sha512:${HEX}${HEX}`)), "sha512");
  assertEquals(digestHex(digest), HEX);
  assertEquals(shortDigest(digest), "sha256:2cf24dba5fb0");
});

test("digestBytes() hashes with both algorithms, empty content too", async () => {
  assertEquals(await digestBytes(HELLO), `sha256:${HEX}`);
  assertEquals(
    await digestBytes(HELLO, "sha512"),
    "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca7" +
      "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043",
  );
  assertEquals(
    await digestBytes(new Uint8Array(0)),
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});

test("digestBytes() does without Web Crypto, which pages that came by http lack", async () => {
  for (const algorithm of ["sha256", "sha512"] as const) {
    assertEquals(await digestBytes(HELLO, algorithm, {}), await digestBytes(HELLO, algorithm));
  }
});

test("digestBytes() hashes a view, not the buffer behind it", async () => {
  const buffer = new TextEncoder().encode("say hello!");
  assertEquals(await digestBytes(buffer.subarray(4, 9)), `sha256:${HEX}`);
});

test("formatDigest() wants as many bytes as the algorithm has", () => {
  assertEquals(formatDigest("sha256", new Uint8Array(32).fill(10)), `sha256:${"0a".repeat(32)}`);
  assertThrows(() => formatDigest("sha512", new Uint8Array(32)), RangeError, "32 bytes");
});

test("digestOfPath() takes blobs of a layout only", () => {
  assertEquals(digestOfPath(`blobs/sha256/${HEX}`), `sha256:${HEX}`);
  assertEquals(digestOfPath(`image/blobs/sha512/${HEX}${HEX}`), `sha512:${HEX}${HEX}`);
  for (
    const path of [
      `blobs/sha256/${HEX}.tar`,
      `blobs/sha256/${HEX.slice(1)}`,
      `blobs/sha512/${HEX}`,
      `blobs/md5/${HEX}`,
      `xblobs/sha256/${HEX}`,
      `${HEX}/layer.tar`,
    ]
  ) assertEquals(digestOfPath(path), undefined, path);
});
