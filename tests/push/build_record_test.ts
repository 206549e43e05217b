import { assertEquals, assertStringIncludes } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { infoLines } from "../../src/cli/info_table.ts";
import { inspectLines } from "../../src/cli/inspect_table.ts";
import { paintNothing } from "../../src/cli/render.ts";
import { OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import {
  encodeJson,
  type MadeDescriptor,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, pushTo } from "../helpers/expected.ts";
import { check } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

const CACHE = "application/vnd.buildkit.cacheconfig.v0";
const HISTORY = "application/vnd.buildkit.historyrecord.v0";

/** A manifest whose config is of a type of BuildKit's. */
async function manifestOf(layout: OciLayout, type: string, content: string) {
  const config = await layout.blob(encodeJson({ content }), type);
  const layers = [await layout.blob(encodeJson({ content }), "application/vnd.buildkit.status.v0")];
  return await layout.document(
    { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers },
    OCI_MANIFEST,
  );
}

/** Everything that BuildKit exports and is no image. */
const RECORDS: Record<
  string,
  [record: string, make: (layout: OciLayout) => Promise<MadeDescriptor>]
> = {
  "a cache as an index": ["build cache", async (layout) =>
    await layout.indexOf([
      await layout.blob((await makeLayer("one", "gzip")).bytes, `${OCI_LAYER}+gzip`),
      await layout.blob(encodeJson({ layers: [] }), CACHE),
    ])],
  "a cache as a manifest": ["build cache", (layout) => manifestOf(layout, CACHE, "one")],
  "the history of a build": ["build history", (layout) => manifestOf(layout, HISTORY, "one")],
  "the history of a build as an index": [
    "build history",
    async (layout) => await layout.indexOf([await layout.blob(encodeJson({ Ref: "a" }), HISTORY)]),
  ],
  "the history of builds": ["build history", async (layout) =>
    await layout.indexOf([
      await manifestOf(layout, HISTORY, "one"),
      await manifestOf(layout, HISTORY, "two"),
    ])],
};

for (const [name, [record, make]] of Object.entries(RECORDS)) {
  test(`BuildKit's exports are named for what they are: ${name}`, async () => {
    const layout = new OciLayout();
    const made = await make(layout);
    layout.add(made, { ref: "b" });
    const summary = await openArchive(toBlob(layout.entries()));
    assertEquals(summary.images[0]?.buildRecord, record);
    assertStringIncludes(inspectLines(summary, paintNothing).join("\n"), `#1  ${record}, `);
    const { registry: fetch, result, warnings } = await pushTo(
      layout.entries(),
      "localhost:5000/app:1",
    );
    assertEquals(warnings.filter((text) => text.startsWith('"b"')), [
      `"b" is a ${record} and no image: it is pushed as it is, and cannot be run`,
    ]);
    assertEquals(result.images[0]?.digest, made.digest);
    await using client = new RegistryClient("http://localhost:5000", { fetch });
    const info = await client.repository("app").image("1");
    assertEquals(info.buildRecord as string, record);
    const lines = infoLines("app:1", info, paintNothing).join("\n");
    assertStringIncludes(lines, `app:1  ${record}, `);
    assertEquals(lines.includes("not in the registry"), false);
    assertEquals((await check(layout.entries())).ok, true);
  });

  test(`BuildKit's exports beside an image are left out: ${name}`, async () => {
    const layout = new OciLayout();
    layout.add(await make(layout), { ref: "b" });
    const image = await layout.image(await makeImage(["one"]));
    layout.add(image, { ref: "1" });
    const { registry, result, warnings } = await pushTo(layout.entries(), "localhost:5000/app:1");
    assertEquals([result.images[0]?.digest, await allTags(registry)], [image.digest, ["app:1"]]);
    assertEquals(warnings, [
      `"b" is a ${record} and no image, so it is not pushed; choosing it with --image pushes it`,
    ]);
  });
}
