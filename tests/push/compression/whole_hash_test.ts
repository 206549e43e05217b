import { assertEquals } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import { createHash, hasNativeHash } from "../../../src/incremental_hash.ts";
import { WholeHashes } from "../../../src/push/compression/whole_hash.ts";
import { randomBytes } from "../../helpers/archives.ts";
import { test } from "../../helpers/test.ts";

test("WholeHashes hashes layers of any size after each other, and holds no more than it may", async () => {
  const hashes = new WholeHashes(100, createHash);
  for (const size of [10, 60, 20, 100, 101]) {
    const bytes = randomBytes(size);
    const held = await hashes.start("sha256", size);
    await held.hash.update(bytes.subarray(0, 7));
    await held.hash.update(bytes.subarray(7));
    assertEquals(await held.hash.digest(), await digestBytes(bytes), `${size}`);
    held.release();
    held.release();
  }
  const first = await hashes.start("sha256", 60);
  let isStarted = false;
  const second = hashes.start("sha256", 60).finally(() => isStarted = true);
  await new Promise((resolve) => setTimeout(resolve));
  // A hash of the runtime holds nothing.
  assertEquals(isStarted, hasNativeHash("sha256"));
  first.release();
  (await second).release();
});

test("WholeHashes lets the next layer begin while one is being hashed, in the same memory", async () => {
  const hashes = new WholeHashes(100_000, createHash);
  const [one, two] = [randomBytes(100_000), randomBytes(100_000)];
  const first = await hashes.start("sha256", one.length);
  const waiting = hashes.start("sha256", two.length);
  await first.hash.update(one);
  const digest = first.hash.digest();
  const second = await waiting;
  await second.hash.update(two);
  assertEquals(
    [await digest, await second.hash.digest()],
    [await digestBytes(one), await digestBytes(two)],
  );
});
