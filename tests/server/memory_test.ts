import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { DigestMismatchError } from "../../src/errors.ts";
import { createHash } from "../../src/incremental_hash.ts";
import { MemoryStorage } from "../../src/server/memory.ts";
import { readRange } from "../../src/source/blob_source.ts";
import { test } from "../helpers/test.ts";
import { bytesOf } from "./registry_calls.ts";

const MIB = 1024 * 1024;

async function store(storage: MemoryStorage, text: string, repository: string): Promise<Digest> {
  const digest = await digestBytes(bytesOf(text));
  const writer = await storage.createBlob();
  await writer.write(bytesOf(text));
  await writer.commit(repository, digest);
  return digest;
}

test("MemoryStorage reads any part of a blob, across its pieces", async () => {
  const storage = new MemoryStorage();
  const writer = await storage.createBlob();
  for (const piece of ["ab", "cde", "f", "ghij"]) await writer.write(bytesOf(piece));
  assertEquals(writer.size, 10);
  const digest = await digestBytes(bytesOf("abcdefghij"));
  await writer.commit("app", digest);
  const blob = await storage.openBlob("app", digest);
  assert(blob);
  for (let start = 0; start <= 10; start++) {
    for (let end = start; end <= 12; end++) {
      const part = new TextDecoder().decode(await readRange(blob, start, end));
      assertEquals(part, "abcdefghij".slice(start, end));
      assertEquals(await new Response(blob.slice(start, end).stream()).text(), part);
    }
  }
});

test("MemoryStorage keeps its content whatever a reader does to its copy", async () => {
  const storage = new MemoryStorage();
  const digest = await store(storage, "hello", "app");
  const blob = await storage.openBlob("app", digest);
  assert(blob);
  (await readRange(blob, 0, 5)).fill(0);
  assertEquals(await digestBytes(await readRange(blob, 0, 5)), digest);
});

test("MemoryStorage keeps a small view without the large buffer behind it", async () => {
  const storage = new MemoryStorage();
  const large = new Uint8Array(MIB);
  const writer = await storage.createBlob();
  await writer.write(large.subarray(0, 4));
  large.fill(1);
  await writer.commit("app", await digestBytes(new Uint8Array(4)));
});

test("MemoryStorage hashes blobs above 64 MiB on the way, in both algorithms", async () => {
  const piece = new Uint8Array(16 * MIB).fill(7);
  for (const algorithm of ["sha256", "sha512"] as const) {
    const storage = new MemoryStorage();
    const writer = await storage.createBlob();
    const hash = await createHash(algorithm);
    for (let index = 0; index < 5; index++) {
      await writer.write(piece);
      await hash.update(piece);
    }
    const digest = await hash.digest();
    await writer.commit("app", digest);
    assertEquals((await storage.openBlob("app", digest))?.size, 80 * MIB);
  }
});

test("MemoryStorage drops content with a wrong digest, and ends its writer", async () => {
  const storage = new MemoryStorage();
  const digest = await digestBytes(bytesOf("right"));
  const writer = await storage.createBlob();
  await writer.write(bytesOf("wrong"));
  await assertRejects(() => writer.commit("app", digest), DigestMismatchError, digest);
  assertEquals(await storage.openBlob("app", digest), undefined);
  assertEquals(await storage.listRepositories(), []);
  await assertRejects(() => writer.write(bytesOf("x")), Error, "its writer has ended");
  await assertRejects(() => writer.commit("app", digest), Error, "its writer has ended");
});

test("MemoryStorage discards a writer more than once", async () => {
  const writer = await new MemoryStorage().createBlob();
  await writer.write(bytesOf("x"));
  await writer.discard();
  await writer.discard();
  await assertRejects(() => writer.write(bytesOf("x")), Error, "its writer has ended");
});
