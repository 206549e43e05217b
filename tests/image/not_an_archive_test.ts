import { assertEquals, assertStringIncludes } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { ArchiveError } from "../../src/errors.ts";
import { encodeJson, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { pushFails, pushTo } from "../helpers/expected.ts";
import { check, inPieces } from "../helpers/findings.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const HEX = "0123456789abcdef".repeat(4);

/** What a manifest.json is, and words of the message and the hint. */
const MANIFESTS: Record<string, [json: unknown, message: string, hint: string]> = {
  "imgpkg, an image": [
    [{ Image: { Refs: ["h.example/a@sha256:0"], Layers: [], Config: {}, Manifest: {} } }],
    "what imgpkg or kbld writes",
    "imgpkg copy --tar FILE --to-repo",
  ],
  "imgpkg, an index": [
    [{ ImageIndex: { Refs: [], Images: [] }, Image: null }],
    "what imgpkg or kbld writes",
    "imgpkg copy",
  ],
  "skopeo's dir: transport": [
    { schemaVersion: 2, mediaType: "x", config: {}, layers: [] },
    "the manifest of an image by itself",
    "skopeo copy dir:FOLDER oci-archive:FILE",
  ],
  "a model of docker's": [
    { schemaVersion: 2, config: { mediaType: "application/vnd.docker.ai.model.config.v0.1+json" } },
    "the manifest of a model by itself",
    "model-distribution-tool package --tag",
  ],
  "schema 1": [
    { schemaVersion: 1, fsLayers: [], history: [] },
    "Docker's schema 1",
    "save it again",
  ],
  "a browser extension": [
    { manifest_version: 3, name: "x" },
    "a browser extension's",
    "docker save",
  ],
  "a web app": [{ name: "x", start_url: "/", icons: [] }, "a web app's", "docker save"],
  "anything else": [{ some: "thing" }, "a JSON object of another program", "docker save"],
};

for (const [name, [json, message, hint]] of Object.entries(MANIFESTS)) {
  const entries = [
    { path: "manifest.json", body: encodeJson(json) },
    { path: `sha256-${HEX}.tar.gz`, body: "a layer" },
  ];

  test(`a manifest.json of another program is named: ${name}`, async () => {
    const error = await pushFails(entries, ArchiveError, message);
    assertStringIncludes(`${error.hint}`, hint);
    assertEquals(error.path, "manifest.json");
    const { findings: [finding] } = await check(entries);
    assertEquals([finding?.severity, finding?.message], ["error", error.message]);
  });
}

test("a manifest.json of another program is passed over where index.json has the image", async () => {
  const layout = await OciLayout.of(await makeImage(["one"]));
  const entries = [...layout.entries(), { path: "manifest.json", body: '{"some":"thing"}' }];
  const { result, warnings } = await pushTo(entries, "localhost:5000/app:1");
  assertEquals(result.images[0]?.digest, layout.index[0]?.digest);
  const { ok, findings } = await check(entries);
  assertEquals([ok, findings.map(({ message }) => message)], [true, warnings]);
  assertStringIncludes(`${warnings}`, "a JSON object of another program");
});

/** What a tar is that has files of these paths. */
const TARS: Record<string, [paths: string[], message: string, hint: string]> = {
  "docker export": [[".dockerenv", "bin/sh"], "as docker export writes it", "docker import"],
  "docker before 1.10": [[`${HEX}/layer.tar`, "repositories"], "before 1.10", "save it again"],
  "an OCI layout that was cut off": [
    [`blobs/sha256/${HEX}`],
    "an OCI layout without its index.json",
    "cut off",
  ],
  "a docker save that was cut off": [
    [`${HEX}.json`, `${HEX}/VERSION`],
    "a docker save without its manifest.json",
    "cut off",
  ],
  "a Helm chart": [["app/Chart.yaml", "app/values.yaml"], "a Helm chart", "helm push"],
  "a transport archive of OCM": [
    ["artifact-index.json", "blobs/sha256.0"],
    "of OCM",
    "ocm transfer",
  ],
  "a package of Zarf": [["zarf.yaml"], "a package of Zarf", "zarf package mirror-resources"],
  "the storage of a registry": [
    [`docker/registry/v2/blobs/sha256/aa/${HEX}/data`, "working-dir/info/x"],
    "the storage of a registry",
    "start a registry on it",
  ],
  "an image cache of Talos": [
    [`blob/sha256-${HEX}`, "manifests/docker.io/library/a/reference/1"],
    "of Talos",
    "cache-serve",
  ],
  "an npm package": [["package/package.json"], "an npm package", "npm publish"],
  "a virtual machine": [["box.ovf", "box.vmdk"], "a virtual machine", "docker save"],
  "LXD": [["metadata.yaml", "rootfs/bin/sh"], "an image of LXD or Incus", "docker save"],
  "a checkpoint": [["config.dump", "checkpoint/core-1.img"], "a checkpoint of podman", "save"],
  "a runtime bundle": [["config.json", "rootfs/bin/sh"], "a bundle for an OCI runtime", "save"],
  "a root file system": [["bin/sh", "etc/passwd", "usr/lib/x"], "a root file system", "import"],
};

for (const [name, [paths, message, hint]] of Object.entries(TARS)) {
  test(`a tar of another program is named: ${name}`, async () => {
    const entries = paths.map((path): TarWriterEntry => ({ path, body: "x" }));
    const error = await pushFails(entries, ArchiveError, "Cannot use the tar as an image archive");
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, "expected manifest.json or index.json in it");
    assertStringIncludes(`${error.hint}`, hint);
    const { findings: [finding] } = await check(entries);
    assertEquals(finding?.code, "no-image");
    assertStringIncludes(`${finding?.message}`, message);
  });
}

test("a tar around an archive tells how to take that out", async () => {
  const hintFor = async (path: string) => {
    const entries = [{ path: "README", body: "x" }, { path, body: "x" }];
    return `${(await pushFails(entries, ArchiveError, "it starts with")).hint}`;
  };
  for (const path of ["image.tar", "out/app-1.0.tar.gz", "app.tgz", "a.tar.zst"]) {
    assertStringIncludes(await hintFor(path), `tar -xOf FILE ${path} | tarpush push - TARGET`);
  }
  for (const path of ["a.target", "$(id).tar", "-rf.tar"]) {
    assertStringIncludes(await hintFor(path), "docker save");
  }
});

test("a tar around several archives tells how to take out the likely one", async () => {
  const paths = ["chart.tar.gz", "images/1.tar.gz", "images/2.tar.gz"];
  const entries = paths.map((path): TarWriterEntry => ({ path, body: "x" }));
  const { hint } = await pushFails(entries, ArchiveError, 'it starts with "chart.tar.gz"');
  assertStringIncludes(`${hint}`, "among the 3 tars inside");
  assertStringIncludes(`${hint}`, "tar -xOf FILE images/1.tar.gz | tarpush push - TARGET");
});

for (
  const [what, documents] of Object.entries({
    "layouts, wherever they are": ["oci-layout", "index.json"],
    "unpacked archives": ["manifest.json", `${HEX}.json`],
    "folders without an oci-layout": ["index.json", `blobs/sha256/${HEX}`],
  })
) {
  test(`a tar of several folders with an image each says so: ${what}`, async () => {
    const top = documents.includes("oci-layout") ? "app-1.0/images/" : "";
    const entries = ["one", "two"].flatMap((folder) =>
      documents.map((name): TarWriterEntry => ({ path: `${top}${folder}/${name}`, body: "{}" }))
    );
    entries.unshift({ path: "app-1.0/chart/Chart.yaml", body: "x" });
    const error = await pushFails(entries, ArchiveError, "2 folders with an image each");
    assertStringIncludes(error.message, `such as "${top}one", expected one`);
    assertStringIncludes(`${error.hint}`, `tar -xf FILE; tarpush push ${top}one TARGET`);
    const { findings: [finding] } = await check(entries);
    assertEquals(finding?.code, "no-image");
    assertStringIncludes(`${finding?.message}`, "it is a tar of 2 folders with an image each");
  });
}

test("a tar of several folders with a manifest.json of anything is no tar of images", async () => {
  const entries = ["src", "dist"].map((folder): TarWriterEntry => ({
    path: `${folder}/manifest.json`,
    body: "{}",
  }));
  await pushFails(entries, ArchiveError, 'it starts with "src/manifest.json"');
});

test("openArchive() names a tar of another program as well", async () => {
  const blob = toBlob([{ path: "app/Chart.yaml", body: "x" }]);
  for (const source of [blob, inPieces(blob, 700)]) {
    const error = await openArchive(source).then(() => undefined, (error) => error);
    assertStringIncludes(`${error?.message}`, "it is a Helm chart");
  }
});
