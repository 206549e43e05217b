import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { MAX_CONFIG_BYTES } from "../../src/config_json.ts";
import { digestBytes, digestHex } from "../../src/digest.ts";
import {
  ArchiveError,
  DigestMismatchError,
  OciError,
  PushError,
  TarError,
} from "../../src/errors.ts";
import { openArchive } from "../../src/image/archive.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { scanTar } from "../../src/tar/scan.ts";
import {
  dockerSave,
  encode,
  encodeJson,
  flipByte,
  hybridManifest,
  type MadeDescriptor,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  replaceBody,
  toBlob,
} from "../helpers/archives.ts";
import { pushFails, pushTo, readBack } from "../helpers/expected.ts";
import { processorTime } from "../helpers/processor_time.ts";
import { type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const NASTY = "\u001b[2J\u0007\r\n\u009b31m\u007f";
const image = await makeImage(["one", "two"]);
const legacy = dockerSave([{ image, repoTags: ["app:1"] }]);
const configPath = `${digestHex(image.configDigest)}.json`;
const layerPaths = legacy.map(({ path }) => path).filter((path) => path.endsWith("layer.tar"));

/** A legacy archive with another manifest.json. */
function withManifestJson(body: string | Uint8Array<ArrayBuffer>): TarWriterEntry[] {
  return replaceBody(legacy, "manifest.json", body);
}

/** A legacy archive whose manifest.json has other members. */
function withMembers(members: Record<string, unknown>): TarWriterEntry[] {
  const item = { Config: configPath, RepoTags: ["app:1"], Layers: layerPaths, ...members };
  return withManifestJson(JSON.stringify([item]));
}

/** A legacy archive with another config, under a name that is no digest. */
function withConfig(config: string | Uint8Array<ArrayBuffer>): TarWriterEntry[] {
  return [...withMembers({ Config: "config.json" }), { path: "config.json", body: config }];
}

/** A layout with one document and an entry of index.json for it. */
async function layoutOf(document: unknown, mediaType = OCI_MANIFEST): Promise<TarWriterEntry[]> {
  const layout = new OciLayout();
  layout.add(await layout.document(document, mediaType));
  return layout.entries();
}

/** A layout with another index.json. */
async function withIndexJson(body: string): Promise<TarWriterEntry[]> {
  const layout = new OciLayout();
  layout.add(await layout.image(image));
  return replaceBody(layout.entries(), "index.json", body);
}

test("what is no tar is refused", async () => {
  await pushFails(new Blob([]), OciError, "Cannot");
  await pushFails(new Blob(["hello"]), OciError, "Cannot");
  await pushFails(new Blob(["\u001b[31mhello\n".repeat(1000)]), OciError, "Cannot");
  await pushFails(new Blob([JSON.stringify([{ Config: "x" }]).padEnd(4096)]), OciError, "Cannot");
  await pushFails(new Blob([new Uint8Array(100)]), OciError, "Cannot");
});

test("a tar that is no image archive is refused with what it starts with", async () => {
  await pushFails([], ArchiveError, "it is empty");
  await pushFails(new Blob([new Uint8Array(10_240)]), ArchiveError, "it is empty");
  const error = await pushFails(
    [
      { path: "etc/", type: "directory" },
      { path: "etc/passwd", body: "root" },
      { path: `etc/${NASTY}`, body: "x" },
      { path: "a/b/manifest.json", body: "[]" },
      { path: "more", body: "x" },
    ],
    ArchiveError,
    '"etc/passwd"',
  );
  assertStringIncludes(error.message, "expected manifest.json or index.json");
  assertStringIncludes(`${error.hint}`, "docker save");
});

test("a tar that ends early is refused wherever it was cut", async () => {
  const layout = new OciLayout();
  layout.add(await layout.image(image));
  for (const entries of [legacy, layout.entries([{ image, repoTags: ["app:1"] }])]) {
    const whole = writeTar(entries);
    const isPadding = await paddingOf(whole);
    for (let end = 512; end < whole.length - 1024; end += 512) {
      for (const at of [end - 1, end + 1]) {
        if (isPadding(at)) continue;
        const cut = new Blob([whole.subarray(0, at)]);
        const error = await pushFails(cut, OciError, "Cannot");
        assert(
          error instanceof TarError || error instanceof ArchiveError,
          `${at} of ${whole.length}`,
        );
      }
    }
  }
});

/** Tells whether a tar that is cut at a place has lost nothing of the entry before it. */
async function paddingOf(tar: Uint8Array<ArrayBuffer>): Promise<(at: number) => boolean> {
  const ends = (await Array.fromAsync(scanTar(new Blob([tar]))))
    .map(({ bodyOffset, header }) => bodyOffset + header.size);
  return (at) => ends.some((end) => at >= end && at <= Math.ceil(end / 512) * 512);
}

test("a tar that ends between two entries lacks what they held", async () => {
  for (let count = 1; count < legacy.length; count++) {
    await pushFails(legacy.slice(0, count), ArchiveError, "manifest.json");
  }
});

test("a tar with a broken header is refused with its place", async () => {
  const bytes = writeTar(legacy);
  const at = 512 * 3 + 1;
  const error = await pushFails(new Blob([flipByte(bytes, at)]), TarError, "checksum");
  assertEquals(error.offset, 512 * 3);
});

// manifest.json

test("manifest.json that is no list of images is refused", async () => {
  const cases: [string, string][] = [
    ["", "is not JSON"],
    ["{", "is not JSON"],
    ["[", "is not JSON"],
    [`[{"Config":"${NASTY}`, "is not JSON"],
    ["{}", "no list of images"],
    ['"manifest"', "no list of images"],
    ["5", "no list of images"],
    ["[]", "names no image"],
    ["null", "names no image"],
    ["[null]", "item 0 is not a JSON object"],
    ["[[]]", "item 0 is not a JSON object"],
    ["[5]", "item 0"],
    ["[{}]", "names no Config"],
    ['[{"Config":5}]', "names no Config"],
    ['[{"Config":null,"Layers":[]}]', "names no Config"],
  ];
  for (const [body, message] of cases) {
    const error = await pushFails(withManifestJson(body), ArchiveError, message);
    assertEquals(error.path, "manifest.json");
  }
  const latin1 = new Uint8Array([...encode('[{"Config":"'), 0xe9, ...encode('"}]')]);
  await pushFails(withManifestJson(latin1), ArchiveError, "is not JSON in UTF-8");
});

test("manifest.json with members of the wrong type is refused", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ Layers: "a" }, "Layers of item 0"],
    [{ Layers: {} }, "Layers of item 0"],
    [{ Layers: [5] }, "Layers of item 0"],
    [{ Layers: [null] }, "Layers of item 0"],
    [{ RepoTags: "app:1" }, "RepoTags of item 0"],
    [{ RepoTags: [{}] }, "RepoTags of item 0"],
    [{ Config: ["x"] }, "names no Config"],
  ];
  for (const [members, message] of cases) {
    await pushFails(withMembers(members), ArchiveError, message);
  }
});

test("manifest.json past its limit is refused unread", async () => {
  const huge = new Uint8Array(16 * 1024 * 1024 + 1).fill(0x20);
  const error = await pushFails(withManifestJson(huge), ArchiveError, "expected at most 16777216");
  assertEquals(error.path, "manifest.json");
});

test("manifest.json that nests without end is refused", async () => {
  const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
  await pushFails(withManifestJson(deep), ArchiveError, "manifest.json");
});

test("documents that nest without end are refused, with something in them or not", async () => {
  const deep = (depth: number) => `${'{"a":['.repeat(depth)}${"]}".repeat(depth)}`;
  const document = JSON.parse(`{"schemaVersion":2,"layers":[],"annotations":${deep(40)}}`);
  await pushFails(withConfig(deep(100_000)), ArchiveError, "200 levels deep");
  await pushFails(await withIndexJson(deep(100_000)), ArchiveError, "200 levels deep");
  const layout = new OciLayout();
  layout.add(await layout.blob(encode(deep(100_000)), OCI_MANIFEST));
  await pushFails(layout.entries(), ArchiveError, "200 levels deep");
  layout.index.length = 0;
  layout.add(await layout.image(image, { example: document }));
  const { registry } = await pushTo(layout.entries(), "localhost:5000/app:1");
  await readBack(registry, "app", "1");
});

test("names that the archive lacks are told", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ Config: "gone.json" }, 'config "gone.json"'],
    [{ Config: "" }, 'config ""'],
    [{ Config: "../../etc/passwd" }, 'config "../../etc/passwd"'],
    [{ Config: layerPaths[0]?.replace("/layer.tar", "") }, "which is not in the archive"],
    [{ Layers: [layerPaths[0], "gone/layer.tar"] }, 'layer "gone/layer.tar"'],
    [{ Layers: [layerPaths[0], "/"] }, 'layer "/"'],
    [{ Layers: [layerPaths[0], `${"../".repeat(5)}x`] }, "which is not in the archive"],
    [
      { Layers: [layerPaths[0], pathOf({ digest: image.configDigest })] },
      "which is not in the archive",
    ],
    [{ Layers: [layerPaths[0], "__proto__"] }, 'layer "__proto__"'],
  ];
  for (const [members, message] of cases) {
    await pushFails(withMembers(members), ArchiveError, message);
  }
});

test("names are shown without what a terminal obeys, and cut", async () => {
  const long = "x".repeat(1_000_000);
  for (const name of [NASTY, `${NASTY}${long}`, long]) {
    await pushFails(withMembers({ Config: name }), ArchiveError, "config");
    await pushFails(withMembers({ Layers: [name, name] }), ArchiveError, "layer");
  }
  const path = `blobs/${NASTY}`;
  const renamed = legacy.map((entry) => entry.path === configPath ? { ...entry, path } : entry);
  const manifest = JSON.stringify([{ Config: path, Layers: [layerPaths[0]] }]);
  await pushFails(replaceBody(renamed, "manifest.json", manifest), ArchiveError, "diff_ids");
});

test("more layers than anybody has are refused in a short message", async () => {
  const Layers = Array.from({ length: 100_000 }, () => layerPaths[0]);
  await pushFails(withMembers({ Layers }), ArchiveError, "100000 layers");
});

test("layers and diff_ids of different number are refused", async () => {
  const [one] = layerPaths;
  await pushFails(withMembers({ Layers: [one] }), ArchiveError, "2 diff_ids");
  await pushFails(withMembers({ Layers: [...layerPaths, one] }), ArchiveError, "3 layers");
  await pushFails(withMembers({ Layers: [] }), ArchiveError, "expected equal numbers");
  await pushFails(withMembers({ Layers: null }), ArchiveError, "expected equal numbers");
});

// Configs

test("a config that is none is refused", async () => {
  const cases: [string, string][] = [
    ["", "is not JSON"],
    ["not JSON", "is not JSON"],
    ["[]", "is not a JSON object"],
    ["null", "is not a JSON object"],
    ["{}", "0 diff_ids"],
    ['{"rootfs":null}', "0 diff_ids"],
    ['{"rootfs":{"diff_ids":null}}', "0 diff_ids"],
    ['{"rootfs":{"diff_ids":"x"}}', "not a list"],
    ['{"rootfs":{"diff_ids":{"length":2}}}', "not a list"],
    ['{"rootfs":{"diff_ids":["x","y"]}}', "diff_ids[0] is not a digest"],
    ['{"rootfs":{"diff_ids":[null,null]}}', "diff_ids[0] is not a digest"],
    [`{"rootfs":{"diff_ids":["${image.configDigest}","sha256:../x"]}}`, "diff_ids[1]"],
  ];
  for (const [config, message] of cases) {
    const error = await pushFails(withConfig(config), ArchiveError, message);
    assertEquals(error.path, "config.json");
  }
});

test("a config past its limit is refused", async () => {
  const huge = new Uint8Array(MAX_CONFIG_BYTES + 1).fill(0x20);
  await pushFails(withConfig(huge), ArchiveError, `expected at most ${MAX_CONFIG_BYTES}`);
});

test("a config that does not have the digest in its name is refused", async () => {
  const other = await makeImage(["one", "two"], { platform: "linux/arm64" });
  const wrong = digestHex(other.configDigest);
  for (const path of [`${wrong}.json`, `sha256:${wrong}`, `blobs/sha256/${wrong}`, wrong]) {
    const entries = [...withMembers({ Config: path }), { path, body: image.config }];
    const error = await pushFails(entries, DigestMismatchError, wrong);
    assertEquals([error.expected, error.actual], [other.configDigest, image.configDigest]);
  }
});

test("a config that says other layers are below it is refused by the bytes", async () => {
  const liar = await makeImage(["three", "four"]);
  await pushFails(withConfig(liar.config), DigestMismatchError, "layer.tar");
});

// Layers

test("a byte of a layer that was turned is noticed, at any place", async () => {
  const [path] = layerPaths;
  const body = image.layers[0]?.bytes;
  assert(path && body);
  for (const at of [0, 511, 512, body.length - 1]) {
    for (const verify of [false, true]) {
      const entries = replaceBody(legacy, path, flipByte(body, at));
      const error = await pushFails(entries, DigestMismatchError, path, { verify });
      assertEquals(error.expected, image.layers[0]?.diffId);
    }
  }
});

test("swapped layers are noticed", async () => {
  const Layers = [...layerPaths].reverse();
  for (const verify of [false, true]) {
    await pushFails(withMembers({ Layers }), DigestMismatchError, "layer.tar", { verify });
  }
});

test("swapped layers are noticed when they are compressed", async () => {
  const packed = await makeImage([await makeLayer("one", "gzip"), await makeLayer("two", "gzip")]);
  const entries = dockerSave([{ image: packed }], { layerPath: (_layer, index) => `${index}.tar` });
  const manifest = { Config: `${digestHex(packed.configDigest)}.json`, Layers: ["1.tar", "0.tar"] };
  const swapped = replaceBody(entries, "manifest.json", JSON.stringify([manifest]));
  await pushFails(swapped, DigestMismatchError, ".tar");
});

test("a compressed layer that is broken is refused", async () => {
  const layer = await makeLayer("one", "gzip");
  const packed = await makeImage([layer]);
  const entries = dockerSave([{ image: packed }], { layerPath: () => "one.tar" });
  const middle = Math.floor(layer.bytes.length / 2);
  const broken = [
    layer.bytes.slice(0, middle),
    layer.bytes.slice(0, 12),
    flipByte(layer.bytes, middle),
    flipByte(layer.bytes, layer.bytes.length - 6),
  ];
  for (const bytes of broken) {
    await pushFails(replaceBody(entries, "one.tar", bytes), OciError, "one.tar");
  }
});

test("a layer in a compression that no image has is refused", async () => {
  const cases: [string, number[]][] = [
    ["bzip2", [0x42, 0x5a, 0x68, 0x39]],
    ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ];
  for (const [name, magic] of cases) {
    const odd = await makeImage([await makeLayer(new Uint8Array([...magic, 1, 2, 3]))]);
    await pushFails(dockerSave([{ image: odd }]), ArchiveError, name);
  }
});

test("layers that are links into circles, out of the archive or nowhere are refused", async () => {
  const [one, two] = layerPaths;
  assert(one && two);
  const linked = (first: Partial<TarWriterEntry>, second: Partial<TarWriterEntry>) =>
    legacy.map((entry) =>
      entry.path === one
        ? { path: one, ...first }
        : entry.path === two
        ? { path: two, ...second }
        : entry
    );
  const circle = linked({ linkname: `../${two}` }, { linkname: `../${one}` });
  await pushFails(circle, ArchiveError, "circle");
  await pushFails(linked({ linkname: "layer.tar" }, {}), ArchiveError, "circle");
  const mixed = linked({ type: "link", linkname: two }, { linkname: `../${one}` });
  await pushFails(mixed, ArchiveError, "circle");
  for (const linkname of ["../../../../etc/passwd", "nowhere", "../x", "/etc/passwd"]) {
    await pushFails(linked({ linkname }, {}), ArchiveError, "not in the archive");
  }
  await pushFails(linked({ type: "directory" }, {}), ArchiveError, "not in the archive");
  await pushFails(linked({ type: "6" }, {}), ArchiveError, "not in the archive");
});

test("a chain of links longer than any tool writes is refused", async () => {
  const chain = Array.from({ length: 10_000 }, (_, index) => ({
    path: `link${index}`,
    linkname: `link${index + 1}`,
  }));
  const entries = [...chain, ...withMembers({ Layers: ["link0", layerPaths[0]] })];
  await pushFails(entries, ArchiveError, "links");
});

// index.json and what is below it

test("index.json that is none is refused", async () => {
  const cases: [string, string][] = [
    ["", "is not JSON"],
    ["null", "is not a JSON object"],
    ["[]", "is not a JSON object"],
    ["{}", "names no image"],
    ['{"manifests":null}', "names no image"],
    ['{"manifests":[]}', "names no image"],
    ['{"manifests":{}}', "is not a list"],
    ['{"manifests":"x"}', "is not a list"],
    ['{"manifests":[null]}', "not a JSON object"],
    ['{"manifests":[{}]}', "digest missing"],
    ['{"manifests":[{"digest":"sha256:../../x","size":1}]}', "descriptor has digest"],
    [JSON.stringify({ manifests: [{ digest: NASTY, size: 1 }] }), "descriptor has digest"],
    [`{"manifests":[{"digest":"${image.configDigest}","size":-1}]}`, "size -1"],
    [`{"manifests":[{"digest":"${image.configDigest}","size":1e300}]}`, "size"],
    [`{"manifests":[{"digest":"sha256:${"0".repeat(64)}","size":1}]}`, "not in the archive"],
  ];
  for (const [body, message] of cases) {
    const error = await pushFails(await withIndexJson(body), ArchiveError, message);
    assertEquals(error.path, "index.json");
  }
});

test("index.json past its limit is refused", async () => {
  await pushFails(
    await withIndexJson(" ".repeat(4 * 1024 * 1024 + 1)),
    ArchiveError,
    "at most 4194304",
  );
});

test("manifests that are none are refused", async () => {
  const blob = { mediaType: OCI_LAYER, digest: image.configDigest, size: image.config.length };
  const cases: [unknown, string][] = [
    [[], "is not a JSON object"],
    [null, "is not a JSON object"],
    [{ layers: {} }, "is not a list"],
    [{ layers: [5] }, "not a JSON object"],
    [{ layers: [{ digest: "x" }] }, "descriptor has digest"],
    [{ config: 5 }, "not a JSON object"],
    [{ config: { ...blob, size: "7" } }, "size"],
    [{ subject: { digest: NASTY } }, "descriptor has digest"],
  ];
  for (const [document, message] of cases) {
    await pushFails(await layoutOf(document), ArchiveError, message);
  }
  const layout = new OciLayout();
  layout.add(await layout.blob(encode("not JSON"), OCI_MANIFEST));
  await pushFails(layout.entries(), ArchiveError, "is not JSON");
});

test("a document that is index and manifest in one is refused (CVE-2021-41190)", async () => {
  const layout = new OciLayout();
  const config = await layout.blob(image.config, OCI_CONFIG);
  const manifest = { schemaVersion: 2, config, layers: [] };
  const index = { schemaVersion: 2, manifests: [] };
  const cases: [unknown, string][] = [
    [{ ...manifest, ...index }, OCI_MANIFEST],
    [{ ...manifest, ...index }, OCI_INDEX],
    [{ ...manifest, ...index, mediaType: OCI_MANIFEST }, OCI_MANIFEST],
    [{ ...manifest, ...index, mediaType: OCI_INDEX }, OCI_INDEX],
    [{ ...index, layers: null }, OCI_INDEX],
    [{ ...manifest, mediaType: OCI_INDEX }, OCI_INDEX],
    [{ ...index, mediaType: OCI_MANIFEST }, OCI_MANIFEST],
    [manifest, OCI_INDEX],
    [index, OCI_MANIFEST],
  ];
  for (const [document, mediaType] of cases) {
    layout.index.length = 0;
    layout.add(await layout.document(document, mediaType));
    await pushFails(layout.entries(), ArchiveError, "Cannot read");
  }
});

test("a manifest of Docker's schema 1 is refused before anything is sent", async () => {
  const manifest = { schemaVersion: 1, name: "app", tag: "1", fsLayers: [], history: [] };
  await pushFails(await layoutOf(manifest), ArchiveError, "Docker's schema 1");
  const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  await pushFails(await layoutOf({ ...manifest, mediaType: type }), ArchiveError, "schema 1");
});

test("a media type of a document is shown without what a terminal obeys", async () => {
  const index = { schemaVersion: 2, manifests: [], mediaType: NASTY + "x".repeat(100_000) };
  await pushFails(await layoutOf(index), ArchiveError, "media type");
});

test("media types and platforms below an index are shown without what a terminal obeys", async () => {
  const layout = new OciLayout();
  const child = await layout.image(image);
  const other = { ...child, digest: await digestBytes(encode("elsewhere")) };
  const platform = { os: NASTY, architecture: "x".repeat(100_000) };
  layout.add(
    await layout.indexOf([{ ...child, platform }, { ...other, platform }, {
      ...other,
      digest: await digestBytes(encode("nowhere")),
    }]),
  );
  const { warnings } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals(/\p{Cc}/u.test(warnings.join()), false);
  assert(warnings.join().length < 1000);
  const options = { platforms: ["linux/s390x"] };
  await pushFails(layout.entries(), PushError, "Cannot push platform", options);
  const missing = { mediaType: NASTY, digest: other.digest, size: 5 };
  await pushFails(
    await layoutOf({ schemaVersion: 2, mediaType: OCI_MANIFEST, layers: [missing] }),
    PushError,
    "neither the archive nor the registry",
  );
});

test("an index of very many absent children is refused in a short message", async () => {
  const layout = new OciLayout();
  const children: MadeDescriptor[] = [];
  for (let at = 0; at < 500; at++) {
    const digest = await digestBytes(encode(`child ${at}`));
    children.push({
      mediaType: OCI_MANIFEST,
      digest,
      size: 100,
      platform: { os: "linux", architecture: `cpu${at}` },
    });
  }
  layout.add(await layout.indexOf(children));
  await pushFails(layout.entries(), PushError, "cpu0");
});

test("a blob whose size is not what its descriptor says is refused", async () => {
  const layout = new OciLayout();
  const descriptor = await layout.image(image);
  layout.add({ ...descriptor, size: descriptor.size + 1 });
  await pushFails(layout.entries(), ArchiveError, "bytes, the archive has");
  const config = await layout.blob(image.config, OCI_CONFIG);
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: { ...config, size: 1 } };
  await pushFails(await layoutOfWith(layout, manifest), ArchiveError, "has 1 bytes");
});

async function layoutOfWith(layout: OciLayout, manifest: unknown): Promise<TarWriterEntry[]> {
  layout.index.length = 0;
  layout.add(await layout.document(manifest, OCI_MANIFEST));
  return layout.entries();
}

test("documents and blobs of a layout that do not have their digests are refused", async () => {
  const layout = new OciLayout();
  const child = await layout.image(image);
  const index = await layout.indexOf([child]);
  layout.add(index);
  const [layer] = image.layers;
  assert(layer);
  const digests = [index.digest, child.digest, image.configDigest, layer.digest];
  for (const digest of digests) {
    const path = pathOf({ digest });
    const bytes = layout.blobs.get(path);
    assert(bytes);
    const entries = replaceBody(layout.entries(), path, flipByte(bytes, bytes.length - 3));
    for (const verify of [false, true]) {
      const error = await pushFails(entries, DigestMismatchError, digest, { verify });
      assertEquals(error.expected, digest);
    }
  }
});

test("a layer of a hybrid archive that is nowhere is refused", async () => {
  const layout = new OciLayout();
  await layout.image(image);
  const [layer] = image.layers;
  assert(layer);
  layout.remove(layer);
  const entries = [
    ...layout.entries().filter(({ path }) => path !== "index.json"),
    { path: "manifest.json", body: hybridManifest([{ image, repoTags: ["app:1"] }]) },
  ];
  await pushFails(entries, ArchiveError, "which is not in the archive");
});

test("a manifest of a layout that is a link to elsewhere is told as such", async () => {
  const layout = new OciLayout();
  const descriptor = await layout.image(image);
  layout.add(descriptor, { ref: "1" });
  const path = pathOf(descriptor);
  const entries = layout.entries().filter((entry) => entry.path !== path);
  const link = { path, linkname: `/nix/store/${path}` };
  await pushFails([...entries, link], ArchiveError, "which is a link that leads to no file");
});

// Bombs

test("indexes nested deeper than any tool nests them are refused, whatever their order", async () => {
  const layout = new OciLayout();
  let at = await layout.image(image);
  const chain = [at];
  for (let depth = 0; depth < 3000; depth++) chain.push(at = await layout.indexOf([at]));
  layout.add(at);
  await pushFails(layout.entries(), ArchiveError, "indexes deep");
  // From the inside out every index is known when the next one names it.
  layout.index.length = 0;
  for (const descriptor of chain) layout.add(descriptor);
  await pushFails(layout.entries(), ArchiveError, "indexes deep");
});

test("seven indexes around an image are read", async () => {
  const layout = new OciLayout();
  let at = await layout.image(image);
  for (let depth = 0; depth < 7; depth++) at = await layout.indexOf([at]);
  layout.add(at);
  const { registry } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals((await readBack(registry, "app", "1")).digest, at.digest);
});

/** What takes every name for itself takes minutes. */
function assertSoon(start: number): void {
  const taken = processorTime() - start;
  assert(taken < 10_000, `${taken} ms of the processor`);
}

test("indexes that name each other very often take no longer than their number", async () => {
  const layout = new OciLayout();
  let at = await layout.image(image);
  // 500 to the power of 7 paths lead to the image.
  for (let depth = 0; depth < 7; depth++) {
    at = await layout.indexOf(Array.from({ length: 500 }, () => at));
  }
  layout.add(at);
  const start = processorTime();
  const { result } = await pushTo(layout.entries(), "localhost:5000/app:1");
  assertEquals(result.images[0]?.blobs.length, 3);
  assertSoon(start);
});

test("index.json that names one large index very often takes no longer than once", async () => {
  const layout = new OciLayout();
  const children = [await layout.image(image)];
  for (let at = 0; at < 2000; at++) {
    children.push(await layout.artifact(`${at}`, "application/vnd.example.thing"));
  }
  const index = await layout.indexOf(children);
  for (let at = 0; at < 9000; at++) layout.add(index, { ref: `v${at}` });
  const start = processorTime();
  const docker = Array.from({ length: 20 }, () => ({ image, repoTags: ["app:1"] }));
  await pushTo(layout.entries(docker), "localhost:5000/app:1", { dryRun: true });
  assertSoon(start);
});

test("manifest.json that names one image very often takes no longer than its length", async () => {
  const layout = new OciLayout();
  for (let at = 0; at < 300; at++) {
    layout.add(await layout.artifact(`${at}`, "application/vnd.example.thing"), { ref: `v${at}` });
  }
  const docker = Array.from({ length: 3000 }, () => ({ image, repoTags: ["app:1"] }));
  const large = await makeImage(["one", "two"], { config: { padding: "x".repeat(1024 * 1024) } });
  docker.fill({ image: large, repoTags: ["app:1"] });
  await layout.image(large);
  const start = processorTime();
  const options = { images: ["app:1"], dryRun: true };
  await pushTo(layout.entries(docker), "localhost:5000/app:1", options);
  assertSoon(start);
});

test("manifest.json and index.json that give one name very often take no longer than their length", async () => {
  const layout = new OciLayout();
  const name = "docker.io/library/app:1";
  const one = await makeImage(["one"]);
  const child = await layout.image(one);
  const children = [child];
  for (let at = 0; at < 500; at++) {
    children.push(await layout.artifact(`${at}`, "application/vnd.example.thing"));
  }
  layout.add(await layout.indexOf(children), { name });
  for (let at = 0; at < 3000; at++) {
    layout.add(await layout.indexOf([child], { annotations: { at: `${at}` } }), { name });
  }
  const docker = Array.from({ length: 3000 }, () => ({ image: one, repoTags: ["app:1"] }));
  const start = processorTime();
  const { images } = await openArchive(toBlob(layout.entries(docker)));
  assertSoon(start);
  assertEquals(images[0]?.names, ["app:1"]);
});

test("more entries in an index than anybody has are refused", async () => {
  const child = { digest: image.configDigest, size: 1, mediaType: "" };
  const manifests = Array.from({ length: 20_000 }, () => child);
  await pushFails(
    await withIndexJson(JSON.stringify({ manifests })),
    ArchiveError,
    "10000 entries",
  );
});

test("more bytes of manifests than can be held are refused", async () => {
  const layout = new OciLayout();
  const padding = "x".repeat(4 * 1024 * 1024 - 100);
  for (let at = 0; at < 17; at++) {
    layout.add(await layout.document({ layers: [], at, padding }, OCI_MANIFEST));
  }
  await pushFails(layout.entries(), ArchiveError, "67108864 bytes");
});

test("a manifest of more layers than anybody has is refused", async () => {
  const layer = { digest: image.configDigest, size: 1, mediaType: OCI_LAYER };
  const layers = Array.from({ length: 20_000 }, () => layer);
  await pushFails(await layoutOf({ layers }), ArchiveError, "20000 layers");
});

test("a manifest past its limit is refused", async () => {
  const padding = "x".repeat(4 * 1024 * 1024);
  await pushFails(await layoutOf({ layers: [], padding }), ArchiveError, "at most 4194304");
});

test("members called __proto__ change nothing", async () => {
  const body = new TextDecoder().decode(encodeJson([{ Config: configPath, Layers: layerPaths }]))
    .replace("{", '{"__proto__":{"RepoTags":["evil:1"]},');
  const { result } = await pushTo(toBlob(withManifestJson(body)), "localhost:5000/app:1");
  assertEquals(result.images.length, 1);
  assertEquals(({} as Record<string, unknown>).RepoTags, undefined);
});
