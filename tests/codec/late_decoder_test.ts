import { assertEquals, assertRejects } from "@std/assert";
import { gunzip } from "../../src/codec/gunzip.ts";
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

const Decoder = DecompressionStream;

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
  const pieces = gunzip((async function* () {
    yield bytes;
  })());
  return await new Response(ReadableStream.from(pieces)).bytes();
}
