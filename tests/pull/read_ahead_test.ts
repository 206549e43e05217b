import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Digest } from "../../src/digest.ts";
import type { ContentBlob } from "../../src/image/write_archive.ts";
import { ReadAhead } from "../../src/pull/read_ahead.ts";
import { test } from "../helpers/test.ts";

const ROOM_BYTES = 100;
const LIMITS = { roomBytes: ROOM_BYTES, blobBytes: ROOM_BYTES };

/** Blobs of sizes whose content arrives when the test says so, and what has been asked of them. */
function blobsOf(...sizes: number[]) {
  const asked: number[] = [];
  const arrive = new Map<number, (content?: Error) => void>();
  const blobs = sizes.map((size, at): ContentBlob => ({
    digest: `sha256:${String(at).padStart(64, "0")}` as Digest,
    size,
    open() {
      asked.push(at);
      return new Blob([`passed ${at}`]).stream();
    },
    async read(room) {
      asked.push(at);
      await new Promise<void>((resolve, reject) => {
        arrive.set(at, (error) => error ? reject(error) : resolve());
      });
      assertEquals(room.length, size);
      return new TextEncoder().encode(`held ${at}`);
    },
  }));
  return { blobs, asked, arrive };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

async function readAll(ahead: ReadAhead, blob: ContentBlob | undefined): Promise<string> {
  assert(blob);
  return await new Response(ahead.open(blob)).text();
}

test("ReadAhead asks for nothing before the first read, then for three, and gives them in their order", async () => {
  const { blobs, asked, arrive } = blobsOf(1, 1, 1, 1, 1);
  const ahead = new ReadAhead(blobs, undefined, LIMITS);
  const [first] = blobs;
  assert(first);
  const stream = ahead.open(first);
  await settle();
  assertEquals(asked, []);
  const text = new Response(stream).text();
  await settle();
  assertEquals(asked, [0, 1, 2]);
  // There is no more room, whoever has come.
  arrive.get(2)?.();
  await settle();
  assertEquals(asked, [0, 1, 2]);
  arrive.get(0)?.();
  assertEquals(await text, "held 0");
  assertEquals(asked, [0, 1, 2, 3]);
  for (const at of [1, 2, 3, 4]) {
    const text = readAll(ahead, blobs[at]);
    await settle();
    arrive.get(at)?.();
    assertEquals(await text, `held ${at}`);
  }
  assertEquals(asked, [0, 1, 2, 3, 4]);
});

test("ReadAhead gives each blob a room of its own, in which others follow only when it was taken", async () => {
  const sizes = [60, 30, 10, 100, 0, 1, 99, 50, 50, 50, 0, 0, 70, 20, 40, 40, 40, 100, 33, 34, 33];
  for (let at = 0; at < 200; at++) sizes.push((at * 7919) % (ROOM_BYTES + 1));
  const memory = new Set<ArrayBuffer>();
  const blobs = sizes.map((size, at): ContentBlob => ({
    digest: `sha256:${at}` as Digest,
    size,
    open: () => new Blob(["passed"]).stream(),
    read(room) {
      memory.add(room.buffer);
      return Promise.resolve(room.fill(at));
    },
  }));
  const ahead = new ReadAhead(blobs, undefined, LIMITS);
  // Pieces stay as they are, though their room is used again.
  const pieces = [];
  for (const blob of blobs) pieces.push(...await Array.fromAsync(ahead.open(blob)));
  assertEquals(
    pieces,
    sizes.map((size, at) => new Uint8Array(size).fill(at)).filter(({ length }) => length > 0),
  );
  assertEquals([...memory].map(({ byteLength }) => byteLength), [ROOM_BYTES]);
});

test("ReadAhead tells how much there is of what it holds", async () => {
  const told: [number, number][] = [];
  const { blobs } = blobsOf(7, ROOM_BYTES + 1);
  const [held] = blobs;
  assert(held);
  held.read = async (room, onFilled) => {
    for (const bytes of [3, 7]) await onFilled?.(bytes);
    return room;
  };
  const ahead = new ReadAhead(
    blobs,
    (blob, received) => void told.push([blobs.indexOf(blob), received]),
    LIMITS,
  );
  await readAll(ahead, held);
  assertEquals(told, [[0, 3], [0, 7]]);
});

test("ReadAhead begins no blob for which there is no room yet", async () => {
  const { blobs, asked, arrive } = blobsOf(60, 40, 50, 1);
  const ahead = new ReadAhead(blobs, undefined, LIMITS);
  const first = readAll(ahead, blobs[0]);
  await settle();
  assertEquals(asked, [0, 1]);
  arrive.forEach((resolve) => resolve());
  assertEquals(await first, "held 0");
  assertEquals(asked, [0, 1, 2, 3]);
});

test("ReadAhead lets large blobs pass when their turn has come, and reads on behind them", async () => {
  const { blobs, asked, arrive } = blobsOf(1, ROOM_BYTES + 1, 1);
  const ahead = new ReadAhead(blobs, undefined, LIMITS);
  const text = readAll(ahead, blobs[0]);
  await settle();
  assertEquals(asked, [0, 2]);
  arrive.forEach((resolve) => resolve());
  assertEquals(await text, "held 0");
  assertEquals(await readAll(ahead, blobs[1]), "passed 1");
  assertEquals(await readAll(ahead, blobs[2]), "held 2");
  assertEquals(asked, [0, 2, 1]);
});

test("ReadAhead fails where the blob is taken that could not be read", async () => {
  const { blobs, arrive } = blobsOf(1, 1);
  const ahead = new ReadAhead(blobs, undefined, LIMITS);
  const text = readAll(ahead, blobs[0]);
  await settle();
  arrive.get(1)?.(new Error("lost"));
  await settle();
  arrive.get(0)?.();
  assertEquals(await text, "held 0");
  await assertRejects(() => readAll(ahead, blobs[1]), Error, "lost");
});

test("ReadAhead hands content on in pieces of a mebibyte, an empty blob as none", async () => {
  const content = new Uint8Array(2 * 1024 * 1024 + 1);
  const blob = (digest: string, bytes: Uint8Array<ArrayBuffer>): ContentBlob => ({
    digest: digest as Digest,
    size: bytes.length,
    open: () => new Blob([bytes]).stream(),
    read: () => Promise.resolve(bytes),
  });
  const blobs = [blob("sha256:1", content), blob("sha256:2", new Uint8Array(0))];
  const ahead = new ReadAhead(blobs, undefined, {
    roomBytes: content.length,
    blobBytes: content.length,
  });
  const sizes = async (blob: ContentBlob | undefined) => {
    assert(blob);
    return (await Array.fromAsync(ahead.open(blob))).map(({ length }) => length);
  };
  assertEquals(await sizes(blobs[0]), [1024 * 1024, 1024 * 1024, 1]);
  assertEquals(await sizes(blobs[1]), []);
});
