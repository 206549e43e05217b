import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bytes, concat } from "../../src/bytes.ts";
import { type EncodedKind, startEncoder } from "../../src/codec/block_encoder.ts";
import { compressBlocks, compressBound } from "../../src/codec/compress.ts";
import { decompress } from "../../src/codec/decompress.ts";
import { BLOCK_BYTES, type Encoders, useEncoders } from "../../src/codec/encoder_pool.ts";
import { encoderModule } from "../../src/codec/encoders.ts";
import { sniffCompression } from "../../src/codec/magic.ts";
import { randomBytes } from "../helpers/archives.ts";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

const KINDS: readonly EncodedKind[] = ["gzip", "zstd"];
/** Two blocks and a part of one, half of it noise. */
const CONTENT = makeContent(2 * BLOCK_BYTES + 4321);

for (const kind of KINDS) {
  test(`compressBlocks() makes the same ${kind} of pieces of any size, and it inflates to them`, async () => {
    await using encoders = await useEncoders({ kind, level: 1 });
    const whole = await compress(CONTENT, encoders);
    assertEquals(sniffCompression(whole), kind);
    assert(whole.length < CONTENT.length * 0.8);
    assertEquals(await inflate(whole, kind), CONTENT);
    for (const size of [511, 512, 513, 65_536, BLOCK_BYTES + 1]) {
      assertEquals(await compress(CONTENT, encoders, size), whole, `pieces of ${size} bytes`);
    }
  });

  test(`compressBlocks() makes no more ${kind} of noise than it says, and of nothing nothing`, async () => {
    await using encoders = await useEncoders({ kind, level: 1 });
    const noise = randomBytes(BLOCK_BYTES + 77);
    const made = await compress(noise, encoders);
    assert(made.length <= compressBound(noise.length), `${made.length}`);
    assertEquals(await inflate(made, kind), noise);
    assertEquals((await compress(new Uint8Array(0), encoders)).length, 0);
  });

  test(`${kind} of a high level is smaller, and is the same without workers`, async () => {
    const [low, high] = [await compressAt(kind, 1), await compressAt(kind, 9)];
    assert(high.length < low.length, `${high.length} bytes at level 9, ${low.length} at level 1`);
    assertEquals(await inflate(high, kind), CONTENT);
    const here = await withValue(globalThis, "Worker", undefined, () => compressAt(kind, 1));
    assertEquals(here, low);
  });
}

test("useEncoders() does without workers where they cannot be started", async () => {
  class Refused {
    constructor() {
      throw new DOMException("The policy of the page is against it", "SecurityError");
    }
  }
  const made = await withValue(globalThis, "Worker", Refused, () => compressAt("gzip", 1));
  assertEquals(await inflate(made, "gzip"), CONTENT);
});

test("an encoder without WebAssembly makes gzip by CompressionStream", async () => {
  const settings = { kind: "gzip", level: 1, blockBytes: BLOCK_BYTES, module: undefined } as const;
  const make = async () => {
    const encode = await startEncoder(settings);
    return await encode(CONTENT.subarray(0, BLOCK_BYTES));
  };
  const made = await withValue(globalThis, "Bun", undefined, make).catch(make);
  assertEquals(await inflate(made, "gzip"), CONTENT.subarray(0, BLOCK_BYTES));
});

test("encoderModule() is needed where a runtime has no encoder of its own", async () => {
  assertEquals(await encoderModule("gzip") !== undefined, "Deno" in globalThis);
  assertEquals(await encoderModule("zstd") !== undefined, "Deno" in globalThis);
});

test("compressBlocks() reads ahead by three blocks for each encoder", async () => {
  let read = 0;
  let encoded = 0;
  const encoders = {
    size: 2,
    takeBlock: () => new Uint8Array(BLOCK_BYTES),
    encode: (block: Bytes) => {
      encoded++;
      return Promise.resolve(block.slice(0, 10));
    },
  };
  const blocks = compressBlocks(() => {
    read++;
    return Promise.resolve(new Uint8Array(BLOCK_BYTES));
  }, encoders);
  for (let count = 1; count <= 5; count++) {
    await blocks.next();
    assert(read <= count + 7, `${read} pieces read for ${count} blocks`);
    assertEquals(encoded, count + 6);
  }
  await blocks.return();
});

test("compressBlocks() passes on what reading and encoding fail with", async () => {
  await using encoders = await useEncoders({ kind: "gzip", level: 1 });
  const broken = () => Promise.reject(new Error("the disk is gone"));
  await assertRejects(async () => await drain(compressBlocks(broken, encoders)), Error, "the disk");
  const failing = { ...encoders, encode: () => Promise.reject(new Error("no memory")) };
  const block = () => Promise.resolve(new Uint8Array(BLOCK_BYTES));
  await assertRejects(
    async () => await drain(compressBlocks(block, failing)),
    Error,
    "no memory",
  );
});

test("encoders that were given back leave nobody waiting", async () => {
  const encoders = await useEncoders({ kind: "gzip", level: 3 });
  const waiting = encoders.encode(CONTENT.slice(0, BLOCK_BYTES));
  const settled = waiting.then(() => "done", () => "failed");
  await encoders[Symbol.asyncDispose]();
  assert(["done", "failed"].includes(await settled));
});

async function compressAt(kind: EncodedKind, level: number): Promise<Bytes> {
  await using encoders = await useEncoders({ kind, level });
  return await compress(CONTENT, encoders);
}

async function compress(content: Bytes, encoders: Encoders, size = 65_536): Promise<Bytes> {
  let at = 0;
  const read = () =>
    Promise.resolve(at < content.length ? content.subarray(at, at += size) : undefined);
  const pieces: Bytes[] = [];
  let from = 0;
  for await (const { bytes, size } of compressBlocks(read, encoders)) {
    pieces.push(bytes);
    from += size;
  }
  assertEquals(from, content.length);
  return concat(pieces, pieces.reduce((sum, { length }) => sum + length, 0));
}

async function inflate(bytes: Bytes, kind: EncodedKind): Promise<Bytes> {
  const stream = decompress(new Blob([bytes]).stream(), kind);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function drain(blocks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of blocks);
}

function makeContent(size: number): Bytes {
  const bytes = randomBytes(size);
  for (let at = 0; at < size; at += 64) bytes.fill(at >> 16, at, at + 32);
  return bytes;
}
