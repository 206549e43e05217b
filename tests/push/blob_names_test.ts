import { assertEquals } from "@std/assert";
import { makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { pushTo } from "../helpers/expected.ts";
import { check } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

test("an artifact set of OCM, a layout with its blobs called sha256.HEX, is pushed as any layout", async () => {
  const layout = new OciLayout();
  const index = await layout.indexOf([
    await layout.image(await makeImage(["one", "two"])),
    await layout.artifact("text", "application/example"),
  ]);
  layout.add(index, { ref: "1" });
  const entries = layout.entries().map((entry) => ({
    ...entry,
    path: entry.path.replace("/sha256/", "/sha256."),
  })).filter(({ path }) => path !== "blobs/sha256.");
  for (const archive of [toBlob(entries), toBlob(entries).stream()]) {
    const { result, warnings } = await pushTo(archive, "localhost:5000/app", { allTags: true });
    assertEquals(result.images.map(({ digest }) => digest), [index.digest]);
    assertEquals(warnings, []);
  }
  assertEquals((await check(entries)).findings, []);
});
