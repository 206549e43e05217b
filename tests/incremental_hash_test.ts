import { assertEquals, assertRejects } from "@std/assert";
import { type Digest, type DigestAlgorithm, digestBytes } from "../src/digest.ts";
import { createHash, nativeHash } from "../src/incremental_hash.ts";
import { startWasmHash } from "../src/wasm_hash.ts";
import { withValue } from "./helpers/globals.ts";
import { test } from "./helpers/test.ts";

const ALGORITHMS: DigestAlgorithm[] = ["sha256", "sha512"];

/** Bytes that differ from block to block. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, index) => (index * 31 + (index >> 8)) & 0xff);
}

test("createHash() agrees with Web Crypto however the bytes are split", async () => {
  const bytes = pattern(70_000);
  for (const algorithm of ALGORITHMS) {
    const expected = await digestBytes(bytes, algorithm);
    for (const size of [1023, 4096, 65_536, 70_000]) {
      const hash = await createHash(algorithm);
      for (let at = 0; at < bytes.length; at += size) {
        await hash.update(bytes.subarray(at, at + size));
      }
      assertEquals(await hash.digest(), expected, `${algorithm} in pieces of ${size}`);
    }
  }
});

test("createHash() hashes nothing at all", async () => {
  for (const algorithm of ALGORITHMS) {
    const hash = await createHash(algorithm);
    assertEquals(await hash.digest(), await digestBytes(new Uint8Array(0), algorithm));
  }
});

test("createHash() lets the caller change a buffer after update()", async () => {
  const hash = await createHash("sha256");
  const buffer = pattern(1000);
  const expected = await digestBytes(new Uint8Array([...buffer, ...new Uint8Array(1000)]));
  await hash.update(buffer);
  buffer.fill(0);
  await hash.update(buffer);
  assertEquals(await hash.digest(), expected);
});

test("createHash() keeps two hashes apart", async () => {
  const [one, two] = [await createHash("sha256"), await createHash("sha256")];
  await one.update(pattern(10));
  await two.update(pattern(20));
  await one.update(pattern(5));
  assertEquals(await two.digest(), await digestBytes(pattern(20)));
  assertEquals(
    await one.digest(),
    await digestBytes(new Uint8Array([...pattern(10), ...pattern(5)])),
  );
});

test("nativeHash() uses what Bun and workerd have, and nothing where there is neither", async () => {
  class Pieces {
    readonly bytes: number[] = [];
    update = (bytes: Uint8Array) => void this.bytes.push(...bytes);
    digest = () => this.bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  class DigestStream extends WritableStream<Uint8Array> {
    readonly digest: Promise<ArrayBuffer>;
    constructor(readonly algorithm: string) {
      const closed = Promise.withResolvers<ArrayBuffer>();
      const bytes: number[] = [];
      super({
        write: (piece) => void bytes.push(...piece),
        close: () => closed.resolve(new Uint8Array(bytes).buffer),
      });
      this.digest = closed.promise;
    }
  }
  const value = pattern(32);
  const expected = `sha256:${
    [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  }`;
  for (const scope of [{ Bun: { CryptoHasher: Pieces } }, { crypto: { DigestStream } }]) {
    const hash = nativeHash("sha256", scope);
    await hash?.update(value.subarray(0, 5));
    await hash?.update(value.subarray(5));
    assertEquals(await hash?.digest(), expected as Digest);
  }
  assertEquals(nativeHash("sha256", { crypto: {} }), undefined);
});

test("startWasmHash() says what is missing where WebAssembly is forbidden", async () => {
  const refuse = () => Promise.reject(new TypeError("blocked by CSP"));
  await withValue(WebAssembly, "instantiate", refuse, async () => {
    await assertRejects(() => startWasmHash("sha512"), TypeError, "compiles no WebAssembly");
  });
});
