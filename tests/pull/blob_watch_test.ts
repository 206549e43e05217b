import { assertEquals } from "@std/assert";
import type { Digest } from "../../src/digest.ts";
import { BlobWatch } from "../../src/pull/blob_watch.ts";
import type { PullEvent } from "../../src/pull/events.ts";
import { test } from "../helpers/test.ts";

const digest = `sha256:${"0".repeat(64)}` as Digest;

test("BlobWatch tells of a blob from its turn on, ten times a second, and of no fewer bytes than before", async () => {
  const events: PullEvent[] = [];
  let now = 1000;
  const watch = new BlobWatch(
    { digest, size: 5 },
    (event) => Promise.resolve(void events.push(event)),
    () => now,
  );
  const received = async (bytes: number, milliseconds: number) => {
    now += milliseconds;
    await watch.receive(bytes);
    return events.at(-1);
  };
  await received(1, 1000);
  assertEquals(events, []);
  // Two pieces, of which the second comes when it is read.
  const pieces = [new Uint8Array(2), new Uint8Array(3)].values();
  const content = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = pieces.next();
      if (done) return controller.close();
      assertEquals(await received(2, 99), { type: "blob-start", digest, size: 5 });
      assertEquals(await received(3, 1), { type: "blob-progress", digest, received: 3 });
      await received(5, 1000);
      controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
  const reader = watch.pass(content).getReader();
  assertEquals((await reader.read()).value?.length, 2);
  assertEquals(events.length, 3);
});

test("BlobWatch does not tell that a blob is whole whose content was cancelled while it was waited for", async () => {
  const events: PullEvent[] = [];
  const watch = new BlobWatch(
    { digest, size: 5 },
    (event) => Promise.resolve(void events.push(event)),
  );
  const waitedFor = Promise.withResolvers<void>();
  const content = new ReadableStream<Uint8Array>({
    pull() {
      waitedFor.resolve();
      return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
  const reader = watch.pass(content).getReader();
  const read = reader.read();
  await waitedFor.promise;
  await reader.cancel();
  await read;
  assertEquals(events, [{ type: "blob-start", digest, size: 5 }]);
});
