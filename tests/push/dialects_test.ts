import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { digestBytes, digestHex } from "../../src/digest.ts";
import { ArchiveError, DigestMismatchError } from "../../src/errors.ts";
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  type DockerSaveOptions,
  encode,
  hybridManifest,
  type MadeDescriptor,
  type MadeImage,
  type MadeLayer,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import {
  allTags,
  assertOutcome,
  diffIdsOf,
  hasManifest,
  pushFails,
  pushTo,
  readBack,
} from "../helpers/expected.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { check } from "../helpers/findings.ts";
import { type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

/** Checks that an image stands under app:1, and returns it. */
async function assertPushed(
  archive: Blob | readonly TarWriterEntry[],
  { configDigest, layers }: MadeImage,
  options: Parameters<typeof pushTo>[2] = {},
) {
  const { registry } = await pushTo(archive, TARGET, options);
  const outcome = { config: configDigest, diff_ids: layers.map(({ diffId }) => diffId) };
  return await assertOutcome(registry, "app", "1", [outcome]);
}

/** The same entries in another order, by a rule that never repeats itself. */
function shuffled(entries: readonly TarWriterEntry[], seed: number): TarWriterEntry[] {
  const left = [...entries];
  const taken: TarWriterEntry[] = [];
  for (let state = seed; left.length > 0; state = (state * 48271) % 2147483647) {
    taken.push(...left.splice(state % left.length, 1));
  }
  return taken;
}

test("legacy docker save becomes a Docker schema 2 manifest", async () => {
  const image = await makeImage(["one", "two"]);
  const read = await assertPushed(dockerSave([{ image, repoTags: ["app:1"] }]), image);
  assertEquals(read.mediaType, DOCKER_MANIFEST);
  assertEquals(read.json.schemaVersion, 2);
  assertEquals([read.config?.mediaType, ...read.layers.map(({ mediaType }) => mediaType)], [
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER,
  ]);
  assertEquals(read.config?.bytes, image.config);
});

const REPEATED: NonNullable<DockerSaveOptions["repeated"]>[] = [
  "symlink",
  "hardlink",
  "forward-symlink",
  "forward-hardlink",
  "same",
  "copy",
];

for (const repeated of REPEATED) {
  test(`legacy docker save with a layer that stands twice as ${repeated}`, async () => {
    const image = await makeImage(["one", "two", "one", "one"]);
    const entries = dockerSave([{ image, repoTags: ["app:1"] }], { repeated });
    const { registry, result } = await pushTo(entries, TARGET);
    const read = await readBack(registry, "app", "1");
    assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
    assertEquals(result.images[0]?.blobs.length, 3, "config and two different layers");
  });

  test(`legacy docker save of two images that share a layer as ${repeated}`, async () => {
    const [one, two] = [await makeImage(["base", "one"]), await makeImage(["base", "two", "base"])];
    const entries = dockerSave([
      { image: one, repoTags: ["one:1"] },
      { image: two, repoTags: ["two:1"] },
    ], { repeated });
    const { registry } = await pushTo(entries, "localhost:5000");
    for (const [name, image] of [["one", one], ["two", two]] as const) {
      const diff_ids = image.layers.map(({ diffId }) => diffId);
      await assertOutcome(registry, name, "1", [{ config: image.configDigest, diff_ids }]);
    }
  });
}

for (const verify of [false, true]) {
  test(`legacy docker save takes compressed layers, ${verify ? "read first" : "as they come"}`, async () => {
    const image = await makeImage([
      await makeLayer("gzip", "gzip"),
      "plain",
      await makeLayer("gzip", "gzip"),
    ]);
    const read = await assertPushed(dockerSave([{ image }]), image, { verify });
    assertEquals(read.mediaType, DOCKER_MANIFEST);
    assertEquals(read.layers.map(({ mediaType }) => mediaType), [
      `${DOCKER_LAYER}.gzip`,
      DOCKER_LAYER,
      `${DOCKER_LAYER}.gzip`,
    ]);
    assertEquals(read.layers.map(({ digest }) => digest), image.layers.map(({ digest }) => digest));
  });
}

test("legacy docker save with one zstd layer becomes an OCI manifest", async () => {
  const layers = [await makeLayer("a", "zstd"), await makeLayer("b", "gzip"), await makeLayer("c")];
  const image = await makeImage(layers);
  const read = await assertPushed(dockerSave([{ image }]), image);
  assertEquals([read.mediaType, read.config?.mediaType], [OCI_MANIFEST, OCI_CONFIG]);
  assertEquals(read.layers.map(({ mediaType }) => mediaType), [
    `${OCI_LAYER}+zstd`,
    `${OCI_LAYER}+gzip`,
    OCI_LAYER,
  ]);
});

test("media types follow the first bytes, not the names", async () => {
  const image = await makeImage([await makeLayer("really gzip", "gzip"), "really tar"]);
  const entries = dockerSave([{ image }], {
    layerPath: (_layer, index) => index === 0 ? "first.tar" : "second.tar.gz",
  });
  const read = await assertPushed(entries, image);
  assertEquals(read.layers.map(({ mediaType }) => mediaType), [
    `${DOCKER_LAYER}.gzip`,
    DOCKER_LAYER,
  ]);
});

const CONFIG_NAMES: Record<string, (image: MadeImage) => string> = {
  "HEX.json": ({ configDigest }) => `${digestHex(configDigest)}.json`,
  "sha256:HEX": ({ configDigest }) => configDigest,
  "config.json": () => "config.json",
  "blobs/sha256/HEX": ({ configDigest }) => pathOf({ digest: configDigest }),
  "a folder of its own": () => "some/folder/image-config",
};

for (const [name, configPath] of Object.entries(CONFIG_NAMES)) {
  test(`docker archive with a config called ${name}`, async () => {
    const image = await makeImage(["one"]);
    await assertPushed(dockerSave([{ image }], { configPath }), image);
  });
}

test("docker archives of crane, ko and jib: HEX.tar.gz is the digest of the layer", async () => {
  const image = await makeImage([await makeLayer("one", "gzip"), await makeLayer("two", "gzip")]);
  const entries = dockerSave([{ image, repoTags: ["app:1"] }], {
    configPath: ({ configDigest }) => configDigest,
    layerPath: ({ digest }) => `${digestHex(digest)}.tar.gz`,
  });
  const blob = toBlob(entries);
  const read = await assertPushed(blob, image);
  assertEquals(read.layers.map(({ digest }) => digest), image.layers.map(({ digest }) => digest));
});

test("HEX.tar.gz that is called after its diff_id goes under its true digest", async () => {
  const image = await makeImage([await makeLayer("one", "gzip"), await makeLayer("two", "zstd")]);
  const entries = dockerSave([{ image }], {
    layerPath: ({ diffId }) => `${digestHex(diffId)}.tar`,
  });
  const read = await assertPushed(entries, image);
  assertEquals(read.layers.map(({ digest }) => digest), image.layers.map(({ digest }) => digest));
});

test("HEX.tar.gz that is called after its diff_id is sent once, and inspect does not guess", async () => {
  const image = await makeImage([await makeLayer("one", "gzip")]);
  const entries = dockerSave([{ image }], {
    layerPath: ({ diffId }) => `${digestHex(diffId)}.tar.gz`,
  });
  const { fetch, seen } = faultLayer(createRegistry());
  const { images: [pushed] } = await pushImage(toBlob(entries), TARGET, { fetch });
  const sent = seen.filter(({ method, path }) => method === "PUT" && path.includes("/blobs/"));
  assertEquals(sent.length, 2, "layer and config");
  const { images: [shown] } = await openArchive(toBlob(entries));
  assert(shown?.digest === undefined || shown.digest === pushed?.digest, shown?.digest);
});

for (const compression of [undefined, "gzip"] as const) {
  test(`a diff_id of sha512, layer ${compression ?? "plain"}: file and pipe give one manifest`, async () => {
    const layer = await makeLayer("one", compression);
    const diffId = await digestBytes(layer.tar, "sha512");
    const image = await makeImage([{ ...layer, diffId }]);
    const entries = dockerSave([{ image, repoTags: ["app:1"] }]);
    const { registry, result } = await pushTo(entries, TARGET);
    const read = await readBack(registry, "app", "1");
    assertEquals(read.layers.map(({ digest }) => digest), [layer.digest]);
    const piped = await pushTo(toBlob(entries).stream(), TARGET);
    assertEquals(piped.result.images[0]?.digest, result.images[0]?.digest);
    assertEquals((await check(entries)).ok, true);
  });
}

test("an OCI layout beside a manifest.json that is null, as Go writes no images", async () => {
  const image = await makeImage(["one"]);
  const layout = await OciLayout.of(image);
  await assertPushed([...layout.entries(), { path: "manifest.json", body: "null" }], image);
  assertEquals(
    (await check([...layout.entries(), { path: "manifest.json", body: "null" }])).ok,
    true,
  );
});

test("an archive whose writer was not closed, its last body without padding", async () => {
  const image = await makeImage(["one"]);
  const entries = dockerSave([{ image, repoTags: ["app:1"] }]);
  const padding = 512 - String(entries.at(-1)?.body).length % 512;
  const whole = writeTar(entries, { end: 0 });
  const unclosed = whole.slice(0, whole.length - padding);
  await assertPushed(new Blob([unclosed]), image);
  const { registry } = await pushTo(new Blob([unclosed]).stream(), TARGET);
  assertEquals(await allTags(registry), ["app:1"]);
});

test("HEX.tar.gz whose name lies goes under its true digest as long as the diff_id is right", async () => {
  const image = await makeImage([await makeLayer("one", "gzip"), "two"]);
  const lie = digestHex(await digestBytes(encode("something else")));
  const entries = dockerSave([{ image }], {
    layerPath: (_layer, index) => index === 0 ? `${lie}.tar.gz` : "two.tar",
  });
  for (const verify of [false, true]) await assertPushed(entries, image, { verify });
});

test("HEX.tar.gz whose name lies is sent under it once, and not again for the tag", async () => {
  const image = await makeImage([await makeLayer("one", "gzip"), "two"]);
  const lie = digestHex(await digestBytes(encode("something else")));
  const entries = dockerSave([{ image }], {
    layerPath: (_layer, index) => index === 0 ? `${lie}.tar.gz` : "two.tar",
  });
  const layer = faultLayer(createRegistry());
  await pushImage(toBlob(entries), "localhost:5000/app:1", { fetch: layer.fetch });
  const sent = layer.seen.filter(({ method, path }) => method === "PUT" && path.includes("/blobs/"))
    .map(({ query }) => query.get("digest"));
  assertEquals(sent.filter((digest) => digest === `sha256:${lie}`).length, 1);
  assertEquals(sent.length, 4);
});

test("HEX.tar.gz whose name lies and whose diff_id is wrong is refused", async () => {
  const image = await makeImage([await makeLayer("one", "gzip")]);
  const other = await makeLayer("another", "gzip");
  const lie = digestHex(await digestBytes(encode("something else")));
  const entries = dockerSave([{ image }], { layerPath: () => `${lie}.tar.gz` })
    .map((entry) => entry.path.endsWith(".gz") ? { ...entry, body: other.bytes } : entry);
  for (const verify of [false, true]) {
    const error = await pushFails(entries, DigestMismatchError, `${lie}.tar.gz`, { verify });
    assertEquals([error.expected, error.actual], [image.layers[0]?.diffId, other.diffId]);
  }
});

test("a compressed layer without a digest in its name must inflate to its diff_id", async () => {
  const image = await makeImage([await makeLayer("one", "gzip")]);
  const other = await makeLayer("another", "gzip");
  const entries = dockerSave([{ image }], { layerPath: () => "one/layer.tar" })
    .map((entry) => entry.path.endsWith("layer.tar") ? { ...entry, body: other.bytes } : entry);
  const error = await pushFails(entries, DigestMismatchError, "one/layer.tar");
  assertEquals(error.actual, other.diffId);
});

for (const repoTags of [null, undefined, []]) {
  test(`docker archive whose RepoTags are ${JSON.stringify(repoTags)}`, async () => {
    const image = await makeImage(["one"]);
    await assertPushed(dockerSave([{ image, repoTags }]), image);
  });
}

test("docker archive without layers", async () => {
  const image = await makeImage([]);
  const read = await assertPushed(dockerSave([{ image, repoTags: ["app:1"] }]), image);
  assertEquals(read.json.layers, []);
  const written = { Config: `${digestHex(image.configDigest)}.json`, Layers: [] };
  const entries = [
    { path: written.Config, body: image.config },
    { path: "manifest.json", body: JSON.stringify([written]) },
  ];
  await assertPushed(entries, image);
});

test("a config without rootfs goes with an image without layers", async () => {
  const image = await makeImage([], { config: { rootfs: undefined } });
  await assertPushed(dockerSave([{ image }]), image);
});

test("docker archive with an empty tar, and with nothing at all, as layers", async () => {
  const image = await makeImage([
    await makeLayer(new Uint8Array(1024)),
    await makeLayer(new Uint8Array(0)),
    await makeLayer(new Uint8Array(1024), "gzip"),
  ]);
  const read = await assertPushed(dockerSave([{ image }]), image);
  assertEquals(read.layers.map(({ bytes }) => bytes.length).slice(0, 2), [1024, 0]);
});

test("docker archive with a layer that is no multiple of 512 bytes", async () => {
  const tar = writeTar([{ path: "a", body: "x" }], { end: 0 });
  const image = await makeImage([await makeLayer(tar.slice(0, 900))]);
  await assertPushed(dockerSave([{ image }]), image);
});

test("docker archives are the same image in every order of entries", async () => {
  const image = await makeImage(["one", "two", "one"]);
  const entries = dockerSave([{ image }], { repeated: "forward-symlink" });
  const expected = (await pushTo(entries, TARGET)).result.images[0]?.digest;
  for (let seed = 1; seed <= 12; seed++) {
    const { result } = await pushTo(shuffled(entries, seed * 7919), TARGET);
    assertEquals(result.images[0]?.digest, expected, `seed ${seed}`);
  }
});

const WRAPPINGS: Record<string, (entry: TarWriterEntry) => TarWriterEntry> = {
  "./ before every name": (entry) => ({ ...entry, path: `./${entry.path}` }),
  "/ before every name": (entry) => ({ ...entry, path: `/${entry.path}` }),
  "one folder around it": (entry) => ({
    ...entry,
    path: `image/${entry.path}`,
    // Hard links name their target from the top of the tar, symbolic links from where they stand.
    ...(entry.type === "link" ? { linkname: `image/${entry.linkname}` } : {}),
  }),
};

for (const [name, wrap] of Object.entries(WRAPPINGS)) {
  for (const repeated of ["symlink", "forward-hardlink"] as const) {
    test(`docker archive with ${name} and a ${repeated}`, async () => {
      const image = await makeImage(["one", "two", "one"]);
      const entries = dockerSave([{ image }], { repeated }).map(wrap);
      await assertPushed(entries, image);
      await assertPushed([{ path: "./", type: "directory" }, ...entries], image);
    });
  }

  test(`OCI layout with ${name}`, async () => {
    const layout = new OciLayout();
    const image = await makeImage(["one"]);
    layout.add(await layout.image(image), { ref: "v1" });
    await assertPushed(layout.entries().map(wrap), image);
  });
}

test("manifest.json may write ./ before names that the tar has without it", async () => {
  const image = await makeImage(["one"]);
  const entries = [
    { path: "config.json", body: image.config },
    { path: "layers/one.tar", body: image.layers[0]?.bytes ?? "" },
    {
      path: "manifest.json",
      body: JSON.stringify([{ Config: "./config.json", Layers: ["layers/./one.tar"] }]),
    },
  ];
  await assertPushed(entries, image);
});

test("of several manifest.json the last counts", async () => {
  const [old, image] = [await makeImage(["old"]), await makeImage(["new"])];
  await assertPushed([...dockerSave([{ image: old }]), ...dockerSave([{ image }])], image);
});

test("files that nobody names are left alone", async () => {
  const image = await makeImage(["one"]);
  const entries = [
    { path: "repositories", body: "not even JSON" },
    { path: "README", body: "x" },
    { path: "blobs/sha256/nothing", body: "x" },
    { path: "deadbeef/json", body: "{" },
    ...dockerSave([{ image }]),
  ];
  const { result } = await pushTo(entries, TARGET);
  assertEquals(result.images[0]?.blobs.length, 2);
});

test("OCI layout: the manifest goes up byte for byte", async () => {
  const layout = new OciLayout();
  const image = await makeImage([
    "one",
    await makeLayer("two", "gzip"),
    await makeLayer("three", "zstd"),
  ]);
  const descriptor = await layout.image(image, { annotations: { made: "by hand" } });
  layout.add(descriptor, { ref: "v1" });
  const read = await assertPushed(layout.entries(), image);
  assertEquals([read.digest, read.mediaType], [descriptor.digest, OCI_MANIFEST]);
});

test("OCI layout whose manifest and index have no mediaType: it comes from the descriptors", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const child = await layout.image(image, { mediaType: undefined });
  const index = await layout.indexOf([withPlatform(child, "linux/amd64")], {
    mediaType: undefined,
  });
  layout.add(index);
  const { registry } = await pushTo(layout.entries(), TARGET);
  const read = await readBack(registry, "app", "1");
  assertEquals([read.digest, read.mediaType, read.children[0]?.mediaType], [
    index.digest,
    OCI_INDEX,
    OCI_MANIFEST,
  ]);
});

test("OCI layout whose descriptors have no mediaType either", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const { mediaType: _type, ...bare } = await layout.image(image);
  layout.add(bare);
  assertEquals((await assertPushed(layout.entries(), image)).mediaType, OCI_MANIFEST);
});

test("OCI layout with a Docker schema 2 manifest and a manifest list", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const config = await layout.blob(image.config, DOCKER_CONFIG);
  const layer = await layout.blob(image.layers[0]?.bytes ?? encode(""), `${DOCKER_LAYER}`);
  const manifest = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers: [layer] };
  const child = await layout.document(manifest, DOCKER_MANIFEST);
  const list = { schemaVersion: 2, mediaType: DOCKER_INDEX, manifests: [child] };
  const descriptor = await layout.document(list, DOCKER_INDEX);
  layout.add(descriptor, { ref: "list" });
  layout.add(child, { ref: "single" });
  const { registry } = await pushTo(layout.entries(), "localhost:5000/app", { allTags: true });
  const [whole, single] = [
    await readBack(registry, "app", "list"),
    await readBack(registry, "app", "single"),
  ];
  assertEquals([whole.digest, whole.mediaType], [descriptor.digest, DOCKER_INDEX]);
  assertEquals([single.digest, single.mediaType], [child.digest, DOCKER_MANIFEST]);
});

test("OCI layout in every order of entries", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two"]);
  const child = withPlatform(await layout.image(image), "linux/amd64");
  const index = await layout.indexOf([child, await layout.attestation(child)]);
  layout.add(index, { ref: "v1" });
  for (let seed = 1; seed <= 12; seed++) {
    const { registry } = await pushTo(shuffled(layout.entries(), seed * 104729), TARGET);
    assertEquals((await readBack(registry, "app", "1")).digest, index.digest, `seed ${seed}`);
  }
});

test("OCI layout with layers null, [] and missing", async () => {
  for (const layers of [null, [], undefined]) {
    const layout = new OciLayout();
    const image = await makeImage([]);
    const descriptor = await layout.image(image, { layers });
    layout.add(descriptor);
    const { registry } = await pushTo(layout.entries(), TARGET);
    assertEquals((await readBack(registry, "app", "1")).digest, descriptor.digest);
  }
});

test("OCI layout with a blob of no bytes", async () => {
  const layout = new OciLayout();
  const image = await makeImage([await makeLayer(new Uint8Array(0)), "one"]);
  layout.add(await layout.image(image));
  await assertPushed(layout.entries(), image);
});

test("OCI layout with the same layer twice uploads it once", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two", "one"]);
  layout.add(await layout.image(image));
  const { registry, result } = await pushTo(layout.entries(), TARGET);
  const read = await readBack(registry, "app", "1");
  assertEquals(read.layers.length, 3);
  assertEquals(result.images[0]?.blobs.length, 3);
  const sizes = [image.config, ...image.layers.slice(0, 2).map(({ bytes }) => bytes)];
  assertEquals(result.bytesUploaded, sizes.reduce((sum, { length }) => sum + length, 0));
});

test("OCI layout with sha512 blobs below a sha256 manifest", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const config = await layout.blob(image.config, OCI_CONFIG, "sha512");
  const layer = await layout.blob(image.layers[0]?.bytes ?? encode(""), OCI_LAYER, "sha512");
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
  const descriptor = await layout.document(manifest, OCI_MANIFEST);
  layout.add(descriptor, { ref: "v1" });
  for (const verify of [false, true]) {
    const { registry } = await pushTo(layout.entries(), TARGET, { verify });
    const read = await readBack(registry, "app", "1");
    assertEquals([read.digest, read.config?.digest], [descriptor.digest, config.digest]);
  }
});

test("OCI layout whose manifest has a sha512 digest: a tag names the same bytes", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const descriptor = await layout.image(image, {}, "sha512");
  layout.add(descriptor, { ref: "v1" });
  const bytes = layout.blobs.get(pathOf(descriptor));
  assert(bytes);
  const { registry } = await pushTo(layout.entries(), TARGET);
  const read = await readBack(registry, "app", "1");
  assertEquals(read.bytes, bytes);
});

test("OCI index with a child of a sha512 digest", async () => {
  const layout = new OciLayout();
  const child = await layout.image(await makeImage(["one"]), {}, "sha512");
  const index = await layout.indexOf([withPlatform(child, "linux/amd64")]);
  layout.add(index);
  const { registry } = await pushTo(layout.entries(), TARGET);
  assertEquals((await readBack(registry, "app", "1")).children[0]?.digest, child.digest);
});

test("OCI layout with indexes below indexes", async () => {
  const layout = new OciLayout();
  const [one, two] = [
    await layout.image(await makeImage(["one"])),
    await layout.image(await makeImage(["two"])),
  ];
  const inner = await layout.indexOf([one]);
  const outer = await layout.indexOf([inner, two]);
  layout.add(outer);
  const { registry } = await pushTo(layout.entries(), TARGET);
  const read = await readBack(registry, "app", "1");
  assertEquals(read.children.map(({ digest }) => digest), [inner.digest, two.digest]);
});

test("OCI artifact with an empty config, whether or not the archive has its two bytes", async () => {
  const layout = new OciLayout();
  const artifact = await layout.artifact("hello", "application/vnd.example.thing");
  layout.add(artifact, { ref: "v1" });
  const whole = layout.entries();
  layout.remove({ digest: await digestBytes(encode("{}")) });
  for (const entries of [whole, layout.entries()]) {
    const { registry } = await pushTo(entries, TARGET);
    assertEquals((await readBack(registry, "app", "1")).digest, artifact.digest);
  }
});

test("OCI layout with foreign layers that it lacks", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const config = await layout.blob(image.config, OCI_CONFIG);
  const foreign = {
    mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    digest: await digestBytes(encode("somewhere else")),
    size: 14,
    urls: ["http://localhost:1/never-fetched"],
  };
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [foreign] };
  const descriptor = await layout.document(manifest, OCI_MANIFEST);
  layout.add(descriptor);
  const { registry, result } = await pushTo(layout.entries(), TARGET);
  assertEquals(await hasManifest(registry, "app", descriptor.digest), true);
  assertEquals(result.images[0]?.blobs.map(({ digest }) => digest), [config.digest]);
});

test("referrers in the layout follow the image that they are about, to any depth", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  const sbom = await layout.artifact("sbom", "application/spdx+json", { subject: image });
  const signature = await layout.artifact("signature", "application/vnd.sig", { subject: sbom });
  const stranger = await layout.image(await makeImage(["two"]));
  const note = await layout.artifact("note", "application/vnd.note", { subject: stranger });
  layout.add(image, { ref: "v1" });
  layout.add(stranger, { ref: "v2" });
  for (const referrer of [signature, sbom, note]) layout.add(referrer);
  const { registry } = await pushTo(layout.entries(), TARGET, { images: ["v1"] });
  for (const { digest } of [sbom, signature]) await readBack(registry, "app", digest);
  assertEquals(await hasManifest(registry, "app", note.digest), false);
  const response = await registry(
    new Request(`http://registry.test/v2/app/referrers/${image.digest}`),
  );
  const { manifests } = await response.json();
  assertEquals(manifests.map(({ digest }: { digest: string }) => digest), [sbom.digest]);
  assertEquals(await allTags(registry), ["app:1"]);
});

test("a referrer with a name is an image of its own", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  const sbom = await layout.artifact("sbom", "application/spdx+json", { subject: image });
  layout.add(image, { ref: "v1" });
  layout.add(sbom, { ref: "v1.sbom" });
  const { registry } = await pushTo(layout.entries(), "localhost:5000/app", { allTags: true });
  assertEquals((await readBack(registry, "app", "v1.sbom")).digest, sbom.digest);
});

test("docker 25 to 28: OCI layout and manifest.json are one image, pushed with its OCI manifest", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two", "one"]);
  const descriptor = await layout.image(image);
  const names = [["app", "1"], ["app", "latest"], ["localhost:5000/x/app", "2"]] as const;
  for (const [name, ref] of names) {
    const host = name.startsWith("localhost") ? "" : "docker.io/library/";
    layout.add(descriptor, { ref, name: `${host}${name}:${ref}` });
  }
  const docker = [{ image, repoTags: names.map(([name, ref]) => `${name}:${ref}`) }];
  const read = await assertPushed(layout.entries(docker), image);
  assertEquals(read.digest, descriptor.digest);
  const { registry } = await pushTo(layout.entries(docker), "localhost:5000");
  assertEquals(await allTags(registry), ["app:1", "app:latest", "x/app:2"]);
});

test("containerd store: a nested index goes up whole, with its attestations", async () => {
  const layout = new OciLayout();
  const [amd64, arm64] = [
    await makeImage([await makeLayer("amd64", "gzip")]),
    await makeImage([await makeLayer("arm64", "gzip")], { platform: "linux/arm64" }),
  ];
  const children = [
    withPlatform(await layout.image(amd64), "linux/amd64"),
    withPlatform(await layout.image(arm64), "linux/arm64"),
  ];
  for (const child of children.slice(0, 2)) children.push(await layout.attestation(child));
  const index = await layout.indexOf(children);
  layout.add(index, { ref: "1", name: "docker.io/team/app:1" });
  const entries = layout.entries([{ image: amd64, repoTags: ["team/app:1"] }]);
  const { registry, warnings } = await pushTo(entries, TARGET);
  const read = await readBack(registry, "app", "1");
  assertEquals([read.digest, read.children.length, warnings], [index.digest, 4, []]);
});

test("regctl: index.json and manifest.json first, blobs after", async () => {
  const layout = new OciLayout();
  const image = await makeImage([await makeLayer("one", "gzip")]);
  layout.add(await layout.image(image), { ref: "latest", name: "ocidir://layout:latest" });
  const entries = layout.entries([{ image, repoTags: ["localhost/layout:latest"] }]);
  const isBlob = ({ path }: TarWriterEntry) => path.startsWith("blobs/");
  await assertPushed([...entries.filter((e) => !isBlob(e)), ...entries.filter(isBlob)], image);
});

test("moby 47065: an OCI manifest without the layers that manifest.json has is not believed", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two"]);
  await layout.image(image);
  const broken = await layout.image(image, { layers: [] });
  layout.add(broken, { ref: "1", name: "docker.io/library/app:1" });
  const read = await assertPushed(layout.entries([{ image, repoTags: ["app:1"] }]), image);
  assertEquals([read.mediaType, read.layers.length], [DOCKER_MANIFEST, 2]);
});

test("moby 47065 below an index: manifest.json is believed there, too", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two"]);
  await layout.image(image);
  const broken = withPlatform(await layout.image(image, { layers: [] }), "linux/amd64");
  layout.add(await layout.indexOf([broken, await layout.attestation(broken)]), {
    ref: "1",
    name: "docker.io/library/app:1",
  });
  const entries = layout.entries([{ image, repoTags: ["app:1"] }]);
  const read = await assertPushed(entries, image);
  assertEquals([read.mediaType, read.layers.length], [DOCKER_MANIFEST, 2]);
  const { registry } = await pushTo(entries, "localhost:5000");
  assertEquals(await allTags(registry), ["app:1"]);
});

/** What BuildKit exports as its cache: an index of layers, and of a config that says how they came to be. */
async function cacheOf(layout: OciLayout, layers: readonly MadeLayer[]): Promise<MadeDescriptor> {
  const entries = [];
  for (const { bytes } of layers) entries.push(await layout.blob(bytes, `${OCI_LAYER}+gzip`));
  entries.push(
    await layout.blob(encode('{"layers":[]}'), "application/vnd.buildkit.cacheconfig.v0"),
  );
  return await layout.indexOf(entries);
}

test("BuildKit's cache: what an index lists and is no manifest goes along as a blob", async () => {
  const layout = new OciLayout();
  const layers = [await makeLayer("one", "gzip"), await makeLayer("two", "gzip")];
  const cache = await cacheOf(layout, layers);
  layout.add(cache, { ref: "cache" });
  const { registry, result } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals(result.images[0]?.digest, cache.digest);
  assertEquals(result.images[0]?.blobs.length, 3);
  for (const { digest } of layers) {
    const url = `http://localhost:5000/v2/app/blobs/${digest}`;
    assertEquals((await registry(new Request(url, { method: "HEAD" }))).status, 200);
  }
});

test("BuildKit's cache beside an image is left out, unless it is chosen", async () => {
  const layout = new OciLayout();
  const layer = await makeLayer("one", "gzip");
  const image = await makeImage([layer]);
  const cache = await cacheOf(layout, [layer]);
  layout.add(cache, { ref: "cache" });
  layout.add(await layout.image(image), { ref: "1" });
  await assertPushed(layout.entries(), image);
  const all = await pushTo(layout.entries(), "localhost:5000/app", { allTags: true });
  assertEquals(await allTags(all.registry), ["app:1"]);
  assertEquals(all.warnings.map((text) => text.slice(0, 24)), ['"cache" is a build cache']);
  const chosen = await pushTo(layout.entries(), TARGET, { images: ["cache"] });
  assertEquals([chosen.result.images[0]?.digest, chosen.warnings], [cache.digest, []]);
});

test("an entry of index.json of a type that is not known is left out, with a notice", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  layout.add(await layout.blob(encode("no JSON"), "application/vnd.example.cache.v0"), {
    ref: "c",
  });
  layout.add(await layout.document({ a: 1 }, "application/vnd.example.config.v1+json"));
  layout.add(await layout.image(image), { ref: "1" });
  const { warnings } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals(warnings.map((text) => /application\/[\w.+]+/.exec(text)?.[0]), [
    "application/vnd.example.cache.v0",
    "application/vnd.example.config.v1+json",
  ]);
  await assertPushed(layout.entries(), image);
});

test("an archive of nothing but types that are not known says so", async () => {
  const layout = new OciLayout();
  layout.add(await layout.blob(encode("x"), "application/vnd.example.cache.v0"), { ref: "c" });
  await pushFails(layout.entries(), ArchiveError, "application/vnd.example.cache.v0");
});

test("moby 47210: index.json with manifests null beside manifest.json", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  await layout.image(image);
  const entries = layout.entries([{ image, repoTags: ["app:1"] }]).map((entry) =>
    entry.path === "index.json" ? { ...entry, body: '{"schemaVersion":2,"manifests":null}' } : entry
  );
  await assertPushed(entries, image);
});

test("moby 51389: an image of manifest.json that index.json has lost", async () => {
  const layout = new OciLayout();
  const [one, two] = [await makeImage(["one"]), await makeImage(["two"])];
  layout.add(await layout.image(one), { ref: "1", name: "docker.io/library/one:1" });
  await layout.image(two);
  const entries = layout.entries([{ image: one, repoTags: ["one:1"] }, {
    image: two,
    repoTags: ["two:1"],
  }]);
  const { registry } = await pushTo(entries, "localhost:5000");
  assertEquals(await allTags(registry), ["one:1", "two:1"]);
  const outcome = { config: two.configDigest, diff_ids: two.layers.map(({ diffId }) => diffId) };
  await assertOutcome(registry, "two", "1", [outcome]);
});

test("hand-made archive: manifest.json beside a layout of other images", async () => {
  const layout = new OciLayout();
  const [inLayout, inDocker] = [await makeImage(["layout"]), await makeImage(["docker"])];
  const descriptor = await layout.image(inLayout);
  layout.add(descriptor, { ref: "team/layout:1" });
  const entries = [
    ...layout.entries(),
    ...dockerSave([{ image: inDocker, repoTags: ["team/docker:1"] }]),
  ];
  const { registry } = await pushTo(entries, "localhost:5000");
  assertEquals(await allTags(registry), ["team/docker:1", "team/layout:1"]);
  assertEquals((await readBack(registry, "team/layout", "1")).digest, descriptor.digest);
});

test("hand-made archive: manifest.json over the blobs of a layout without index.json", async () => {
  const layout = new OciLayout();
  const image = await makeImage([await makeLayer("one", "gzip"), await makeLayer("two")]);
  await layout.image(image);
  const entries = [
    ...layout.entries().filter(({ path }) => path !== "index.json"),
    { path: "manifest.json", body: hybridManifest([{ image, repoTags: ["app:1"] }]) },
  ];
  const read = await assertPushed(entries, image);
  assertEquals(read.layers.map(({ digest }) => digest), image.layers.map(({ digest }) => digest));
});

test("the same image twice in manifest.json is one image with both names", async () => {
  const image = await makeImage(["one"]);
  const entries = dockerSave([{ image, repoTags: ["app:1"] }, { image, repoTags: ["other:2"] }], {
    repeated: "same",
  });
  await assertPushed(entries, image);
  const { registry } = await pushTo(entries, "localhost:5000");
  assertEquals(await allTags(registry), ["app:1", "other:2"]);
});

test("two images of one config and layers in other compression are two images", async () => {
  const [plain, packed] = [
    await makeImage(["one"]),
    await makeImage([await makeLayer("one", "gzip")]),
  ];
  assertEquals(plain.configDigest, packed.configDigest);
  const entries = dockerSave([
    { image: plain, repoTags: ["plain:1"] },
    { image: packed, repoTags: ["packed:1"] },
  ]);
  const { registry } = await pushTo(entries, "localhost:5000");
  const [one, two] = [
    await readBack(registry, "plain", "1"),
    await readBack(registry, "packed", "1"),
  ];
  assertNotEquals(one.digest, two.digest);
});

test("an archive that is pushed twice uploads nothing the second time, layers are not even read", async () => {
  const image = await makeImage([
    await makeLayer(crypto.getRandomValues(new Uint8Array(60_000))),
    "two",
  ]);
  const blob = toBlob(dockerSave([{ image }]));
  const registry = createRegistry();
  const first = await pushTo(blob, TARGET, { fetch: registry });
  const second = await pushTo(blob, "localhost:5000/app:2", { fetch: registry });
  assertEquals(second.result.images[0]?.digest, first.result.images[0]?.digest);
  assertEquals(second.result.bytesUploaded, 0);
  assert(second.result.bytesRead < 30_000, `${second.result.bytesRead} bytes read`);
});

test("a manifest.json with a byte order mark is read from a file and a pipe, and by check", async () => {
  const image = await makeImage(["plain"]);
  const archive = toBlob(
    dockerSave([{ image, repoTags: ["app:1"] }]).map((entry) =>
      entry.path === "manifest.json" ? { ...entry, body: `\ufeff${entry.body}` } : entry
    ),
  );
  assert((await archive.text()).includes("\ufeff["));
  const digests = new Set<string>();
  for (const source of [archive, archive.stream()]) {
    const fetch = createRegistry();
    const { images } = await pushImage(source, "localhost:5000/app:1", { fetch });
    for (const { digest } of images) digests.add(digest);
    assertEquals(await allTags(fetch), ["app:1"]);
  }
  assertEquals(digests.size, 1);
  assertEquals((await check(archive)).findings, []);
});
