import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import { BLOCK_BYTES } from "../../../src/codec/encoder_pool.ts";
import { createHash } from "../../../src/incremental_hash.ts";
import { compressLayer } from "../../../src/push/compression/compress_layer.ts";
import { test } from "../../helpers/test.ts";

/** Compresses a layer of ten blocks; `cancelled` has what its stream was cancelled with. */
function compress(encode: (block: Bytes) => Promise<Bytes>) {
  const cancelled: unknown[] = [];
  const stream = new ReadableStream<Bytes>({
    pull: (controller) => controller.enqueue(new Uint8Array(BLOCK_BYTES)),
    cancel: (reason) => void cancelled.push(reason),
  }, { highWaterMark: 0 });
  const layer = { size: 10 * BLOCK_BYTES, stream, isOnce: false, hash: undefined };
  const encoders = { size: 1, takeBlock: () => new Uint8Array(BLOCK_BYTES), encode };
  const { signal } = new AbortController();
  const compressed = compressLayer(layer, { encoders, holdBytes: 5, hasher: createHash, signal });
  return { compressed, cancelled };
}

test("compressLayer() lets go of a layer that it keeps, that fails, or of which no more is wanted", async () => {
  const kept = compress((block) => Promise.resolve(new Uint8Array(block.length + 1)));
  assertEquals(await kept.compressed, { kind: "kept", whole: undefined });
  assertEquals(kept.cancelled, [undefined]);
  const error = new Error("no memory");
  const failed = compress(() => Promise.reject(error));
  await assertRejects(() => failed.compressed, Error, "no memory");
  assertEquals(failed.cancelled, [error]);
  const passing = compress(() => Promise.resolve(new Uint8Array(10)));
  const compressed = await passing.compressed;
  assert(compressed.kind === "passing");
  await compressed.passing.stream.cancel("enough");
  assertEquals(passing.cancelled, ["enough"]);
});
