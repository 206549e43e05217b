import { assertEquals } from "@std/assert";
import { inspectLines } from "../../src/cli/inspect_table.ts";
import { paintNothing } from "../../src/cli/render.ts";
import { parseDigest } from "../../src/digest.ts";
import { test } from "../helpers/test.ts";

const A = parseDigest("sha256:" + "a".repeat(64));

test("inspectLines() aligns labels and layers", () => {
  const lines = inspectLines({
    notices: [],
    dialect: "docker",
    images: [{
      id: "#1",
      kind: "image",
      names: ["app:1", "evil\x1b[2J:1"],
      tags: [],
      mediaType: "application/x",
      config: A,
      platforms: ["linux/amd64"],
      created: "2024-01-01T00:00:00.123456789Z",
      layers: [
        {
          size: 12_345_678,
          mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
          path: "a/layer.tar",
        },
        { digest: A, size: 7, mediaType: "application/tar+gzip" },
      ],
      size: 12_345_685,
    }],
  }, paintNothing);
  assertEquals(lines, [
    "docker archive, 1 image",
    "",
    "#1  image, 2 layers, 12.3 MB",
    "  names      app:1",
    "             evil\\u{1b}[2J:1",
    "  digest     not known before the layers are hashed",
    "  type       application/x",
    `  config     ${A}`,
    "  platform   linux/amd64",
    "  created    2024-01-01T00:00:00Z",
    `  layers     ${"a/layer.tar".padEnd(71)}  12.3 MB  tar+gzip`,
    `             ${A}      7 B  application/tar+gzip  (not in the archive)`,
  ]);
});

test("inspectLines() shows an artifact without platform and names", () => {
  const lines = inspectLines({
    notices: [],
    dialect: "oci",
    images: [{
      id: "#1",
      kind: "artifact",
      names: [],
      tags: ["v1"],
      digest: A,
      mediaType: "application/x",
      platforms: [],
      layers: [],
      size: 1,
    }],
  }, paintNothing);
  assertEquals(lines, [
    "oci archive, 1 image",
    "",
    "#1  artifact, 1 B",
    "  name       v1",
    `  digest     ${A}`,
    "  type       application/x",
  ]);
});

test("inspectLines() shows a line for each platform of an index, and what is not there", () => {
  const size = 1_000_000;
  const lines = inspectLines({
    notices: [],
    dialect: "oci",
    images: [{
      id: "#1",
      kind: "index",
      names: ["app:1"],
      tags: [],
      digest: A,
      mediaType: "application/x",
      platforms: ["linux/amd64", "linux/arm64"],
      layers: [{ digest: A, size, mediaType: "x", path: "a" }],
      size,
      entries: [
        { kind: "image", platform: "linux/amd64", digest: A, size, present: "whole" },
        { kind: "image", platform: "linux/arm64", digest: A, size: 0, present: "no" },
        { kind: "image", digest: A, size: 12, present: "partly" },
        { kind: "attestation", digest: A, size: 900, present: "whole" },
      ],
    }],
  }, paintNothing);
  assertEquals(lines.slice(2), [
    "#1  index, 1 of 3 platforms, 1 MB",
    "  name       app:1",
    `  digest     ${A}`,
    "  type       application/x",
    `  platforms  linux/amd64  ${A}   1 MB`,
    `             linux/arm64  ${A}  (not in the archive)`,
    `             unknown      ${A}   12 B  (parts are missing)`,
    `             attestation  ${A}  900 B`,
  ]);
});
