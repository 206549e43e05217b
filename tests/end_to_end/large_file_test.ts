import { assertEquals } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { currentHost, openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

/** A docker archive in a file, with a layer of several pieces. */
async function largeArchive(folder: { write(name: string, bytes: Uint8Array): Promise<string> }) {
  const body = new Uint8Array(5 * 1024 * 1024 + 7).map((_, at) => at % 251);
  const layer = await makeLayer(writeTar([{ path: "x", body }]));
  const image = await makeImage([layer]);
  const tar = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
  return { layer, path: await folder.write("app.tar", await tar.bytes()) };
}

test("pushImage() hands a registry in this process pieces that it can keep", async () => {
  await using folder = await temporaryFolder();
  const { layer, path } = await largeArchive(folder);
  await using file = await openFile(path);
  const registry = createRegistry();
  await pushImage(file, "localhost:5000/app:1", { fetch: registry });
  const { layers } = await readBack(registry, "app", "1");
  assertEquals(layers.map(({ digest }) => digest), [layer.digest]);
});

test("pushImage() sends a large file again over a connection, whole each time", async () => {
  await using folder = await temporaryFolder();
  const { layer, path } = await largeArchive(folder);
  await using file = await openFile(path);
  const registry = createRegistry();
  let failures = 2;
  const layerOnTheWay = faultLayer(registry, (request) => {
    if (request.method !== "PUT" || request.query.get("digest") !== layer.digest) return undefined;
    if (failures-- <= 0) return undefined;
    return { kind: "answer", readBody: true, answer: () => new Response(null, { status: 503 }) };
  });
  const { port, stop } = await currentHost().serve(layerOnTheWay.fetch, {
    hostname: "127.0.0.1",
    port: 0,
  });
  try {
    await pushImage(file, `127.0.0.1:${port}/app:1`, { retry: { delay: 1 } });
  } finally {
    await stop();
  }
  const { layers } = await readBack(registry, "app", "1");
  assertEquals(layers.map(({ digest }) => digest), [layer.digest]);
  const puts = layerOnTheWay.lines().filter((line) => line.startsWith("PUT app/blobs"));
  assertEquals(puts.length, 4);
});
