import { assertEquals } from "@std/assert";
import { own } from "../../src/owned_bytes.ts";
import { pushImage } from "../../src/push/push.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;
/** A window of 4 MiB, and a layer that passes. */
const BUDGET = { memoryBudget: 32 * MIB };

async function passingArchive() {
  const body = new Uint8Array(26 * MIB).map((_, at) => (at * 7 + (at >> 20)) % 251);
  const layer = await makeLayer(writeTar([{ path: "x", body }]));
  const image = await makeImage([layer]);
  return { layer, tar: toBlob(dockerSave([{ image, repoTags: ["app:1"] }])) };
}

/** The bytes as a pipe gives them: in full pieces that may be freed. */
function ownedPieces(tar: Blob): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at >= tar.size) return controller.close();
      controller.enqueue(own(await tar.slice(at, at += MIB).bytes()));
    },
  }, { highWaterMark: 0 });
}

for (const chunkSize of [4 * MIB, 8 * MIB, 16 * MIB]) {
  test(`pushImage() of a pipe sends chunks of ${chunkSize / MIB} MiB, larger than its window or not`, async () => {
    const { layer, tar } = await passingArchive();
    const registry = createRegistry();
    const { port, stop } = await currentHost().serve(registry, { hostname: "127.0.0.1", port: 0 });
    try {
      await pushImage(ownedPieces(tar), `127.0.0.1:${port}/app:1`, { ...BUDGET, chunkSize });
    } finally {
      await stop();
    }
    const { layers } = await readBack(registry, "app", "1");
    assertEquals(layers.map(({ digest }) => digest), [layer.digest]);
  });
}

test("pushImage() of a pipe hands a registry in this process pieces that it can keep", async () => {
  const { layer, tar } = await passingArchive();
  const registry = createRegistry();
  await pushImage(ownedPieces(tar), "localhost:5000/app:1", { ...BUDGET, fetch: registry });
  const { layers } = await readBack(registry, "app", "1");
  assertEquals(layers.map(({ digest }) => digest), [layer.digest]);
});
