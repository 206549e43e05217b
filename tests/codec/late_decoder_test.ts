import { assert, assertEquals, assertRejects } from "@std/assert";
import { SLICE_BYTES } from "../../src/codec/gzip_cuts.ts";
import { gzip, seededBytes } from "../helpers/archives.ts";
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

// Runs of zeros are zeros when they are compressed, too, and look like the padding behind a member.
test("gzip members that hold zeros are told apart where a busy decoder hands out content many turns after the writing", async () => {
  const zeros = new Uint8Array(600_000);
  const packed = await new Blob(await Promise.all(Array.from({ length: 12 }, () => gzip(zeros))))
    .bytes();
  await withValue(globalThis, "DecompressionStream", BusyDecoder, async () => {
    assertEquals((await inflate(packed)).length, 12 * zeros.length);
  });
});

test("a gzip member is over where a slice is, too, and content comes out later", async () => {
  const first = await gzip(seededBytes(1, 5 * SLICE_BYTES));
  const second = await gzip(seededBytes(2, 100));
  // The pieces that are looked at end 64 KiB before the first one's end, and slices from there are of 16 KiB.
  const pieces = [first, second, new Uint8Array(2 ** 17)];
  await withValue(globalThis, "DecompressionStream", BusyDecoder, async () => {
    assertEquals((await inflate(...pieces)).length, 5 * SLICE_BYTES + 100);
  });
});

test("no timer is waited for where content comes out soon after the writing", async () => {
  const content = seededBytes(3, 200 * SLICE_BYTES);
  const fired = await countTimers(async () =>
    assertEquals(await inflate(await gzip(content)), content)
  );
  // In the last 64 KiB some are, for what may follow the member.
  assert(fired < 150, `${fired} timers for 200 slices`);
});

// The last bytes of a length are zeros, and no padding; each wait for an end that is none would be of 500.
test("few timers are waited for in a gzip member that is short", async () => {
  for (const size of [1, 10, 1000, 100_000]) {
    const content = seededBytes(size, size);
    const fired = await countTimers(async () =>
      assertEquals(await inflate(await gzip(content)), content)
    );
    assert(fired < 400, `${fired} timers for ${size} bytes`);
  }
});

/** How many timers fire while something inflates with a decoder that is late, but not by much. */
async function countTimers(run: () => Promise<void>): Promise<number> {
  let fired = 0;
  const start = globalThis.setTimeout;
  const counting = (job: () => void) =>
    start(() => {
      fired++;
      job();
    });
  await withValue(globalThis, "setTimeout", counting, async () => {
    await withValue(globalThis, "DecompressionStream", SoonDecoder, run);
  });
  return fired;
}

const Decoder = DecompressionStream;

/** What comes of a piece is out some microtasks after it was taken. */
class SoonDecoder {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<BufferSource>;

  constructor(format: CompressionFormat) {
    const decoder = new Decoder(format);
    this.writable = decoder.writable;
    this.readable = decoder.readable.pipeThrough(
      new TransformStream({
        async transform(piece, controller) {
          for (let task = 0; task < 50; task++) await undefined;
          controller.enqueue(piece);
        },
      }),
    );
  }
}

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

async function inflate(...data: Uint8Array<ArrayBuffer>[]): Promise<Uint8Array> {
  // Whether decoders are late is found out once for each copy of the module: other tests have theirs.
  const { gunzip } = await import("../../src/codec/gunzip.ts?late");
  const pieces = gunzip((async function* () {
    yield* data;
  })());
  return await new Response(ReadableStream.from(pieces)).bytes();
}
