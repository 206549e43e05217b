import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Bytes, concat } from "../../src/bytes.ts";
import { startEncoder } from "../../src/codec/block_encoder.ts";
import type { LayerCompression } from "../../src/codec/magic.ts";
import { compressBlocks, compressBound } from "../../src/codec/compress.ts";
import { decompress } from "../../src/codec/decompress.ts";
import { BLOCK_BYTES, type Encoders, useEncoders } from "../../src/codec/encoder_pool.ts";
import { encoderModule } from "../../src/codec/encoders.ts";
import { sniffCompression } from "../../src/codec/magic.ts";
import { digestBytes } from "../../src/digest.ts";
import { OciError } from "../../src/errors.ts";
import { halfNoise, randomBytes } from "../helpers/archives.ts";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

const KINDS: readonly LayerCompression[] = ["gzip", "zstd"];
/** Two blocks and a part of one, half of it noise. */
const CONTENT = halfNoise(2 * BLOCK_BYTES + 4321);
/** Always the same, and the smaller the longer one looks for what it repeats. */
const TEXT = new TextEncoder().encode(
  Array.from({ length: 200_000 }, (_, at) => `${(at * at * 31) % 10_007} ${at % 97}`).join(" "),
);

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
    const [low, high] = [await compressAt(kind, 1, TEXT), await compressAt(kind, 9, TEXT)];
    assert(high.length < low.length, `${high.length} bytes at level 9, ${low.length} at level 1`);
    assertEquals(await inflate(high, kind), TEXT);
    const here = await withValue(globalThis, "Worker", undefined, () => compressAt(kind, 1, TEXT));
    assertEquals(here, low);
  });
}

test("useEncoders() makes the same on every runtime, of blocks of any length", async () => {
  // A runtime with another release of an encoder in it makes other bytes: docs/how_a_push_works.md and the changelog say so.
  const expected: [LayerCompression, number, string][] = [
    ["gzip", 1, "sha256:24f753eb7297d6c8089b4bfeb04c3d7ecf7614a0b91049276d930029525b2874"],
    ["gzip", 9, "sha256:664944a90a986d5e442276e240928baa7f7cef054bf638e6205d41d507dc0760"],
    ["zstd", 1, "sha256:ef65ebabdcd620ebfebe9cea0d214ead9eed0f94f4fcbea4a43027647bf11e22"],
    ["zstd", 3, "sha256:910768d6ff3031ebcc4b634c87062f3d818c8c57962185bb84a659b7e842dfa0"],
    ["zstd", 9, "sha256:9611203250265cfe6c2cb051a852576dbcf725e1de036ff575959062abfa1391"],
    ["zstd", 12, "sha256:af4bd66f2f2bef8ce7e18958035333f8ad63e6e49de4a03ff09724fb1b56e796"],
  ];
  for (const [kind, level, digest] of expected) {
    await using encoders = await useEncoders({ kind, level });
    const made: Bytes[] = [];
    for (const length of [1, 255, 5000, 100_000, 200_000, BLOCK_BYTES]) {
      made.push(await encoders.encode(TEXT.slice(0, length)));
    }
    assertEquals(await digestBytes(concat(made)), digest, `${kind}, level ${level}`);
  }
});

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

test("useEncoders() does without workers that fail when they are started, or say that they cannot", async () => {
  for (const [name, says] of Object.entries(BROKEN_WORKERS)) {
    class Broken {
      onmessage?: (event: { data: { error: string } }) => void;
      onerror?: (event: { message: string }) => void;
      postMessage() {
        queueMicrotask(() => says(this));
      }
      terminate() {}
    }
    const made = await withValue(globalThis, "Worker", Broken, () => compressAt("gzip", 1));
    assertEquals(await inflate(made, "gzip"), CONTENT, name);
  }
});

test("an encoder whose worker failed keeps nobody waiting who comes after that", async () => {
  class Dying {
    onmessage?: (event: { data: object }) => void;
    onerror?: (event: { message: string }) => void;
    #asked = 0;
    postMessage() {
      const asked = ++this.#asked;
      queueMicrotask(() => {
        if (asked === 1) this.onmessage?.({ data: {} });
        if (asked === 2) this.onerror?.({ message: "it was killed" });
      });
    }
    terminate() {}
  }
  await withValue(globalThis, "Worker", Dying, async () => {
    await withValue(globalThis.navigator, "hardwareConcurrency", 1, async () => {
      await using encoders = await useEncoders({ kind: "gzip", level: 2 });
      for (let count = 0; count < 2; count++) {
        await assertRejects(() => encoders.encode(CONTENT.slice(0, 10)), Error, "it was killed");
      }
    });
  });
});

/** How a worker that is of no use tells so. */
const BROKEN_WORKERS: Record<
  string,
  (worker: {
    onmessage?: (event: { data: { error: string } }) => void;
    onerror?: (event: { message: string }) => void;
  }) => void
> = {
  fails: (worker) => worker.onerror?.({ message: "no threads left" }),
  answers: (worker) => worker.onmessage?.({ data: { error: "no memory" } }),
};

const skip = "Deno" in globalThis ? undefined : "Bun has encoders of its own";

test("useEncoders() fails where no encoder can be started", async () => {
  await withValue(globalThis, "Worker", undefined, async () => {
    await assertRejects(
      () => useEncoders({ kind: "gzip", level: 99 }),
      RangeError,
      "There is no memory for the encoder",
    );
  });
}, { skip });

test("startEncoder() prefers the encoders of the runtime", async () => {
  const asked: unknown[] = [];
  const encode = (block: Bytes, options: unknown) => {
    asked.push(options);
    return block.slice(0, 1);
  };
  const runtime = { gzipSync: encode, zstdCompressSync: encode };
  await withValue(globalThis, "Bun", runtime, async () => {
    for (const kind of KINDS) {
      const settings = { kind, level: 5, blockBytes: BLOCK_BYTES, module: undefined };
      assertEquals((await (await startEncoder(settings))(CONTENT)).length, 1);
    }
  });
  assertEquals(asked, [{ level: 5, library: "libdeflate" }, { level: 5 }]);
}, { skip });

test("startEncoder() says what is wrong with WebAssembly", async () => {
  const start = async (bytes: readonly number[]) => {
    const module = await WebAssembly.compile(new Uint8Array(bytes));
    return await startEncoder({ kind: "gzip", level: 1, blockBytes: BLOCK_BYTES, module });
  };
  await assertRejects(() => start(wasmOf({})), TypeError, "The encoder exports no start");
  await assertRejects(() => start(wasmOf({ start: 0 })), RangeError, "There is no memory");
  const encode = await start(wasmOf({ start: 8, result: 8, encode: 0 }));
  assertThrows(() => encode(CONTENT.subarray(0, 10)), RangeError, "The encoder failed");
}, { skip });

/** A module with two MiB of memory, whose functions return what is given. */
function wasmOf(functions: { start?: number; result?: number; encode?: number }): number[] {
  const parameters = { start: 2, result: 0, encode: 1 };
  const names = (["start", "result", "encode"] as const).filter((name) => name in functions);
  const section = (id: number, parts: number[][]) => {
    const content = [parts.length, ...parts.flat()];
    return [id, content.length, ...content];
  };
  const text = (name: string) => [name.length, ...new TextEncoder().encode(name)];
  return [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      names.map((name) => [0x60, parameters[name], ...Array(parameters[name]).fill(0x7f), 1, 0x7f]),
    ),
    ...section(3, names.map((_, at) => [at])),
    ...section(5, [[0, 32]]),
    ...section(7, [[...text("memory"), 2, 0], ...names.map((name, at) => [...text(name), 0, at])]),
    ...section(10, names.map((name) => [4, 0, 0x41, functions[name] ?? 0, 0x0b])),
  ];
}

test(
  "encoderModule() says where zstd is to be had, and does without for gzip, where nothing is compiled",
  async () => {
    // The module as a program finds it that has compressed nothing yet.
    const path = "../../src/codec/encoders.ts?anew";
    const { encoderModule }: typeof import("../../src/codec/encoders.ts") = await import(path);
    const refuse = () => Promise.reject(new TypeError("Wasm code generation disallowed"));
    await withValue(WebAssembly, "compile", refuse, async () => {
      assertEquals(await encoderModule("gzip"), undefined);
      const error = await assertRejects(
        () => encoderModule("zstd"),
        OciError,
        "Cannot compress with zstd: this runtime has no encoder for it here",
      );
      assertEquals(
        error.hint,
        "use Bun, or the package on JSR where WebAssembly may be compiled, or gzip",
      );
    });
  },
  { skip },
);

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

async function compressAt(
  kind: LayerCompression,
  level: number,
  content = CONTENT,
): Promise<Bytes> {
  await using encoders = await useEncoders({ kind, level });
  return await compress(content, encoders);
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

async function inflate(bytes: Bytes, kind: LayerCompression): Promise<Bytes> {
  const stream = decompress(new Blob([bytes]).stream(), kind);
  return await new Response(stream).bytes();
}

async function drain(blocks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of blocks);
}
