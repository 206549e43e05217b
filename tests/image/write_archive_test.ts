import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestAlgorithm, digestBytes } from "../../src/digest.ts";
import { OciError } from "../../src/errors.ts";
import { type ArchiveImage, openArchive } from "../../src/image/archive.ts";
import type { ContentNode, DocumentNode } from "../../src/image/content.ts";
import { buildManifest } from "../../src/image/docker_manifest.ts";
import { type ArchiveFormat, planArchive } from "../../src/image/write_archive.ts";
import { OCI_MANIFEST } from "../../src/media_types.ts";
import { scanTar } from "../../src/tar/scan.ts";
import {
  type Bytes,
  encode,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  platformLayout,
  toBlob,
} from "../helpers/archives.ts";
import { FIXTURES, readFixture, readFixtureTar } from "../helpers/expected.ts";
import { requireProgram } from "../helpers/programs.ts";
import { runProcess, runWell, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const NAME = "localhost:5000/team/app:1.0";

/** The files of a tar by path. */
async function filesOf(tar: Blob): Promise<Map<string, Bytes>> {
  const files = new Map<string, Bytes>();
  for await (const { path, header, body } of scanTar(tar)) {
    assert(!files.has(path), `${path} comes twice`);
    assertEquals([header.uid, header.gid], [0, 0]);
    files.set(path, new Uint8Array(await new Response(body.slice(0, body.size).stream()).bytes()));
  }
  return files;
}

// deno-lint-ignore no-explicit-any
function jsonOf(files: Map<string, Bytes>, path: string): any {
  return JSON.parse(new TextDecoder().decode(files.get(path)));
}

/** What a push of the image would leave: a manifest, written where the archive has none. */
async function written(node: ContentNode): Promise<DocumentNode> {
  if (node.kind !== "docker") return node;
  const digests: Digest[] = [];
  for (const { file } of node.layers) {
    assert(file?.body);
    digests.push(
      await digestBytes(await new Response(file.body.slice(0, file.size).stream()).bytes()),
    );
  }
  return await buildManifest(node, digests);
}

async function archiveOf(
  node: DocumentNode,
  { names = [NAME], format = "docker" }: { names?: string[]; format?: ArchiveFormat } = {},
) {
  const plan = await planArchive([{ node, names }], { format });
  const tar = await new Response(plan.stream()).blob();
  assertEquals(tar.size, plan.size);
  return { tar, files: await filesOf(tar), notices: plan.notices };
}

async function firstImage(archive: Blob): Promise<ArchiveImage> {
  const [image] = (await openArchive(archive)).images;
  assert(image);
  return image;
}

/** An index made by hand; each child one config and layers. */
async function indexOf(...platforms: string[]) {
  const { layout } = await platformLayout((platform) => ["base", platform], { platforms });
  return { layout, image: await firstImage(toBlob(layout.entries())) };
}

for (const [file] of FIXTURES) {
  for (const format of ["docker", "oci"] as const) {
    test(`planArchive() writes the images of ${file} as ${format} with all of their digests`, async () => {
      const fixture = new Blob([await readFixtureTar(file)]);
      for (const { node } of (await openArchive(fixture)).images) {
        const before = await written(node);
        const { tar, files } = await archiveOf(before, { format });
        for (const [path, bytes] of files) {
          const [, algorithm, hex] = /^blobs\/(\w+)\/(\w+)$/.exec(path) ?? [];
          if (!hex) continue;
          const digest = `${algorithm}:${hex}` as Digest;
          assertEquals(await digestBytes(bytes, digestAlgorithm(digest)), digest);
        }
        assertEquals(files.has("manifest.json") && format === "oci", false);
        const archive = await openArchive(tar);
        assertEquals(archive.notices, []);
        assertEquals(archive.images.map(({ names }) => names), [[NAME]]);
        const [after] = archive.images;
        assert(after && after.node.kind !== "docker");
        assertEquals([after.node.digest, after.node.bytes], [before.digest, before.bytes]);
      }
    });
  }
}

// The layout against what docker itself saved

for (const file of ["docker28-single", "docker28-multitag", "docker29-single"]) {
  test(`planArchive() lays an image out as in ${file}.tar`, async () => {
    const fixture = await readFixture(`${file}.tar`);
    const image = await firstImage(fixture);
    const docker = await filesOf(fixture);
    const names = image.names.map((name) => name.startsWith("held/") ? `docker.io/${name}` : name);
    const { files, notices } = await archiveOf(await written(image.node), { names });
    assertEquals(notices, []);
    assertEquals(jsonOf(files, "index.json"), jsonOf(docker, "index.json"));
    assertEquals(jsonOf(files, "oci-layout"), jsonOf(docker, "oci-layout"));
    // dockerd 28 adds what podman reads for foreign layers only.
    const [item] = jsonOf(docker, "manifest.json");
    delete item.LayerSources;
    assertEquals(jsonOf(files, "manifest.json"), [item]);
    for (const [path, bytes] of files) {
      if (path.startsWith("blobs/")) assertEquals(docker.get(path), bytes, path);
    }
  });
}

for (const file of ["docker29-multiplatform", "docker29-attested"]) {
  test(`planArchive() lays an index out as in ${file}.tar`, async () => {
    const fixture = await readFixture(`${file}.tar`);
    const image = await firstImage(fixture);
    const [docker, { files }] = [
      await filesOf(fixture),
      await archiveOf(await written(image.node), {
        names: image.names.map((name) => `docker.io/${name}`),
      }),
    ];
    assertEquals([...files.keys()].sort(), [...docker.keys()].sort());
    for (const path of files.keys()) {
      if (!path.endsWith(".json")) assertEquals(docker.get(path), files.get(path), path);
    }
    for (const path of ["index.json", "manifest.json"]) {
      assertEquals(jsonOf(files, path), jsonOf(docker, path));
    }
  });
}

test("planArchive() writes the same bytes for the same content", async () => {
  const bytesOf = async () => {
    const { node } = await firstImage(await readFixture("docker29-attested.tar"));
    return await (await archiveOf(await written(node))).tar.bytes();
  };
  assertEquals(await bytesOf(), await bytesOf());
});

test("planArchive() writes a layer that comes twice once, and what names the archive last", async () => {
  const layer = await makeLayer("twice", "gzip");
  const layout = await OciLayout.of(await makeImage([layer, layer]));
  const { node } = await firstImage(toBlob(layout.entries()));
  const { files } = await archiveOf(await written(node));
  const paths = [...files.keys()];
  assertEquals(paths.filter((path) => path.endsWith(layer.digest.slice(7))).length, 1);
  assertEquals(jsonOf(files, "manifest.json")[0].Layers.length, 2);
  assertEquals(paths.slice(-2), ["index.json", "manifest.json"]);
  assertEquals(paths[0], "oci-layout");
});

test("planArchive() names linux/amd64 in manifest.json, else the first image that can be loaded", async () => {
  const configOf = async (...platforms: string[]) => {
    const { image } = await indexOf(...platforms);
    const { files } = await archiveOf(await written(image.node));
    const [{ Config }] = jsonOf(files, "manifest.json");
    const { os, architecture } = jsonOf(files, Config);
    return `${os}/${architecture}`;
  };
  assertEquals(await configOf("linux/arm64", "linux/amd64"), "linux/amd64");
  assertEquals(await configOf("linux/s390x", "linux/arm64"), "linux/s390x");
});

test("planArchive() names the newest of several for one machine, and says so", async () => {
  const chosenOf = async (...platforms: string[]) => {
    const { image } = await indexOf(...platforms);
    const { notices, files } = await archiveOf(await written(image.node));
    const [{ Config }] = jsonOf(files, "manifest.json");
    return [jsonOf(files, Config).variant, notices];
  };
  assertEquals(await chosenOf("linux/arm/v5", "linux/amd64", "linux/arm/v7"), [undefined, []]);
  assertEquals(await chosenOf("linux/arm/v5", "linux/arm/v7", "linux/s390x", "linux/arm/v6"), [
    "v7",
    [
      "the archive holds linux/arm/v7, linux/arm/v6, linux/arm/v5: manifest.json names linux/arm/v7, " +
      "which a docker without containerd's image store loads",
    ],
  ]);
});

test("planArchive() gives Docker Hub's names the forms that docker and containerd give them", async () => {
  const { node } = await firstImage(await readFixture("docker28-single.tar"));
  for (
    const [name, tag, full] of [
      ["docker.io/library/app:1", "app:1", "docker.io/library/app:1"],
      ["app:1", "app:1", "docker.io/library/app:1"],
      ["docker.io/team/app:1", "team/app:1", "docker.io/team/app:1"],
      ["registry.lan/app:1", "registry.lan/app:1", "registry.lan/app:1"],
    ] as const
  ) {
    const { files } = await archiveOf(await written(node), { names: [name] });
    assertEquals(jsonOf(files, "manifest.json")[0].RepoTags, [tag]);
    const [{ annotations }] = jsonOf(files, "index.json").manifests;
    assertEquals(annotations, {
      "io.containerd.image.name": full,
      "org.opencontainers.image.ref.name": "1",
    });
  }
});

test("planArchive() writes an image without a name, and several contents in one archive", async () => {
  const [one, two] = [
    await firstImage(await readFixture("docker28-single.tar")),
    await firstImage(await readFixture("docker29-multiplatform.tar")),
  ];
  const contents = [
    { node: await written(one.node), names: [] },
    { node: await written(two.node), names: one.names.concat(two.names) },
  ];
  const plan = await planArchive(contents);
  const tar = await new Response(plan.stream()).blob();
  const files = await filesOf(tar);
  assertEquals(jsonOf(files, "manifest.json")[0].RepoTags, null);
  assertEquals(jsonOf(files, "index.json").manifests.length, 3);
  const { images } = await openArchive(tar);
  assertEquals(images.map(({ names }) => names), [[], ["held/basic:1", "held/multi:1"]]);
  assertEquals(
    images.map(({ node }) => "digest" in node && node.digest),
    contents.map(({ node }) => node.digest),
  );
});

// What docker cannot load

/** An archive with one manifest that `change` has changed. */
async function strange(
  change: (manifest: Record<string, unknown>) => unknown,
  image?: Parameters<OciLayout["image"]>[0],
): Promise<DocumentNode> {
  const layout = new OciLayout();
  const descriptor = await layout.image(image ?? await makeImage(["a"]));
  const manifest = JSON.parse(new TextDecoder().decode(layout.blobs.get(pathOf(descriptor))));
  layout.add(await layout.document(change(manifest), OCI_MANIFEST), { ref: "1" });
  return await written((await firstImage(toBlob(layout.entries()))).node);
}

test("planArchive() leaves manifest.json out for what is no image, and says so", async () => {
  const { node } = await firstImage(await readFixture("oras-artifact.tar"));
  const artifact = await archiveOf(await written(node));
  assertEquals(artifact.files.has("manifest.json"), false);
  assertEquals(artifact.notices, [
    "docker load will not take the archive: it is an artifact, no image",
  ]);
  const [{ artifactType }] = jsonOf(artifact.files, "index.json").manifests;
  assertEquals(artifactType, "application/vnd.example.thing");
  assertEquals((await archiveOf(await written(node), { format: "oci" })).notices, []);
  const chart = await strange((manifest) => ({
    ...manifest,
    config: { ...manifest.config as object, mediaType: "application/vnd.cncf.helm.config.v1+json" },
  }));
  assertEquals((await archiveOf(chart)).files.has("manifest.json"), false);
  const signature = await strange((manifest) => ({
    ...manifest,
    layers: (manifest.layers as object[]).map((layer) => ({
      ...layer,
      mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
    })),
  }));
  assertEquals((await archiveOf(signature)).files.has("manifest.json"), false);
});

test("planArchive() leaves manifest.json out where the config does not fit the layers", async () => {
  const twice = await strange((manifest) => ({
    ...manifest,
    layers: [...manifest.layers as object[], ...manifest.layers as object[]],
  }));
  const { files, notices, tar } = await archiveOf(twice);
  assertEquals(files.has("manifest.json"), false);
  assert(notices[0]?.endsWith(" is for 1 layers, it has 2"), notices[0]);
  assertEquals((await firstImage(tar)).names, [NAME]);
  const config = encode("no json");
  const broken = await strange((manifest) => manifest, {
    ...await makeImage(["a"]),
    config,
    configDigest: await digestBytes(config),
  });
  const found = await archiveOf(broken);
  assertEquals(found.files.has("manifest.json"), false);
  assert(found.notices[0]?.endsWith(" is no image config"), found.notices[0]);
});

test("planArchive() leaves out layers that may not be distributed where they are absent", async () => {
  const foreign = {
    mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    digest: await digestBytes(encode("windows")),
    size: 7,
  };
  const node = await strange((manifest) => ({ ...manifest, layers: [foreign] }));
  const { files, notices } = await archiveOf(node);
  assertEquals(files.has("manifest.json"), false);
  assertEquals(notices, [
    `docker load will not take the archive: layer ${foreign.digest} may not be distributed and is not in it`,
  ]);
  const plain = { ...foreign, mediaType: "application/vnd.oci.image.layer.v1.tar" };
  const incomplete = await strange((manifest) => ({ ...manifest, layers: [plain] }));
  await assertRejects(
    () => planArchive([{ node: incomplete, names: [] }]),
    OciError,
    `Cannot write blob ${foreign.digest} into an archive: its content is not there`,
  );
});

test("planArchive() refuses a name that is none", async () => {
  const node = await strange((manifest) => manifest);
  await assertRejects(
    () => planArchive([{ node, names: ["localhost:5000/UPPER:1"] }]),
    TypeError,
    "it is no name",
  );
});

test("planArchive() writes sha512 blobs, whose names are too long for a header", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["a"]);
  layout.add(await layout.image(image, {}, "sha512"), { ref: "1" });
  const { node } = await firstImage(toBlob(layout.entries()));
  const { tar, files } = await archiveOf(await written(node));
  const digest = await digestBytes(image.config, "sha512");
  assertEquals(files.get(`blobs/${digest.replace(":", "/")}`), image.config);
  assertEquals(files.has("blobs/sha256/"), false);
  assertEquals(files.has("blobs/sha512/"), true);
  // manifest.json and index.json name the same image.
  const { images } = await openArchive(tar);
  assertEquals(images.map(({ names, node }) => [names, node.kind]), [[[NAME], "manifest"]]);
});

// Other readers

const skopeo = requireProgram("skopeo");
const umoci = requireProgram("umoci");

test("planArchive() writes what skopeo reads as docker-archive and as oci-archive", async () => {
  for (const file of ["docker28-single.tar", "docker29-single.tar", "podman-oci.tar"]) {
    await using folder = await temporaryFolder();
    const { node } = await firstImage(await readFixture(file));
    const before = await written(node);
    const inspect = async (transport: string, format: ArchiveFormat) => {
      const { tar } = await archiveOf(before, { format });
      const path = await folder.write(`${format}.tar`, await tar.bytes());
      const name = transport === "docker-archive" ? NAME : "1.0";
      const args = ["inspect", "--raw", `${transport}:${path}:${name}`];
      return await runWell(skopeo.path, args);
    };
    const expected = new TextDecoder().decode(before.bytes);
    assertEquals(await inspect("oci-archive", "oci"), expected);
    assertEquals(await inspect("oci-archive", "docker"), expected);
    const docker = JSON.parse(await inspect("docker-archive", "docker"));
    assertEquals(docker.config.digest, before.kind === "manifest" && before.config?.digest);
  }
}, { skip: skopeo.skip });

test("planArchive() writes a layout that umoci lists and reads", async () => {
  await using folder = await temporaryFolder();
  const { node } = await firstImage(await readFixture("docker29-single.tar"));
  const { tar } = await archiveOf(await written(node), { format: "oci" });
  const path = await folder.write("app.tar", await tar.bytes());
  const unpack = await runProcess("tar", ["-xf", path, "-C", folder.path]);
  assertEquals(unpack.code, 0, unpack.stderr);
  const list = await runProcess(umoci.path, ["ls", "--layout", folder.path]);
  assertEquals([list.code, list.stdout], [0, "1.0\n"], list.stderr);
  const stat = await runProcess(umoci.path, ["stat", "--json", "--image", `${folder.path}:1.0`]);
  assertEquals(stat.code, 0, stat.stderr);
  assert(node.kind === "manifest");
  assertEquals(
    JSON.parse(stat.stdout).history.filter((step: { layer: unknown }) => step.layer).length,
    node.layers.length,
  );
}, { skip: umoci.skip });

test("planArchive() refuses what no reader takes: too many names, or too long an index.json", async () => {
  const { node } = await firstImage(await layoutTar(await makeImage(["a"])));
  assert(node.kind === "manifest");
  const namesOf = (count: number, repository: string) =>
    Array.from({ length: count }, (_, at) => `${repository}:${at}`);
  const cases: [names: string[], state: string][] = [
    [namesOf(10_001, "app"), "it has 10001 names, expected at most 10000"],
    [namesOf(9_999, `registry.example.com/${"a".repeat(200)}`), "its index.json has"],
  ];
  for (const [names, state] of cases) {
    const error = await assertRejects(
      () => archiveOf(node, { names }),
      OciError,
      `Cannot write so many images into one archive: ${state}`,
    );
    assertEquals(error.hint, "write several archives");
  }
  const { tar } = await archiveOf(node, { names: namesOf(10_000, "app") });
  assertEquals((await firstImage(tar)).names.length, 10_000);
});
