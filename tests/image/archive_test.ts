import { assert, assertEquals, assertRejects } from "@std/assert";
import { ArchiveError } from "../../src/errors.ts";
import { openArchive } from "../../src/image/archive.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import {
  type Bytes,
  dockerSave,
  encode,
  hybridManifest,
  linkBlobs,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const open = (entries: TarWriterEntry[]) => openArchive(toBlob(entries));

test("openArchive() tells the dialect by the documents that are there", async () => {
  const image = await makeImage(["one"]);
  const layout = new OciLayout();
  layout.add(await layout.image(image));
  assertEquals((await open(dockerSave([{ image }]))).dialect, "docker");
  assertEquals((await open(layout.entries())).dialect, "oci");
  assertEquals((await open(layout.entries([{ image }]))).dialect, "docker+oci");
});

test("openArchive() gives names in their short form, each once, and keeps every spelling", async () => {
  const image = await makeImage(["one"]);
  const repoTags = [
    "docker.io/library/app:1",
    "app:1",
    "localhost:5000/team/app:2",
    "bare",
    "No:1",
  ];
  const [only] = (await open(dockerSave([{ image, repoTags }]))).images;
  assertEquals(only?.names, ["app:1", "localhost:5000/team/app:2", "bare:latest"]);
  assertEquals(only?.tags, []);
  assertEquals(only?.aliases, [
    "docker.io/library/app:1",
    "app:1",
    "localhost:5000/team/app:2",
    "bare:latest",
    "No:1",
  ]);
});

test("openArchive() tells bare tags from full names in index.json", async () => {
  const layout = new OciLayout();
  const descriptor = await layout.image(await makeImage(["one"]));
  layout.add(descriptor, { ref: "v1.0" });
  layout.add(descriptor, { ref: "team/app:2" });
  layout.add(descriptor, { ref: "3", name: "docker.io/library/app:3" });
  layout.add(descriptor, { ref: "4", name: "ocidir://layout:4" });
  const { images } = await open(layout.entries());
  assertEquals(images.length, 1);
  assertEquals(images[0]?.tags, ["v1.0", "4"]);
  assertEquals(images[0]?.names, ["team/app:2", "app:3"]);
});

test("openArchive() merges manifest.json and index.json by content", async () => {
  const layout = new OciLayout();
  const [one, two] = [await makeImage(["one"]), await makeImage(["two"])];
  const descriptors = [await layout.image(one), await layout.image(two)];
  for (const descriptor of descriptors) layout.add(descriptor);
  const { images } = await open(layout.entries([{ image: two, repoTags: ["two:1"] }]));
  assertEquals(images.map(({ node }) => node.kind), ["manifest", "manifest"]);
  assertEquals(images.map(({ names }) => names), [["two:1"], []]);
  assertEquals(images.map(({ id }) => id), ["#1", "#2"]);
});

test("openArchive() merges them where the blobs of a layout are links", async () => {
  for (const algorithm of ["sha256", "sha512"] as const) {
    for (const type of ["link", "symlink"] as const) {
      const layout = new OciLayout();
      const image = await makeImage([await makeLayer("one", "gzip")]);
      const descriptor = await layout.image(image, {}, algorithm);
      layout.add(descriptor, { ref: "1" });
      const manifest = JSON.parse(new TextDecoder().decode(layout.blobs.get(pathOf(descriptor))));
      const item = {
        Config: pathOf(manifest.config),
        RepoTags: ["app:1"],
        Layers: manifest.layers.map(pathOf),
      };
      const entries = [...layout.entries(), {
        path: "manifest.json",
        body: JSON.stringify([item]),
      }];
      const { images } = await open(linkBlobs(entries, type));
      assertEquals(images.map(({ names }) => names), [["app:1"]]);
      const [{ node } = {}] = images;
      assertEquals(node?.kind === "manifest" && node.digest, descriptor.digest);
    }
  }
});

/** An artifact, and the archive that containerd makes of it: manifest.json lists it as if it were an image. */
async function listedArtifact(config: Bytes, configType = "application/vnd.example.config+json") {
  const layout = new OciLayout();
  const parts = {
    config: await layout.blob(config, configType),
    layers: [await layout.blob(XZ, "application/x-xz")],
  };
  const descriptor = await layout.document(
    { schemaVersion: 2, mediaType: OCI_MANIFEST, ...parts },
    OCI_MANIFEST,
  );
  layout.add(descriptor, { ref: "team/chart:1" });
  const item = {
    Config: pathOf(parts.config),
    RepoTags: ["team/chart:1"],
    Layers: parts.layers.map(pathOf),
  };
  const entries = [...layout.entries(), { path: "manifest.json", body: JSON.stringify([item]) }];
  return { digest: descriptor.digest, entries };
}

const XZ = new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]);

test("openArchive() takes an artifact that manifest.json lists as index.json has it", async () => {
  for (const config of ["{}", "no JSON", '{"rootfs":{"diff_ids":"none"}}']) {
    const { digest, entries } = await listedArtifact(encode(config));
    const { images, notices } = await open(entries);
    assertEquals(notices, []);
    assertEquals(images.map(({ names }) => names), [["team/chart:1"]]);
    const [{ node } = {}] = images;
    assertEquals(node?.kind === "manifest" && node.digest, digest);
  }
});

test("openArchive() refuses what manifest.json lists where index.json has it as an image, or not at all", async () => {
  const { entries } = await listedArtifact(encode("{}"), OCI_CONFIG);
  await assertRejects(() => open(entries), ArchiveError, "0 diff_ids");
  const { entries: listed } = await listedArtifact(encode("{}"));
  const layout = new OciLayout();
  layout.add(await layout.image(await makeImage(["one"])));
  // Of two entries with one name the last one counts.
  await assertRejects(() => open([...listed, ...layout.entries()]), ArchiveError, "0 diff_ids");
});

test("openArchive() remembers which image inside an index manifest.json names", async () => {
  const layout = new OciLayout();
  const [amd64, arm64] = [
    await makeImage(["a"]),
    await makeImage(["b"], { platform: "linux/arm64" }),
  ];
  const children = [
    withPlatform(await layout.image(amd64), "linux/amd64"),
    withPlatform(await layout.image(arm64), "linux/arm64"),
  ];
  const index = await layout.indexOf(children);
  layout.add(index, { ref: "1" });
  for (const child of children) layout.add(child);
  const { images } = await open(layout.entries([{ image: arm64, repoTags: ["app:1"] }]));
  assertEquals(images.length, 1);
  const [image] = images;
  assert(image?.node.kind === "index");
  assertEquals(image.node.digest, index.digest);
  assertEquals(image.named.map(({ digest }) => digest), [children[1]?.digest]);
});

test("openArchive() takes unnamed manifests about others for referrers", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  const sbom = await layout.artifact("sbom", "application/spdx+json", { subject: image });
  const lone = await layout.artifact("x", "application/x", {
    subject: { ...image, digest: sbom.digest.replace(/.$/, (c) => c === "0" ? "1" : "0") },
  });
  for (const descriptor of [image, sbom, lone]) layout.add(descriptor);
  const { images, beside } = await open(layout.entries());
  assertEquals(beside.map(({ node, kind }) => [node.digest, kind]), [[sbom.digest, undefined]]);
  assertEquals(images.length, 2, "what refers to something else is an image of its own");
});

test("openArchive() notices entries of index.json that the archive lacks", async () => {
  const layout = new OciLayout();
  const [gone, there] = [
    await layout.image(await makeImage(["a"])),
    await layout.image(await makeImage(["b"])),
  ];
  layout.add(gone);
  layout.add(there);
  layout.remove(gone);
  const { images, notices } = await open(layout.entries());
  assertEquals([images.length, notices.length], [1, 1]);
  assert(notices[0]?.includes(gone.digest));
});

test("openArchive() knows digests without reading layers", async () => {
  const big = await makeLayer(crypto.getRandomValues(new Uint8Array(60_000)));
  const packed = await makeLayer("packed", "gzip");
  const image = await makeImage([big, packed]);
  const layout = new OciLayout();
  layout.add(await layout.image(image));
  const cases: [TarWriterEntry[], (string | undefined)[], string[]][] = [
    [dockerSave([{ image }]), [big.diffId, undefined], ["diff-id", "unknown"]],
    [
      dockerSave([{ image }], { layerPath: ({ digest }) => `${digest.slice(7)}.tar.gz` }),
      [big.diffId, packed.digest],
      ["diff-id", "hint"],
    ],
    [layout.entries(), [big.digest, packed.digest], ["named", "named"]],
    [
      [
        ...layout.entries().filter(({ path }) => path !== "index.json"),
        { path: "manifest.json", body: hybridManifest([{ image }]) },
      ],
      [big.digest, packed.digest],
      ["named", "named"],
    ],
  ];
  for (const [entries, digests, origins] of cases) {
    const blob = toBlob(entries);
    let read = 0;
    const counting = {
      size: blob.size,
      slice: (start: number, end: number) => ({
        stream: () =>
          blob.slice(start, end).stream().pipeThrough(
            new TransformStream<Uint8Array, Uint8Array>({
              transform(piece, controller) {
                read += piece.length;
                controller.enqueue(piece);
              },
            }),
          ),
      }),
    };
    const [found] = (await openArchive(counting)).images;
    assert(found && found.node.kind !== "index");
    assertEquals(found.node.layers.map(({ digest }) => digest as string | undefined), digests);
    assertEquals(found.node.layers.map(({ origin }) => origin as string), origins);
    assert(read < 30_000, `${read} bytes read`);
  }
});

test("openArchive() knows the names of a package of Zarf, where others name the base of an image", async () => {
  const layout = new OciLayout();
  const base = { "org.opencontainers.image.base.name": "docker.io/library/old:1" };
  layout.add({ ...await layout.image(await makeImage(["one"])), annotations: base });
  layout.add({ ...await layout.image(await makeImage(["two"])), annotations: base }, {
    ref: "host.example/new:2",
  });
  const images = layout.entries().map((entry) => ({ ...entry, path: `images/${entry.path}` }));
  const zarf = { path: "zarf.yaml", body: "kind: ZarfPackageConfig" };
  const named = async (entries: TarWriterEntry[]) =>
    (await open(entries)).images.map(({ names }) => names);
  assertEquals(await named([...images, zarf]), [["old:1"], ["host.example/new:2"]]);
  assertEquals(await named(images), [[], ["host.example/new:2"]]);
});

test("openArchive() finds an image whose type in index.json is what a header made of it", async () => {
  for (const mediaType of [`${OCI_MANIFEST}; charset=utf-8`, OCI_MANIFEST.toUpperCase()]) {
    const layout = new OciLayout();
    const descriptor = await layout.image(await makeImage(["one"]));
    layout.add({ ...descriptor, mediaType });
    const { images } = await open(layout.entries());
    const nodes = images.map(({ node }) =>
      node.kind === "manifest" && [node.digest, node.mediaType]
    );
    assertEquals(nodes, [[descriptor.digest, OCI_MANIFEST]]);
  }
});

test("openArchive() stops at an aborted signal", async () => {
  const blob = toBlob(dockerSave([{ image: await makeImage(["one"]) }]));
  const reason = new Error("stopped");
  const error = await assertRejects(() => openArchive(blob, { signal: AbortSignal.abort(reason) }));
  assertEquals(error, reason);
});

test("openArchive() finds no image in an archive whose index is empty", async () => {
  const layout = new OciLayout();
  await assertRejects(() => open(layout.entries()), ArchiveError, "names no image");
  layout.add(await layout.indexOf(null));
  const { images } = await open(layout.entries());
  assertEquals(images.map(({ node }) => node.kind === "index" && node.mediaType), [OCI_INDEX]);
});
