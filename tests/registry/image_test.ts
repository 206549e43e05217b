import { assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { DigestMismatchError, OciError, RegistryError } from "../../src/errors.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import { readImage } from "../../src/registry/image.ts";
import { encode } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";
import { Shelf } from "./shelf.ts";

const LAYER = { digest: await digestBytes(encode("layer")), size: 1000 };

async function addImage(shelf: Shelf, architecture: string, tag?: string) {
  const config = await shelf.add({
    os: "linux",
    architecture,
    created: "2026-01-02T03:04:05Z",
    config: { Labels: { team: "core", odd: 1 } },
  }, OCI_CONFIG);
  const layers = [LAYER, LAYER].map((layer) => ({ ...layer, mediaType: OCI_LAYER }));
  const manifest = await shelf.add(
    { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers },
    OCI_MANIFEST,
    tag,
  );
  return { config, layers, manifest };
}

test("readImage() tells manifest, config, platform, layers and sizes of an image", async () => {
  const shelf = new Shelf();
  const { config, layers, manifest } = await addImage(shelf, "arm64", "1.0");
  const info = await readImage(shelf.context, "1.0");
  assertEquals([info.kind, info.digest, info.mediaType], ["image", manifest.digest, OCI_MANIFEST]);
  assertEquals([info.platform, info.created], [
    { os: "linux", architecture: "arm64" },
    "2026-01-02T03:04:05Z",
  ]);
  assertEquals(info.labels, { team: "core" });
  assertEquals(info.layers, layers);
  // The same layer twice is one blob to pull.
  assertEquals([info.manifestSize, info.size], [manifest.size, manifest.size + config.size + 1000]);
  assertEquals([info.config?.architecture, info.manifest.schemaVersion], ["arm64", 2]);
  assertEquals(shelf.requests.length, 2);
});

test("readImage() reads Docker's types, and a list that is null", async () => {
  const shelf = new Shelf();
  const config = await shelf.add({ os: "windows", architecture: "amd64" }, DOCKER_CONFIG);
  const layers = [{ ...LAYER, mediaType: DOCKER_LAYER }];
  const manifest = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config };
  await shelf.add({ ...manifest, layers }, DOCKER_MANIFEST, "1.0");
  await shelf.add({ ...manifest, layers: null }, DOCKER_MANIFEST, "none");
  assertEquals((await readImage(shelf.context, "1.0")).platform, {
    os: "windows",
    architecture: "amd64",
  });
  assertEquals((await readImage(shelf.context, "none")).layers, []);
});

test("readImage() tells an artifact from an image, and does not read its config", async () => {
  const shelf = new Shelf();
  const config = { mediaType: OCI_EMPTY, digest: await digestBytes(encode("{}")), size: 2 };
  const artifact = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] };
  await shelf.add({ ...artifact, artifactType: "text/x" }, OCI_MANIFEST, "1.0");
  const info = await readImage(shelf.context, "1.0");
  assertEquals([info.kind, info.config, info.platform], ["artifact", undefined, undefined]);
});

test("readImage() tells every platform of an index, what is absent and what is an attestation", async () => {
  const shelf = new Shelf();
  const [amd64, arm64] = [await addImage(shelf, "amd64"), await addImage(shelf, "arm64")];
  const absent = { mediaType: OCI_MANIFEST, digest: LAYER.digest, size: 7 };
  const platform = { os: "linux", architecture: "amd64", variant: "v2" };
  const inner = await shelf.add(
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [arm64.manifest] },
    OCI_INDEX,
  );
  const manifests = [
    { ...amd64.manifest, platform },
    arm64.manifest,
    absent,
    { ...amd64.manifest, annotations: { "vnd.docker.reference.type": "attestation-manifest" } },
    inner,
  ];
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  const { size } = await shelf.add(index, OCI_INDEX, "1.0");
  const info = await readImage(shelf.context, "1.0");
  assertEquals(info.kind, "index");
  assertEquals(
    info.entries.map(({ platform, isAttestation, image }) => [
      platform?.architecture,
      platform?.variant,
      isAttestation,
      image?.kind,
    ]),
    [
      ["amd64", "v2", false, "image"],
      ["arm64", undefined, false, "image"],
      [undefined, undefined, false, undefined],
      ["amd64", undefined, true, "image"],
      [undefined, undefined, false, "index"],
    ],
  );
  const once = [amd64.manifest, amd64.config, arm64.manifest, arm64.config, inner, LAYER]
    .reduce((sum, { size }) => sum + size, size);
  assertEquals(info.size, once);
  assertEquals(shelf.requests.length, new Set(shelf.requests).size, "something was read twice");
});

test("readImage() fails where a config is absent, wrong, too large or deep, or no JSON object", async () => {
  const cases: [config: unknown, change: object, kind: typeof OciError, message: string][] = [
    [{}, { digest: LAYER.digest }, RegistryError, "404"],
    [{}, { size: 99 }, DigestMismatchError, "it has 2 bytes, the manifest says 99"],
    [{}, { size: 1e9 }, OciError, "it has more than 33554432 bytes"],
    [[], {}, OciError, "it is not a JSON object"],
    [encode("{"), {}, OciError, "it is not JSON"],
    [encode(`{"a":${"[".repeat(9999)}${"]".repeat(9999)}}`), {}, OciError, "200 levels deep"],
  ];
  for (const [content, change, kind, message] of cases) {
    const shelf = new Shelf();
    const config = { ...await shelf.add(content, OCI_CONFIG), ...change };
    await shelf.add({ schemaVersion: 2, config, layers: [] }, OCI_MANIFEST, "1.0");
    await assertRejects(() => readImage(shelf.context, "1.0"), kind, message);
  }
});

test("readImage() fails where a config is not what its digest says", async () => {
  const shelf = new Shelf();
  const config = await shelf.add({ os: "linux" }, OCI_CONFIG);
  await shelf.add({ schemaVersion: 2, config, layers: [] }, OCI_MANIFEST, "1.0");
  const { http, repository } = shelf.context;
  const forged = async (request: Request) =>
    request.url.includes("/blobs/") ? new Response('{"os":"other"}') : await http.fetch(request);
  await assertRejects(
    () => readImage({ http: { ...http, fetch: forged }, repository }, "1.0"),
    DigestMismatchError,
    `what the registry sent has digest ${await digestBytes(encode('{"os":"other"}'))}`,
  );
});

test("readImage() fails where descriptors are broken or indexes go too deep", async () => {
  const shelf = new Shelf();
  await shelf.add({ schemaVersion: 2, config: {}, layers: [{ digest: "x" }] }, OCI_MANIFEST, "1.0");
  await assertRejects(
    () => readImage(shelf.context, "1.0"),
    RegistryError,
    "a manifest with broken layers",
  );
  let child = await shelf.add({ schemaVersion: 2, manifests: [] }, OCI_INDEX);
  for (let depth = 0; depth < 8; depth++) {
    child = await shelf.add({ schemaVersion: 2, manifests: [child] }, OCI_INDEX, "deep");
  }
  await assertRejects(
    () => readImage(shelf.context, "deep"),
    RegistryError,
    "indexes within indexes",
  );
  const many = Array.from({ length: 1001 }, (_, index) => ({
    ...child,
    digest: `sha256:${index.toString(16).padStart(64, "0")}`,
  }));
  await shelf.add({ schemaVersion: 2, manifests: many }, OCI_INDEX, "wide");
  await assertRejects(() => readImage(shelf.context, "wide"), OciError, "more than 1000 manifests");
});

test("readImage() tells os.version and os.features, of images that the index does not tell apart too", async () => {
  const shelf = new Shelf();
  const manifests = [];
  const windows = { os: "windows", architecture: "amd64", "os.features": ["win32k"] };
  for (const version of ["10.0.17763.1", "10.0.20348.1"]) {
    const config = await shelf.add({ ...windows, "os.version": version }, OCI_CONFIG);
    const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] };
    const manifest = await shelf.add(image, OCI_MANIFEST);
    manifests.push({ ...manifest, platform: { os: "windows", architecture: "amd64" } });
  }
  await shelf.add({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX, "1.0");
  const { entries } = await readImage(shelf.context, "1.0");
  assertEquals(entries.map(({ platform }) => platform), [
    { ...windows, "os.version": "10.0.17763.1" },
    { ...windows, "os.version": "10.0.20348.1" },
  ]);
});
