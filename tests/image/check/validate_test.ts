import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { checkArchive } from "../../../src/archive/check_archive.ts";
import { digestBytes, digestHex } from "../../../src/digest.ts";
import { MAX_FINDINGS } from "../../../src/image/check/findings.ts";
import {
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../../src/media_types.ts";
import {
  type Bytes,
  dockerSave,
  encode,
  encodeJson,
  flipByte,
  hybridManifest,
  type MadeImage,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  replaceBody,
  toBlob,
  withPlatform,
} from "../../helpers/archives.ts";
import { check, codesOf, onlyFinding } from "../../helpers/findings.ts";
import { join, type TarWriterEntry, writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";

const NASTY = "\u001b[2J\u0007\r\n\u009b31m\u007f\u202e";
const image = await makeImage(["one", "two"]);
const zipped = await makeImage([await makeLayer("one", "gzip"), await makeLayer("two", "zstd")]);
const other = await makeImage(["three"], { platform: "linux/arm64" });
const legacy = dockerSave([{ image, repoTags: ["app:1"] }]);
const configPath = `${digestHex(image.configDigest)}.json`;
const layerPaths = legacy.map(({ path }) => path).filter((path) => path.endsWith("layer.tar"));
const gzipPath = "0/one.tar.gz";

/** A docker archive whose layers are compressed and have names that say nothing. */
function zippedSave(bytes?: Bytes): TarWriterEntry[] {
  const entries = dockerSave([{ image: zipped, repoTags: ["app:1"] }], {
    layerPath: (_, index) => index === 0 ? gzipPath : `${index}/two.tar.zst`,
  });
  return bytes ? replaceBody(entries, gzipPath, bytes) : entries;
}

function withMembers(members: Record<string, unknown>, entries = legacy): TarWriterEntry[] {
  const item = { Config: configPath, RepoTags: ["app:1"], Layers: layerPaths, ...members };
  return replaceBody(entries, "manifest.json", JSON.stringify([item]));
}

/** A layout with one image, and what a test needs to break it. */
async function layoutOf(
  made: MadeImage = image,
  members: Record<string, unknown> = {},
  algorithm?: "sha512",
) {
  const layout = new OciLayout();
  const descriptor = await layout.image(made, members, algorithm);
  layout.add(descriptor, { ref: "v1" });
  return { layout, descriptor };
}

/** A layout whose index.json has one entry, for an index of two images. */
async function multiPlatform() {
  const layout = new OciLayout();
  const amd = withPlatform(await layout.image(image), "linux/amd64");
  const arm = withPlatform(await layout.image(other), "linux/arm64");
  const attestation = await layout.attestation(amd);
  const index = await layout.indexOf([amd, arm, attestation]);
  layout.add(index, { name: "docker.io/library/app:1", ref: "1" });
  return { layout, amd, arm, attestation, index };
}

function without(entries: readonly TarWriterEntry[], path: string): TarWriterEntry[] {
  const rest = entries.filter((entry) => entry.path !== path);
  assert(rest.length < entries.length, `no entry ${path}`);
  return rest;
}

// Whole archives

test("validateArchive() finds nothing in whole archives of every kind", async () => {
  const { layout } = await layoutOf();
  const { layout: zippedLayout } = await layoutOf(zipped);
  const { layout: several } = await multiPlatform();
  const long = new OciLayout();
  long.add(await long.image(image, {}, "sha512"), { ref: "v1" });
  const artifact = new OciLayout();
  artifact.add(await artifact.artifact("text", "application/vnd.example"), { ref: "v1" });
  for (const config of [OCI_EMPTY, OCI_CONFIG]) {
    // As oras types a file that is given without a type, and writes a config for a platform alone.
    const members = {
      config: await artifact.blob(encode('{"architecture":"arm64","os":"linux"}'), config),
      layers: [
        await artifact.blob(encode("a file"), OCI_LAYER),
        await artifact.blob(zipped.layers[0]?.bytes ?? encode(""), OCI_LAYER),
      ],
    };
    artifact.add(await artifact.artifact("text", "application/vnd.example", members));
  }
  const empty = await makeImage([]);
  const archives: TarWriterEntry[][] = [
    legacy,
    zippedSave(),
    dockerSave([{ image }, { image: empty, repoTags: null }]),
    dockerSave([{ image, repoTags: ["a:1"] }, { image, repoTags: ["b:1"] }]),
    ...(["symlink", "hardlink", "forward-symlink", "forward-hardlink", "same"] as const).map((
      repeated,
    ) => dockerSave([{ image }, { image: { ...image, layers: image.layers } }], { repeated })),
    layout.entries(),
    layout.entries([{ image, repoTags: ["app:1"] }]),
    zippedLayout.entries(),
    several.entries(),
    long.entries(),
    artifact.entries(),
    layout.entries().map((entry) => ({ ...entry, path: `./${entry.path}` })),
    layout.entries().map((entry) => ({ ...entry, path: `folder/${entry.path}` })),
  ];
  for (const [at, entries] of archives.entries()) {
    assertEquals((await check(entries)).findings, [], `archive ${at}`);
  }
});

test("validateArchive() hashes what is too large for memory", async () => {
  const bytes = new Uint8Array(9 * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = at >> 12;
  const big = writeTar([{ path: "big", body: bytes }]);
  const made = await makeImage([await makeLayer(big), await makeLayer(big, "zstd")]);
  const { layout } = await layoutOf(made);
  assertEquals((await check(layout.entries())).findings, []);
  for (const layer of made.layers) {
    const path = pathOf(layer);
    const broken = replaceBody(
      layout.entries(),
      path,
      flipByte(layer.bytes, layer.bytes.length - 9000),
    );
    const { findings } = await check(broken);
    // Of the plain one that is all: its name is its diff_id.
    const codes = layer.compression ? ["wrong-digest", "wrong-diff-id"] : ["wrong-digest"];
    assertEquals(findings.map(({ code, path }) => [code, path]), codes.map((code) => [code, path]));
  }
  // Its diff_id is of another algorithm than its name.
  const name = digestHex(await digestBytes(big, "sha512"));
  const other = dockerSave([{ image: await makeImage([await makeLayer(big)]) }], {
    layerPath: () => `blobs/sha512/${name}`,
  });
  assertEquals((await check(other)).findings.filter(({ severity }) => severity === "error"), []);
});

// Docker archives

test("validateArchive() tells a layer that does not have its diff_id, and where it belongs", async () => {
  const [first = "", second = ""] = layerPaths;
  const [one, two] = image.layers;
  const swapped = replaceBody(
    replaceBody(legacy, first, two?.bytes ?? ""),
    second,
    one?.bytes ?? "",
  );
  const { findings } = await check(swapped);
  assertEquals(findings.map(({ code, path, expected, actual }) => [code, path, expected, actual]), [
    ["wrong-diff-id", first, one?.diffId, two?.diffId],
    ["wrong-diff-id", second, two?.diffId, one?.diffId],
  ]);
  assertStringIncludes(
    findings[0]?.message ?? "",
    'layer 1 of "app:1"; it is what layer 2 should be',
  );
});

test("validateArchive() inflates layers whose names say nothing", async () => {
  const [layer] = zipped.layers;
  const wrong = await makeLayer("other", "gzip");
  const finding = await onlyFinding(zippedSave(wrong.bytes), "error", "wrong-diff-id");
  assertEquals([finding.path, finding.expected, finding.actual], [
    gzipPath,
    layer?.diffId,
    wrong.diffId,
  ]);
  assertStringIncludes(finding.message, "inflates to");
});

test("validateArchive() tells compressed layers that are cut, corrupt, or go on", async () => {
  const bytes = zipped.layers[0]?.bytes ?? new Uint8Array(0);
  for (
    const broken of [
      bytes.subarray(0, bytes.length - 1),
      bytes.subarray(0, 30),
      flipByte(bytes, bytes.length - 6),
      flipByte(bytes, bytes.length - 2),
    ]
  ) {
    const finding = await onlyFinding(zippedSave(broken.slice()), "error", "broken-layer");
    assertEquals([finding.path, finding.image], [gzipPath, "app:1"]);
  }
  for (const tail of ["garbage", new Uint8Array(100)]) {
    const longer = await onlyFinding(
      zippedSave(join([bytes, tail])),
      "warning",
      "trailing-data",
    );
    assertEquals([longer.path, longer.offset], [gzipPath, bytes.length]);
  }
});

test("validateArchive() tells layers and configs that are not there, and what is in their place", async () => {
  const [first = "", second = ""] = layerPaths;
  const finding = await onlyFinding(without(legacy, second), "error", "missing-blob");
  assertEquals([finding.path, finding.image], [second, "app:1"]);
  assertStringIncludes(finding.message, `is not in the archive (layer 2 of "app:1")`);

  const folder: TarWriterEntry = { path: `${first}/`, type: "directory" };
  const place = await onlyFinding([...without(legacy, first), folder], "error", "missing-blob");
  assertStringIncludes(place.message, "is a directory in the archive, expected a file");
  const pipe = { path: first, type: "6" };
  const fifo = await onlyFinding([...without(legacy, first), pipe], "error", "missing-blob");
  assertStringIncludes(fifo.message, "is a pipe in the archive");

  const lacking = await onlyFinding(without(legacy, configPath), "error", "missing-blob");
  assertStringIncludes(lacking.message, `config of "app:1"`);
  // All of them at once.
  const all = [first, second, configPath].reduce(without, legacy);
  assertEquals(await codesOf(all), Array(3).fill("error missing-blob"));
});

test("validateArchive() tells links that lead nowhere or in a circle", async () => {
  const [first = ""] = layerPaths;
  const rest = without(legacy, first);
  assertEquals(await codesOf([...rest, { path: first, linkname: "../gone/layer.tar" }]), [
    "error missing-blob",
  ]);
  const cycle = [...rest, { path: first, linkname: "../other" }, {
    path: "other",
    linkname: first,
  }];
  const { findings } = await check(cycle);
  assertEquals(
    findings.map(({ severity, code }) => `${severity} ${code}`),
    ["error link-cycle", "warning link-cycle"],
  );
  const harmless = [...legacy, { path: "self", linkname: "self" }];
  assertEquals((await onlyFinding(harmless, "warning", "link-cycle")).path, "self");
  const again = [...legacy, { path: first, type: "link", linkname: `./${first}` } as const];
  assertEquals(await codesOf(again), []);
  const outside = [...legacy, { path: "../up", body: "x" }];
  assertEquals((await onlyFinding(outside, "warning", "unsafe-path")).path, "../up");
});

test("validateArchive() tells a config with another digest than its name", async () => {
  const broken = replaceBody(
    legacy,
    configPath,
    encode(`${new TextDecoder().decode(image.config)} `),
  );
  const finding = await onlyFinding(broken, "error", "wrong-digest");
  assertEquals([finding.path, finding.expected], [configPath, image.configDigest]);
});

test("validateArchive() tells numbers of layers that differ", async () => {
  const { findings } = await check(withMembers({ Layers: layerPaths.slice(0, 1) }));
  assertEquals(
    findings.map(({ severity, code, path, expected, actual }) => [
      `${severity} ${code}`,
      path,
      expected,
      actual,
    ]),
    [
      ["error layer-count", configPath, "1", "2"],
      ["note unreferenced", layerPaths[1], undefined, undefined],
    ],
  );
  assertEquals(await codesOf(withMembers({ Layers: [...layerPaths, layerPaths[0]] })), [
    "error layer-count",
  ]);
});

test("validateArchive() goes on past a part of manifest.json that is malformed", async () => {
  const list = JSON.stringify([
    null,
    { Config: 5, Layers: [] },
    { Config: configPath, RepoTags: ["app:1", 5], Layers: layerPaths },
    { Config: configPath, Layers: "x" },
    { Config: configPath, RepoTags: ["app:1"], Layers: ["gone.tar", layerPaths[1]] },
  ]);
  const { findings } = await check(replaceBody(legacy, "manifest.json", list));
  assertEquals(findings.map(({ code, path }) => `${code} ${path}`), [
    "malformed manifest.json",
    "malformed manifest.json",
    "malformed manifest.json",
    "malformed manifest.json",
    `layer-count ${configPath}`,
    "missing-blob gone.tar",
  ]);
  for (const body of ["", "{", "5", "{}", '"x"', `[{"${NASTY}`]) {
    await onlyFinding(replaceBody(legacy, "manifest.json", body), "error", "malformed");
  }
  assertEquals(await codesOf(replaceBody(legacy, "manifest.json", "[]")), [
    "error no-image",
    "note unreferenced",
    "note unreferenced",
    "note unreferenced",
  ]);
});

test("validateArchive() tells names that do not parse, and one name for two images", async () => {
  const bad = await onlyFinding(
    withMembers({ RepoTags: ["App:1", "app:1"] }),
    "warning",
    "bad-name",
  );
  assertEquals(bad.image, "App:1");
  const entries = dockerSave([
    { image, repoTags: ["app:1"] },
    { image: other, repoTags: ["docker.io/library/app:1"] },
  ]);
  await onlyFinding(entries, "warning", "duplicate-name");
  // Two entries of one image are none.
  assertEquals(
    (await check(dockerSave([{ image, repoTags: ["app:1"] }, { image, repoTags: ["app:1"] }])))
      .findings,
    [],
  );
});

test("validateArchive() tells a config that is none, or names no platform", async () => {
  const config = (body: string | Bytes) => [
    ...without(withMembers({ Config: "config.json" }), configPath),
    { path: "config.json", body },
  ];
  const diffIds = image.layers.map(({ diffId }) => diffId);
  await onlyFinding(config("{"), "error", "malformed");
  await onlyFinding(config("[]"), "error", "malformed");
  await onlyFinding(config('{"rootfs":{"diff_ids":["x","y"]}}'), "error", "malformed");
  await onlyFinding(config('{"rootfs":{"diff_ids":5}}'), "error", "malformed");
  await onlyFinding(config(encodeJson({ rootfs: { diff_ids: diffIds } })), "warning", "platform");
  assertEquals(await codesOf(config('{"os":"linux","architecture":"amd64"}')), [
    "error layer-count",
  ]);
});

test("validateArchive() tells layers that are no tar, or compressed in a way nobody knows", async () => {
  const text = await makeImage([await makeLayer(encode("text, no tar"))]);
  await onlyFinding(dockerSave([{ image: text, repoTags: ["a:1"] }]), "warning", "bad-layer");
  const inner = await makeImage([await makeLayer(encode("text"), "gzip")]);
  await onlyFinding(dockerSave([{ image: inner, repoTags: ["a:1"] }]), "warning", "bad-layer");
  const bytes = encode("BZh91AY&SY, of bzip2");
  const bzip2 = dockerSave([{ image: text }], { layerPath: () => "one.tar" });
  await onlyFinding(replaceBody(bzip2, "one.tar", bytes), "error", "bad-layer");
  // A layer of no bytes is legal.
  const empty = await makeImage([await makeLayer(new Uint8Array(0))]);
  assertEquals((await check(dockerSave([{ image: empty, repoTags: ["a:1"] }]))).findings, []);
});

test("validateArchive() tells a name of a layer that is not its digest, where nothing else is wrong", async () => {
  const path = `${"ab".repeat(32)}.tar.gz`;
  const entries = dockerSave([{ image: zipped, repoTags: ["a:1"] }], {
    layerPath: ({ digest }, index) => index === 0 ? path : `${digestHex(digest)}.tar.zst`,
  });
  assertEquals((await onlyFinding(entries, "warning", "wrong-name")).path, path);
});

// The tar itself

test("validateArchive() tells paths that occur twice", async () => {
  const again = (
    body: string,
  ) => [...legacy, { path: "x/VERSION", body: "1.0" }, { path: "x/VERSION", body }];
  assertEquals((await onlyFinding(again("1.0"), "note", "duplicate-entry")).path, "x/VERSION");
  const finding = await onlyFinding(again("2.0"), "warning", "duplicate-entry");
  assertStringIncludes(finding.message, "twice, with different content");
  // The last counts: it is what the rest is compared with.
  const [first = ""] = layerPaths;
  assertEquals(await codesOf([...legacy, { path: first, body: "x" }]), [
    "error wrong-diff-id",
    "warning bad-layer",
    "warning duplicate-entry",
  ]);
  assertEquals(await codesOf([{ path: first, body: "x" }, ...legacy]), ["warning duplicate-entry"]);
});

test("validateArchive() tells a blob that is wrong and replaced by a later one", async () => {
  const { layout } = await layoutOf();
  const [path] = layout.blobs.keys();
  const entries = [{ path: path ?? "", body: "wrong" }, ...layout.entries()];
  assertEquals(await codesOf(entries), ["error wrong-digest", "warning duplicate-entry"]);
});

test("validateArchive() tells how a tar ends", async () => {
  for (const end of [0, 1]) {
    await onlyFinding(new Blob([writeTar(legacy, { end })]), "warning", "no-end-blocks");
  }
  const whole = writeTar(legacy);
  assertEquals((await check(new Blob([whole, new Uint8Array(9000)]))).findings, []);
  const longer = new Blob([whole, new Uint8Array(700), "further", writeTar(legacy)]);
  const finding = await onlyFinding(longer, "warning", "trailing-data");
  assertEquals(finding.offset, whole.length + 700);
});

test("validateArchive() tells of a link to no file that nobody needs", async () => {
  const dangling = [...legacy, { path: "dangling", linkname: "nowhere" }];
  assertEquals((await onlyFinding(dangling, "warning", "broken-link")).path, "dangling");
});

test("validateArchive() tells where a tar breaks off, with what was found before", async () => {
  const { layout } = await layoutOf();
  const entries = layout.entries();
  const path =
    entries.find(({ path }) => path.startsWith("blobs/sha256/") && path.length > 20)?.path ?? "";
  const whole = writeTar(replaceBody(entries, path, "wrong"));
  const cut = new Blob([whole.subarray(0, whole.length - 2300)]);
  const { findings } = await check(cut);
  assertEquals(findings.map(({ code }) => code), ["broken-tar", "wrong-digest"]);
  assertEquals(findings[1]?.path, path);
  assert(findings[0]?.offset !== undefined);

  const header = await check(new Blob([flipByte(writeTar(legacy), 512 * 3 + 1)]));
  assertEquals(header.findings.map(({ code, offset }) => [code, offset]), [[
    "broken-tar",
    512 * 3,
  ]]);
  assertEquals(header.files, 1);
});

test("validateArchive() says the same of a file and a pipe wherever they are cut", async () => {
  const { layout } = await layoutOf(zipped);
  const outside = { path: "../up", body: "x".repeat(600) };
  const docker = layout.entries([{ image: zipped, repoTags: ["a:1"] }]);
  for (const entries of [legacy, docker, [outside, ...legacy]]) {
    const whole = writeTar(entries);
    for (let end = 512; end < whole.length - 1024; end += 512) {
      for (const at of [end - 1, end, end + 1]) {
        const { findings } = await check(new Blob([whole.subarray(0, at)]));
        assert(findings.length > 0, `cut at ${at}`);
        const isBetween = !findings.some(({ code }) => code === "broken-tar");
        if (isBetween) {
          assertEquals(findings.some(({ code }) => code === "no-end-blocks"), true, `${at}`);
        }
      }
    }
  }
});

test("validateArchive() tells what is no archive", async () => {
  for (const content of ["", "text", "x".repeat(2000)]) {
    await onlyFinding(new Blob([content]), "error", "broken-tar");
  }
  await onlyFinding([], "error", "no-image");
  await onlyFinding([{ path: "a.txt", body: "text" }], "error", "no-image");
});

// OCI layouts

test("validateArchive() tells every blob of a layout that is damaged, missing, or of another size", async () => {
  for (const made of [image, zipped]) {
    const { layout, descriptor } = await layoutOf(made);
    const entries = layout.entries();
    for (const [path, bytes] of layout.blobs) {
      const isManifest = path === pathOf(descriptor);
      const { findings: flipped } = await check(
        replaceBody(entries, path, flipByte(bytes, bytes.length >> 1)),
      );
      assertEquals(
        flipped.some((each) => each.code === "wrong-digest" && each.path === path),
        true,
      );

      const { findings: missing } = await check(without(entries, path));
      assertEquals(missing[0]?.code, "missing-blob", path);
      assertEquals([missing[0]?.path, missing[0]?.image], [path, "v1"]);
      if (!isManifest) assertEquals(missing.length, 1);

      const { findings: longer } = await check(replaceBody(entries, path, join([bytes, " "])));
      const codes = new Set(longer.map(({ code }) => code));
      assert(codes.has("wrong-size") && codes.has("wrong-digest"), [...codes].join());
      const size = longer.find(({ code }) => code === "wrong-size");
      assertEquals([size?.expected, size?.actual], [`${bytes.length}`, `${bytes.length + 1}`]);
    }
  }
});

test("validateArchive() tells sizes that a manifest gets wrong", async () => {
  const layout = new OciLayout();
  const config = await layout.blob(image.config, OCI_CONFIG);
  const layers = [];
  for (const { bytes } of image.layers) {
    layers.push({ ...await layout.blob(bytes, OCI_LAYER), size: 7 });
  }
  layout.add(await layout.image(image, { config, layers }));
  assertEquals(await codesOf(layout.entries()), ["error wrong-size", "error wrong-size"]);
});

test("validateArchive() compares the layers of a layout with the config", async () => {
  const layout = new OciLayout();
  const { layers } = JSON.parse(
    new TextDecoder().decode(layout.blobs.get(pathOf(await layout.image(image)))),
  );
  for (const changed of [layers.slice(1), [...layers, layers[0]], []]) {
    const broken = await layoutOf(image, { layers: changed });
    const { findings } = await check(broken.layout.entries());
    assertEquals(findings[0]?.code, "layer-count");
    assertEquals(findings[0]?.actual, "2");
  }
  const swapped = await layoutOf(image, { layers: layers.toReversed() });
  const codes = await codesOf(swapped.layout.entries());
  assertEquals(codes, ["error wrong-diff-id", "error wrong-diff-id"]);
});

test("validateArchive() tells media types that do not fit", async () => {
  const types: [MadeImage, string, string | undefined][] = [
    [image, `${OCI_LAYER}+gzip`, "warning not compressed"],
    [image, `${DOCKER_LAYER}.gzip`, "warning not compressed"],
    [zipped, OCI_LAYER, "error compressed with gzip"],
    [zipped, `${DOCKER_LAYER}.gzip`, "warning compressed with zstd"],
    [image, DOCKER_LAYER, undefined],
    [image, "application/vnd.oci.image.layer.nondistributable.v1.tar", undefined],
    [image, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", undefined],
  ];
  for (const [made, mediaType, expected] of types) {
    const layout = new OciLayout();
    const layers = [];
    for (const { bytes } of made.layers) layers.push(await layout.blob(bytes, mediaType));
    layout.add(await layout.image(made, { layers }));
    const { findings } = await check(layout.entries());
    assertEquals(findings.every(({ code }) => code === "media-type"), true, mediaType);
    const [severity, ...state] = expected?.split(" ") ?? [];
    const found = findings.some((finding) => {
      return finding.severity === severity && finding.message.includes(state.join(" "));
    });
    assertEquals(found, expected !== undefined, `${mediaType} ${findings[0]?.message}`);
  }
});

test("validateArchive() tells documents whose types disagree, or are missing", async () => {
  const layout = new OciLayout();
  layout.add({ ...await layout.image(image), mediaType: DOCKER_MANIFEST });
  const finding = await onlyFinding(layout.entries(), "warning", "media-type");
  assertEquals([finding.expected, finding.actual], [DOCKER_MANIFEST, OCI_MANIFEST]);

  const untyped = new OciLayout();
  const { digest, size } = await untyped.image(image);
  untyped.add({ digest, size });
  await onlyFinding(untyped.entries(), "warning", "media-type");

  const header = new OciLayout();
  header.add({ ...await header.image(image), mediaType: `${OCI_MANIFEST}; charset=utf-8` });
  const spelling = await onlyFinding(header.entries(), "warning", "media-type");
  assertEquals(spelling.actual, `${OCI_MANIFEST}; charset=utf-8`);
  assertEquals(spelling.expected, OCI_MANIFEST);

  for (
    const members of [
      { mediaType: OCI_INDEX },
      { mediaType: "x y" },
      { manifests: [] },
      { layers: 5 },
      { layers: [{}, 5, { digest: "sha256:x" }] },
      { config: "x" },
      { config: { digest: image.configDigest, size: -1 } },
      { schemaVersion: 1 },
      { config: null },
      { mediaType: "x/y" },
    ]
  ) {
    const broken = await layoutOf(image, members);
    const codes = new Set(await codesOf(broken.layout.entries()));
    assert(codes.has("error malformed"), `${JSON.stringify(members)} ${[...codes]}`);
  }
});

test("validateArchive() goes on past entries of index.json that are malformed", async () => {
  const { layout, descriptor } = await layoutOf();
  const index = (manifests: unknown, members = {}) =>
    replaceBody(
      layout.entries(),
      "index.json",
      encodeJson({ schemaVersion: 2, manifests, ...members }),
    );
  const [layer] = image.layers;
  const broken = without(
    index([5, {}, { ...descriptor, size: "x" }, descriptor]),
    pathOf(layer ?? descriptor),
  );
  const { findings } = await check(broken);
  assertEquals(findings.map(({ code }) => code), [
    "malformed",
    "malformed",
    "malformed",
    "missing-blob",
  ]);
  for (const body of ["", "{", "[]", "5", `{"${NASTY}`]) {
    await onlyFinding(replaceBody(layout.entries(), "index.json", body), "error", "malformed");
  }
  await onlyFinding(index("x"), "error", "malformed");
  await onlyFinding(index([descriptor], { mediaType: DOCKER_INDEX }), "warning", "media-type");
  assertEquals((await codesOf(index([])))[0], "error no-image");
});

test("validateArchive() tells of a size that programs in Go take for no number", async () => {
  const { layout, descriptor } = await layoutOf();
  const path = pathOf(descriptor);
  const text = new TextDecoder().decode(layout.blobs.get(path));
  for (const written of ["$1.0", "$1e0"]) {
    const odd = new OciLayout();
    for (const [name, bytes] of layout.blobs) if (name !== path) odd.blobs.set(name, bytes);
    odd.add(await odd.blob(encode(text.replace(/(?<="size":)(\d+)/, written)), OCI_MANIFEST));
    const { message } = await onlyFinding(odd.entries(), "error", "malformed");
    assertMatch(message, /"config\.size" is written as \d+(?:\.0|e0), which programs in Go/);
    const index = JSON.stringify({ schemaVersion: 2, manifests: [descriptor] })
      .replace(/(?<="size":)(\d+)/, written);
    const entries = replaceBody(layout.entries(), "index.json", index);
    const found = await onlyFinding(entries, "error", "malformed");
    assertMatch(found.message, /"index\.json".*"manifests\[0\]\.size" is written as/);
  }
});

test("validateArchive() tells a layout without the file oci-layout", async () => {
  const { layout } = await layoutOf();
  await onlyFinding(without(layout.entries(), "oci-layout"), "warning", "bad-oci-layout");
  for (const body of ["", "{}", '{"imageLayoutVersion":"9"}']) {
    const entries = replaceBody(layout.entries(), "oci-layout", body);
    await onlyFinding(entries, "warning", "bad-oci-layout");
  }
});

test("validateArchive() notes platforms that were not saved, and tells where none was", async () => {
  const absent = await multiPlatform();
  const arm = absent.layout.blobs;
  // The manifest alone is gone, then all that belongs to it, then only what it names.
  absent.layout.remove(absent.arm);
  absent.layout.remove(other.layers[0] ?? absent.arm);
  absent.layout.remove({ digest: other.configDigest });
  const note = await onlyFinding(absent.layout.entries(), "note", "absent-platform");
  assertStringIncludes(
    note.message,
    'linux/arm64 of "docker.io/library/app:1" is not in the archive',
  );
  assert(arm.size > 0);

  const hollow = await multiPlatform();
  hollow.layout.remove(other.layers[0] ?? hollow.arm);
  hollow.layout.remove({ digest: other.configDigest });
  await onlyFinding(hollow.layout.entries(), "note", "absent-platform");

  // A config without its layer is no platform that was left out.
  const partial = await multiPlatform();
  partial.layout.remove(other.layers[0] ?? partial.arm);
  const missing = await onlyFinding(partial.layout.entries(), "error", "missing-blob");
  assertStringIncludes(missing.message, 'layer 1 of "docker.io/library/app:1", linux/arm64');

  const none = await multiPlatform();
  for (const child of [none.amd, none.arm]) none.layout.remove(child);
  const codes = await codesOf(none.layout.entries());
  assertEquals(
    codes.filter((code) => code.startsWith("error")),
    Array(2).fill("error missing-blob"),
  );

  const one = new OciLayout();
  const only = withPlatform(await one.image(image), "linux/amd64");
  one.add(await one.indexOf([only, await one.attestation(only)]));
  for (const blob of [...image.layers, { digest: image.configDigest }]) one.remove(blob);
  assertEquals(await codesOf(one.entries()), Array(3).fill("error missing-blob"));
});

test("validateArchive() tells platforms on which index and config disagree", async () => {
  const layout = new OciLayout();
  const descriptor = withPlatform(await layout.image(image), "linux/s390x");
  layout.add(await layout.indexOf([descriptor]));
  const finding = await onlyFinding(layout.entries(), "warning", "platform");
  assertEquals([finding.expected, finding.actual], ["linux/s390x", "linux/amd64"]);
});

test("validateArchive() notes blobs that may be absent by right", async () => {
  const layout = new OciLayout();
  const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  const config = await layout.blob(zipped.config, OCI_CONFIG);
  const layers = [];
  for (const { bytes } of zipped.layers) layers.push(await layout.blob(bytes, mediaType));
  const [foreign, present] = layers;
  layout.add(
    await layout.document(
      {
        schemaVersion: 2,
        config,
        layers: [foreign, { ...present, mediaType: `${OCI_LAYER}+zstd` }],
      },
      OCI_MANIFEST,
    ),
  );
  layout.remove(foreign ?? config);
  await onlyFinding(layout.entries(), "note", "absent-blob");

  const artifact = new OciLayout();
  artifact.add(await artifact.artifact("text", "application/vnd.example"));
  artifact.remove({ digest: await digestBytes(encode("{}")) });
  await onlyFinding(artifact.entries(), "note", "absent-blob");
});

test("validateArchive() compares blobs that an index lists without a manifest, as BuildKit's cache does", async () => {
  const layout = new OciLayout();
  const blobs = [
    await layout.blob(image.layers[0]?.bytes ?? encode(""), OCI_LAYER),
    await layout.document({ layers: [] }, "application/vnd.buildkit.cacheconfig.v0"),
  ];
  layout.add(await layout.indexOf(blobs), { ref: "cache" });
  assertEquals((await check(layout.entries())).findings, []);
  for (const blob of blobs) {
    const path = pathOf(blob);
    const bytes = layout.blobs.get(path) ?? encode("");
    const flipped = replaceBody(layout.entries(), path, flipByte(bytes, 1));
    assertEquals((await onlyFinding(flipped, "error", "wrong-digest")).path, path);
    assertEquals(
      (await onlyFinding(without(layout.entries(), path), "error", "missing-blob")).path,
      path,
    );
  }
});

test("validateArchive() notes files that no image needs", async () => {
  const { layout } = await layoutOf();
  const blob = await layout.blob(encode("lost"), "text/plain");
  const entries = [...layout.entries(), { path: "README", body: "read me" }];
  const { findings } = await check(entries);
  assertEquals(findings.map(({ severity, code, path }) => [`${severity} ${code}`, path]), [
    ["note unreferenced", pathOf(blob)],
    ["note unreferenced", "README"],
  ]);
});

test("validateArchive() tells names of index.json that are none, or name two things", async () => {
  const { layout, descriptor } = await layoutOf();
  layout.add(descriptor, { ref: "ocidir://x:1" });
  await onlyFinding(layout.entries(), "note", "bad-name");
  const twice = await layoutOf();
  twice.layout.add(await twice.layout.image(other), { ref: "v1" });
  await onlyFinding(twice.layout.entries(), "warning", "duplicate-name");
});

// Both dialects together

test("validateArchive() tells where manifest.json and index.json describe different images", async () => {
  const { layout } = await layoutOf();
  await layout.image(other);
  const entries = layout.entries([{ image, repoTags: ["app:1"] }]);
  assertEquals((await codesOf(entries)).filter((code) => !code.endsWith("unreferenced")), []);
  const differs = replaceBody(
    entries,
    "manifest.json",
    hybridManifest([{ image: other, repoTags: ["app:1"] }]),
  );
  const { findings } = await check(differs);
  assertEquals(findings[0]?.code, "different-images");
  assertEquals(findings[0]?.severity, "warning");
});

test("validateArchive() finds nothing in an artifact that manifest.json lists, as containerd does", async () => {
  const layout = new OciLayout();
  const artifact = await layout.artifact("text", "application/vnd.example.thing");
  layout.add(artifact, { ref: "team/thing:1" });
  const config = await layout.blob(encode("{}"), OCI_CONFIG);
  const blob = await layout.blob(encode("text"), "text/plain");
  const item = { Config: pathOf(config), RepoTags: ["team/thing:1"], Layers: [pathOf(blob)] };
  const listed = (index: TarWriterEntry[]) => [
    ...index,
    { path: "manifest.json", body: encodeJson([item]) },
  ];
  assertEquals((await check(listed(layout.entries()))).findings, []);
  // Without the manifest it is an image, and a broken one.
  const codes = await codesOf(listed((await layoutOf()).layout.entries()));
  assert(codes.includes("error missing-blob"), codes.join());
});

test("validateArchive() knows the manifests without layers that dockerd has written", async () => {
  const { layout } = await layoutOf(image, { layers: null });
  const entries = layout.entries([{ image, repoTags: ["app:1"] }]);
  await onlyFinding(entries, "warning", "layer-count");
  assertEquals((await codesOf(layout.entries()))[0], "error layer-count");
});

test("validateArchive() reports a blob once that both documents name", async () => {
  const { layout } = await layoutOf();
  const [layer] = image.layers;
  const entries = layout.entries([{ image, repoTags: ["app:1"] }]);
  const path = layer ? pathOf(layer) : "";
  await onlyFinding(without(entries, path), "error", "missing-blob");
  const { findings } = await check(
    replaceBody(entries, path, flipByte(layer?.bytes ?? encode(""), 600)),
  );
  assertEquals(findings.map(({ code }) => code), ["wrong-digest"]);
});

// Hostile archives

test("validateArchive() counts what is too much to list", async () => {
  const layers = Array.from({ length: 10_000 }, (_, at) => `gone-${at}.tar`);
  const { findings } = await check(withMembers({ Layers: layers }));
  const errors = findings.filter(({ severity }) => severity === "error");
  assertEquals(errors.length, MAX_FINDINGS + 1);
  const last = errors.at(-1);
  // One more: the numbers of layers differ.
  assertEquals([last?.code, last?.actual], ["further-findings", `${10_001 - MAX_FINDINGS}`]);
});

test("validateArchive() stops at limits and says so", async () => {
  const layers = Array.from({ length: 100_000 }, () => layerPaths[0]);
  assertEquals(await codesOf(withMembers({ Layers: layers })), ["error limit"]);
  const images = Array.from({ length: 10_001 }, () => ({ Config: configPath, Layers: layerPaths }));
  assertEquals(await codesOf(replaceBody(legacy, "manifest.json", JSON.stringify(images))), [
    "error limit",
  ]);
  const { layout, descriptor } = await layoutOf();
  const index = { schemaVersion: 2, manifests: Array.from({ length: 10_001 }, () => descriptor) };
  const many = replaceBody(layout.entries(), "index.json", encodeJson(index));
  assertEquals(await codesOf(many), ["error limit"]);
  const deep = new OciLayout();
  let below = await deep.image(image);
  for (let depth = 0; depth < 12; depth++) below = await deep.indexOf([below]);
  deep.add(below);
  assertEquals(await codesOf(deep.entries()), ["error malformed"]);
});

test("validateArchive() shows no name as it is", async () => {
  const layout = await OciLayout.of(image, { ref: NASTY });
  const entries = [
    ...layout.entries(),
    { path: `${NASTY}/a`, body: "x" },
    { path: `${NASTY}/a`, body: "y" },
    { path: NASTY, linkname: "nowhere" },
    { path: `../${NASTY}`, body: "x" },
  ];
  const codes = await codesOf(entries);
  assertEquals(codes.length, 5, codes.join());
  const config = await makeImage(["one"], { platform: `${NASTY}/amd64` });
  const nasty = dockerSave([{ image: config, repoTags: [NASTY, "x".repeat(5000)] }], {
    layerPath: () => NASTY,
  });
  assert((await check(nasty)).findings.length >= 2);
  await check(withMembers({ Config: NASTY.repeat(500), Layers: [NASTY.repeat(500), "../x", ""] }));
  await check(new Blob([writeTar(legacy), NASTY]));
});

test("validateArchive() ends for a manifest that claims to contain itself", async () => {
  const layout = new OciLayout();
  const digest = `sha256:${"a".repeat(64)}` as const;
  const entry = { mediaType: OCI_INDEX, digest, size: 10 };
  const body = encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] });
  layout.blobs.set(pathOf(entry), body);
  layout.add(entry);
  const codes = await codesOf(layout.entries());
  assertEquals(new Set(codes), new Set(["error wrong-size", "error wrong-digest"]));
});

test("validateArchive() reads an archive of blobs that inflate to much more without holding it", async () => {
  const zeros = new Uint8Array(64 * 1024 * 1024);
  const bomb = await makeImage([await makeLayer(zeros, "gzip")]);
  const [layer] = bomb.layers;
  assertEquals((await check(dockerSave([{ image: bomb, repoTags: ["a:1"] }]))).findings, []);
  assert((layer?.bytes.length ?? 0) < 100_000);
  assertEquals(await digestBytes(zeros), layer?.diffId);
  const blob = toBlob(dockerSave([{ image: bomb }]));
  assert(blob.size < 200_000);
});

test("validateArchive() tells a digest that it cannot compare", async () => {
  const { layout } = await layoutOf(zipped, {}, "sha512");
  const [layer] = zipped.layers;
  const path = pathOf({ digest: await digestBytes(layer?.bytes ?? encode(""), "sha512") });
  // Reached through a link, the content was hashed by the algorithm that its own path asks for.
  const entries = layout.entries().flatMap((entry) =>
    entry.path === path
      ? [{ path, linkname: "../../elsewhere" }, { ...entry, path: "elsewhere" }]
      : [entry]
  );
  assertEquals((await onlyFinding(entries, "warning", "unchecked")).path, path);
  const config = {
    os: "linux",
    architecture: "amd64",
    rootfs: { diff_ids: [`sha512:${"a".repeat(128)}`, image.layers[1]?.diffId] },
  };
  const odd = [
    ...without(withMembers({ Config: "config.json" }), configPath),
    { path: "config.json", body: encodeJson(config) },
  ];
  assert((await codesOf(odd)).includes("warning unchecked"));
});

test("validateArchive() reads documents up to a limit", async () => {
  const layout = new OciLayout();
  const annotations = { padding: "x".repeat(4 * 1024 * 1024 - 1000) };
  for (let at = 0; at < 17; at++) {
    layout.add(await layout.image(image, { annotations: { ...annotations, at: `${at}` } }));
  }
  const { findings } = await checkArchive(toBlob(layout.entries()));
  assertEquals(findings[0]?.code, "limit");
  assertStringIncludes(findings[0]?.message ?? "", "more than 64 MiB");
  const large = new OciLayout();
  large.add(await large.image(image, { annotations: { padding: "x".repeat(4 * 1024 * 1024) } }));
  const [finding] = (await check(large.entries())).findings;
  assertStringIncludes(finding?.message ?? "", "at most 4194304");
});
