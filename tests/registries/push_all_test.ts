import { assertEquals } from "@std/assert";
import { pushAll } from "../../src/push/push_all.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";

const COUNT = 6;

/** Archives that share two layers, each with one of its own; every second one as a pipe. */
async function makeSources() {
  const shared = await Promise.all(["base", "lib"].map((text) => makeLayer(text)));
  return await Promise.all(Array.from({ length: COUNT }, async (_, at) => {
    const image = await makeImage([...shared, `own ${at}`], { config: { created: `${at}` } });
    const tar = toBlob(dockerSave([{ image }]));
    return at % 2 === 0 ? tar : tar.stream();
  }));
}

for (const { kind, title, skip } of realRegistries()) {
  test(`pushAll() sends what archives share to ${title} once, and again nothing`, async () => {
    await using registry = await startRealRegistry(kind);
    const push = async () => {
      const sources = (await makeSources()).map((source, at) => ({
        source,
        target: `${registry.host}/many/app${at}:1`,
      }));
      const results = [];
      for await (const result of pushAll(sources, undefined)) {
        if (result.status === "failed") throw result.error;
        results.push(result);
      }
      return results;
    };
    const statuses = (await push()).flatMap(({ images }) => images.flatMap(({ blobs }) => blobs))
      .map(({ status }) => status);
    // Two layers that all have; of each archive a layer and a config.
    assertEquals(statuses.filter((status) => status === "pushed").length, 2 + COUNT * 2);
    assertEquals(statuses.filter((status) => status === "mounted").length, (COUNT - 1) * 2);
    for (let at = 0; at < COUNT; at++) {
      await readBack(handlerOf(registry.host), `many/app${at}`, "1");
    }
    assertEquals((await push()).map(({ status }) => status), Array(COUNT).fill("exists"));
  }, { skip: kind === "zot" ? "zot mounts nothing as it is started here" : skip });
}
