import { assertEquals, assertThrows } from "@std/assert";
import {
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  formatPlatform,
  isForeignLayer,
  isIndexType,
  isJsonObject,
  isManifestType,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  parseDescriptor,
  parsePlatform,
} from "../src/media_types.ts";
import { test } from "./helpers/test.ts";

const digest = `sha256:${"a".repeat(64)}` as const;

test("isIndexType() and isManifestType() know the OCI and the Docker types", () => {
  assertEquals(MANIFEST_TYPES.map(isIndexType), [true, false, true, false]);
  for (const type of [OCI_INDEX, DOCKER_INDEX]) assertEquals(isManifestType(type), false);
  for (const type of [OCI_MANIFEST, DOCKER_MANIFEST]) assertEquals(isManifestType(type), true);
  for (const type of [undefined, "", OCI_LAYER, `${OCI_MANIFEST}; charset=utf-8`]) {
    assertEquals([isIndexType(type), isManifestType(type)], [false, false]);
  }
});

test("isForeignLayer() knows the layers that may be absent by right", () => {
  assertEquals(
    isForeignLayer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    true,
  );
  assertEquals(isForeignLayer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), true);
  assertEquals([OCI_LAYER, DOCKER_LAYER].map(isForeignLayer), [false, false]);
});

test("formatPlatform() adds os.version and os.features where there are some", () => {
  const windows = { os: "windows", architecture: "amd64" };
  assertEquals(formatPlatform({ ...windows, "os.version": "10.0.1" }), "windows/amd64:10.0.1");
  const features = { "os.features": ["win32k", "x"] };
  assertEquals(
    formatPlatform({ ...windows, "os.version": "10.0.1", ...features }),
    "windows/amd64:10.0.1+win32k+x",
  );
  assertEquals(formatPlatform({ ...windows, ...features }), "windows/amd64:+win32k+x");
});

test("parsePlatform() leaves out an os.version or os.features that cannot be shown", () => {
  const windows = { os: "windows", architecture: "amd64" };
  const hostile = { ...windows, "os.version": "1\u001b[2J", "os.features": ["a b", 1, "win32k"] };
  assertEquals(parsePlatform(hostile), { ...windows, "os.features": ["win32k"] });
  const many = { ...windows, "os.features": Array.from({ length: 100 }, (_, at) => `f${at}`) };
  assertEquals(parsePlatform(many)?.["os.features"]?.length, 16);
});

test("formatPlatform() adds the variant where there is one", () => {
  assertEquals(formatPlatform({ os: "linux", architecture: "amd64" }), "linux/amd64");
  assertEquals(formatPlatform({ os: "linux", architecture: "arm", variant: "v7" }), "linux/arm/v7");
});

test("isJsonObject() takes neither null nor lists", () => {
  assertEquals([{}, { a: 1 }].map(isJsonObject), [true, true]);
  assertEquals([null, [], "{}", 1, undefined].map(isJsonObject), [
    false,
    false,
    false,
    false,
    false,
  ]);
});

test("parseDescriptor() keeps what is known and drops what has the wrong type", () => {
  assertEquals(
    parseDescriptor({
      mediaType: OCI_MANIFEST,
      digest,
      size: 7,
      platform: { os: "linux", architecture: "arm64", variant: "v8", "os.features": [] },
      annotations: { a: "b", c: 5 },
      artifactType: "x/y",
      urls: ["http://example.com", 5],
      data: "e30=",
    }),
    {
      mediaType: OCI_MANIFEST,
      digest,
      size: 7,
      platform: { os: "linux", architecture: "arm64", variant: "v8" },
      annotations: { a: "b" },
      artifactType: "x/y",
      urls: ["http://example.com"],
    },
  );
  assertEquals(parseDescriptor({ digest, size: 0 }), { mediaType: "", digest, size: 0 });
});

test("parseDescriptor() reads the type of a document as a header may say it", () => {
  for (
    const mediaType of [`${OCI_INDEX}; charset=utf-8`, `${OCI_INDEX};x`, OCI_INDEX.toUpperCase()]
  ) {
    assertEquals(parseDescriptor({ mediaType, digest, size: 0 }).mediaType, OCI_INDEX);
  }
  for (const mediaType of ["application/vnd.cyclonedx+json; version=1.4", "Text/Plain"]) {
    assertEquals(parseDescriptor({ mediaType, digest, size: 0 }).mediaType, mediaType);
  }
});

test("parseDescriptor() wants a digest and a size", () => {
  const wrong: [unknown, string][] = [
    [null, "not a JSON object"],
    [[], "not a JSON object"],
    [{ size: 1 }, "digest missing"],
    [{ digest: "sha256:../..", size: 1 }, "sha256:../.."],
    [{ digest: { toString: () => digest }, size: 1 }, "descriptor has digest"],
    [{ digest }, "size missing"],
    [{ digest, size: -1 }, "size -1"],
    [{ digest, size: 1.5 }, "size 1.5"],
    [{ digest, size: "5" }, 'size "5"'],
    [{ digest, size: 2 ** 60 }, "expected a byte count"],
  ];
  for (const [value, text] of wrong) assertThrows(() => parseDescriptor(value), SyntaxError, text);
});

test("parsePlatform() gives undefined where a platform names none", () => {
  assertEquals(parsePlatform({ os: "linux", architecture: "amd64", variant: "" }), {
    os: "linux",
    architecture: "amd64",
  });
  assertEquals(parsePlatform({ os: "windows", architecture: "amd64", "os.version": "10.0" }), {
    os: "windows",
    architecture: "amd64",
    "os.version": "10.0",
  });
  for (
    const value of [undefined, null, "linux/amd64", {}, { os: "linux" }, {
      os: "",
      architecture: "",
    }]
  ) {
    assertEquals(parsePlatform(value), undefined);
  }
});
