import { assertEquals } from "@std/assert";
import { OCI_MANIFEST } from "../../src/media_types.ts";
import { makeImage, OciLayout } from "../helpers/archives.ts";
import { allTags, pushTo } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";

const ABSENT = `sha256:${"a".repeat(64)}`;
const TAG = ABSENT.replace(":", "-");

/** A layout with an image, and an artifact about one that is not there. */
async function leftBehind() {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  layout.add(image, { ref: "1" });
  const subject = { mediaType: OCI_MANIFEST, digest: ABSENT, size: 1 };
  const artifact = await layout.artifact("sbom", "application/example", { subject });
  return { layout, image, artifact };
}

test("a list of referrers whose image is gone does not stand in the way of the image that is there", async () => {
  const { layout, image, artifact } = await leftBehind();
  layout.add(await layout.indexOf([artifact]), { ref: TAG });
  const { registry, result, warnings } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals([result.images[0]?.digest, await allTags(registry)], [image.digest, ["app:1"]]);
  assertEquals(warnings, [
    `"${TAG}" belongs to an image that the archive has not: it is not pushed; choosing it with --image pushes it`,
  ]);
  const chosen = await pushTo(layout.entries(), "localhost:5000/app:list", { images: [TAG] });
  assertEquals(await allTags(chosen.registry), ["app:list"]);
});

test("nor do a signature, and what names the absent image itself", async () => {
  const { layout, image, artifact } = await leftBehind();
  layout.add(artifact, {});
  layout.add(await layout.image(await makeImage(["signature"])), { ref: `${TAG}.sig` });
  const { result } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals(result.images.map(({ digest }) => digest), [image.digest]);
  // With all tags everything goes that has one.
  const all = await pushTo(layout.entries(), "localhost:5000/app", { allTags: true });
  assertEquals((await allTags(all.registry)).sort(), ["app:1", `app:${TAG}.sig`]);
});

test("a list of referrers is pushed where there is nothing else", async () => {
  const { layout, artifact } = await leftBehind();
  layout.index.pop();
  const list = await layout.indexOf([artifact]);
  layout.add(list, { ref: TAG });
  const { result } = await pushTo(layout.entries(), `localhost:5000/app:${TAG}`);
  assertEquals(result.images[0]?.digest, list.digest);
});
