import { assertEquals, assertRejects } from "@std/assert";
import { gzip } from "../helpers/archives.ts";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

const CONTENT = Uint8Array.from({ length: 300_000 }, (_, index) => (index * index) >> 7);

// Node.js's decoder under load is one: its last content came out after the last write was done.
test("a gzip member is whole where its decoder hands out content after the writing", async () => {
  const packed = await gzip(CONTENT);
  await withValue(globalThis, "DecompressionStream", LateDecoder, async () => {
    assertEquals(await inflate(packed), CONTENT);
  });
});

test("a damaged gzip member is refused where its decoder hands out content after the writing", async () => {
  const packed = await gzip(CONTENT);
  const wrongChecksum = packed.slice();
  wrongChecksum[packed.length - 8] = (wrongChecksum[packed.length - 8] ?? 0) ^ 1;
  await withValue(globalThis, "DecompressionStream", LateDecoder, async () => {
    for (const bytes of [wrongChecksum, packed.slice(0, -1), packed.slice(0, -9)]) {
      await assertRejects(() => inflate(bytes), Error, "gzip member 1 is damaged");
    }
  });
});

test("gzip members are told apart where a busy decoder hands out content many turns after the writing", async () => {
  const content = CONTENT.subarray(0, 6000);
  const members = [0, 2000, 2000, 4000].map((start, index) =>
    gzip(content.slice(start, [2000, 2000, 4000, 6000][index]))
  );
  const packed = await new Blob([...await Promise.all(members), new Uint8Array(512)]).bytes();
  await withValue(globalThis, "DecompressionStream", BusyDecoder, async () => {
    assertEquals(await inflate(packed), content);
  });
});

const Decoder = DecompressionStream;

/** Its threads have other things to do: it takes all that is written at once, and gives what comes of it turns later. */
class BusyDecoder {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<BufferSource>;

  constructor(format: CompressionFormat) {
    const decoder = new Decoder(format);
    this.writable = decoder.writable;
    this.readable = new ReadableStream({
      start(controller) {
        passLater(decoder.readable, controller).catch((error) => controller.error(error));
      },
    });
  }
}

async function passLater(
  pieces: ReadableStream<Uint8Array>,
  controller: ReadableStreamDefaultController,
): Promise<void> {
  let earlier = Promise.resolve();
  for await (const piece of pieces) {
    const later = turns(50);
    earlier = earlier.then(() => later).then(() => controller.enqueue(piece));
    // An aborted one takes no more.
    earlier.catch(() => {});
  }
  await earlier;
  controller.close();
}

async function turns(count: number): Promise<void> {
  for (; count > 0; count--) await new Promise((resolve) => setTimeout(resolve));
}

class LateDecoder {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<BufferSource>;

  constructor(format: CompressionFormat) {
    const decoder = new Decoder(format);
    this.writable = decoder.writable;
    const held: Uint8Array<ArrayBuffer>[] = [];
    this.readable = decoder.readable.pipeThrough(
      new TransformStream({
        transform(piece) {
          held.push(piece);
        },
        flush(controller) {
          for (const piece of held) controller.enqueue(piece);
        },
      }),
    );
  }
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  // Whether decoders are late is found out once for each copy of the module: other tests have theirs.
  const { gunzip } = await import("../../src/codec/gunzip.ts?late");
  const pieces = gunzip((async function* () {
    yield bytes;
  })());
  return await new Response(ReadableStream.from(pieces)).bytes();
}
