import { assertEquals, assertStringIncludes } from "@std/assert";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import { RegistryObserver } from "../../src/server/observer.ts";
import type { BlobWriter } from "../../src/storage.ts";
import { test } from "../helpers/test.ts";
import { call, open, pushBlob } from "./registry_calls.ts";

/** A storage whose disk is full whenever it is said to be; what cannot be written is over, as in a folder. */
class FillableStorage extends MemoryStorage {
  isFull = false;
  readonly writers: { isEnded: boolean }[] = [];

  override async createBlob(): Promise<BlobWriter> {
    const writer = await super.createBlob();
    const state = { isEnded: false };
    this.writers.push(state);
    const write = async (bytes: Uint8Array) => {
      if (!this.isFull) return await writer.write(bytes);
      state.isEnded = true;
      throw new Error("the disk is full");
    };
    return {
      get size() {
        return writer.size;
      },
      get isEnded() {
        return state.isEnded;
      },
      write,
      commit: (repository, digest) => writer.commit(repository, digest),
      discard: () => writer.discard(),
    };
  }
}

test("upload: what could not be written keeps no place of an upload", async () => {
  const storage = new FillableStorage();
  const registry = createRegistry({ storage, maxUploads: 1 });
  storage.isFull = true;
  for (const method of ["PATCH", "PUT"]) {
    const session = await open(registry);
    const path = method === "PUT" ? `${session}?digest=sha256:${"0".repeat(64)}` : session;
    assertEquals((await call(registry, method, path, "x")).status, 500);
  }
  storage.isFull = false;
  await pushBlob(registry, "x");
});

test("RegistryObserver counts no upload as open that could not be written, or that the storage ended", async () => {
  const storage = new FillableStorage();
  const observer = new RegistryObserver(() => {});
  const registry = createRegistry({ storage: observer.watch(storage) });
  const session = await open(registry);
  await open(registry);
  assertEquals(observer.uploads, 2);
  storage.isFull = true;
  assertEquals((await call(registry, "PATCH", session, "x")).status, 500);
  assertEquals(observer.uploads, 1);
  for (const writer of storage.writers) writer.isEnded = true;
  assertStringIncludes(observer.metrics(), "\ntarpush_uploads_open 0\n");
  assertEquals(observer.activeUploads(1000), []);
});

test("RegistryObserver has an upload end that could not be written", async () => {
  const storage = new FillableStorage();
  const observer = new RegistryObserver(() => {});
  const registry = createRegistry({ storage: observer.watch(storage) });
  const session = await open(registry);
  const ended = Promise.all(observer.activeUploads(1000));
  storage.isFull = true;
  await call(registry, "PATCH", session, "x");
  assertEquals((await ended).length, 1);
});

test("RegistryObserver tells uploads that somebody goes on with from those left behind", async () => {
  let time = 0;
  const observer = new RegistryObserver(() => {}, () => time);
  const registry = createRegistry({ storage: observer.watch(new MemoryStorage()) });
  const [left, session] = [await open(registry), await open(registry)];
  assertEquals(observer.activeUploads(1000).length, 2);
  time = 1000;
  await call(registry, "PATCH", session, "hello");
  assertEquals(observer.activeUploads(1000).length, 1);
  assertEquals(observer.uploads, 2);
  await call(registry, "PATCH", left, "hello");
  assertEquals(observer.activeUploads(1000).length, 2);
});
