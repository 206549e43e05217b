import { assertEquals } from "@std/assert";
import { openArchive } from "../../src/image/archive.ts";
import { summarizeArchive } from "../../src/image/inspect.ts";
import {
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import {
  dockerSave,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { pushTo } from "../helpers/expected.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const summarize = async (entries: TarWriterEntry[]) =>
  await summarizeArchive(await openArchive(toBlob(entries)));

test("summarizeArchive() tells all of a docker image, with the digest that a push gives it", async () => {
  const created = "2026-01-02T03:04:05Z";
  const image = await makeImage(["one", "one"], {
    platform: "linux/arm64/v8",
    config: { created },
  });
  const entries = dockerSave([{ image, repoTags: ["team/app:1"] }], { layerPath: () => "one.tar" });
  const { dialect, images } = await summarize(entries);
  const pushed = (await pushTo(entries, "localhost:5000/app:1")).result.images[0];
  const [layer] = image.layers;
  const summary = {
    digest: layer?.digest,
    size: layer?.bytes.length,
    mediaType: DOCKER_LAYER,
    path: "one.tar",
  };
  assertEquals(dialect, "docker");
  assertEquals(images as unknown[], [{
    id: "#1",
    kind: "image",
    names: ["team/app:1"],
    primaryTag: "team/app:1",
    tags: [],
    mediaType: DOCKER_MANIFEST,
    platforms: ["linux/arm64/v8"],
    layers: [summary, summary],
    size: image.config.length + (layer?.bytes.length ?? 0),
    digest: pushed?.digest,
    config: image.configDigest,
    created,
  }]);
});

test("summarizeArchive() leaves a digest out that only hashing would tell", async () => {
  const image = await makeImage([await makeLayer("one", "gzip")]);
  const { images: [summary] } = await summarize(
    dockerSave([{ image }], { layerPath: () => "one.tar" }),
  );
  assertEquals(summary && "digest" in summary, false);
  assertEquals(summary?.layers[0] && "digest" in summary.layers[0], false);
  assertEquals(summary?.layers[0]?.mediaType, `${DOCKER_LAYER}.gzip`);
});

test("summarizeArchive() tells the platforms of an index, and its different blobs", async () => {
  const layout = new OciLayout();
  const [one, two] = [
    await makeImage(["base", "a"]),
    await makeImage(["base", "b"], { platform: "linux/arm/v7" }),
  ];
  const first = withPlatform(await layout.image(one), "linux/amd64");
  const second = await layout.image(two);
  const attestation = await layout.attestation(first);
  const index = await layout.indexOf([first, second, attestation]);
  layout.add(index, { ref: "v1" });
  const { images } = await summarize(layout.entries());
  const [summary] = images;
  assertEquals(images.length, 1);
  assertEquals([summary?.kind, summary?.mediaType, summary?.digest], [
    "index",
    OCI_INDEX,
    index.digest,
  ]);
  assertEquals(summary?.platforms, ["linux/amd64", "linux/arm/v7"]);
  assertEquals(summary?.tags, ["v1"]);
  assertEquals(
    summary?.entries?.map((
      { kind, platform, digest, present },
    ) => [kind, platform, digest, present]),
    [
      ["image", "linux/amd64", first.digest, "whole"],
      ["image", "linux/arm/v7", second.digest, "whole"],
      ["attestation", undefined, attestation.digest, "whole"],
    ],
  );
  assertEquals(
    summary?.entries?.[0]?.size,
    one.config.length + one.layers.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
  // Two configs, three layers, and the empty config and statement of the attestation.
  assertEquals(summary?.layers.length, 7);
  assertEquals(summary?.size, summary?.layers.reduce((sum, { size }) => sum + size, 0));
});

test("summarizeArchive() tells artifacts, and blobs that the archive lacks", async () => {
  const layout = new OciLayout();
  layout.add(await layout.artifact("hello", "application/vnd.example.thing"), { ref: "thing" });
  const image = await makeImage(["one"]);
  const descriptor = await layout.image(image);
  layout.add(descriptor, { ref: "image" });
  const [layer] = image.layers;
  if (layer) layout.remove(layer);
  const { images: [artifact, lacking] } = await summarize(layout.entries());
  assertEquals([artifact?.kind, artifact?.platforms, artifact?.tags], ["artifact", [], ["thing"]]);
  assertEquals([lacking?.kind, lacking?.mediaType, lacking?.digest], [
    "image",
    OCI_MANIFEST,
    descriptor.digest,
  ]);
  assertEquals(lacking?.layers[0]?.path, undefined);
  assertEquals(lacking?.layers[0]?.mediaType, OCI_LAYER);
  assertEquals(
    artifact?.layers[0]?.path,
    artifact?.layers[0]?.digest && pathOf({ digest: artifact.layers[0].digest }),
  );
});

test("summarizeArchive() tells what of an index is in the archive", async () => {
  const layout = new OciLayout();
  const images = await Promise.all(["a", "b", "c"].map((text) => makeImage([text, "same"])));
  const children = [];
  for (const [at, image] of images.entries()) {
    children.push(withPlatform(await layout.image(image), `linux/arch${at}`));
  }
  layout.add(await layout.indexOf([...children, await layout.artifact("text", "some/thing")]));
  const [, partly] = images;
  layout.remove(partly?.layers[0] ?? { digest: "sha256:" });
  layout.remove(children[2] ?? { digest: "sha256:" });
  const { images: [summary] } = await summarize(layout.entries());
  assertEquals(summary?.entries?.map(({ kind, present }) => [kind, present]), [
    ["image", "whole"],
    ["image", "partly"],
    ["image", "no"],
    ["artifact", "whole"],
  ]);
  assertEquals(summary?.entries?.[2]?.size, 0);
});

test("summarizeArchive() tells images apart by variant, os.version and os.features", async () => {
  const layout = new OciLayout();
  const children = [];
  for (const [at, version] of ["10.0.17763.1", "10.0.20348.1"].entries()) {
    const config = { "os.version": version, "os.features": ["win32k"] };
    const image = await makeImage([`windows ${at}`], { platform: "windows/amd64", config });
    // Some tools say of both in the index no more than windows/amd64.
    children.push(withPlatform(await layout.image(image), "windows/amd64"));
  }
  const arm = await layout.image(await makeImage(["arm"], { platform: "linux/arm" }));
  children.push(withPlatform(arm, "linux/arm/v6"), withPlatform(arm, "linux/arm/v7"));
  children.push(withPlatform(arm, "linux/arm/v7"));
  layout.add(await layout.indexOf(children));
  const platforms = [
    "windows/amd64:10.0.17763.1+win32k",
    "windows/amd64:10.0.20348.1+win32k",
    "linux/arm/v6",
    "linux/arm/v7",
  ];
  const [image] = (await summarize(layout.entries())).images;
  assertEquals(image?.platforms, platforms);
  assertEquals(image?.entries?.map(({ platform }) => platform ?? ""), platforms);
});

test("summarizeArchive() tells what an image is called that has no name to push under", async () => {
  const layout = new OciLayout();
  const ref = "app/org.example.App/x86_64/stable";
  layout.add(await layout.image(await makeImage(["one"])), { ref });
  layout.add(await layout.image(await makeImage(["two"])), { ref: "1" });
  layout.add(await layout.image(await makeImage(["three"])));
  const { images } = await summarize(layout.entries());
  assertEquals(images.map(({ otherName }) => otherName), [ref, undefined, undefined]);
  assertEquals(images[0]?.names, []);
});
