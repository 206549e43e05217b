import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Digest } from "../../src/digest.ts";
import { DigestMismatchError, OciError, RegistryError } from "../../src/errors.ts";
import { blobsOf, walk } from "../../src/image/content.ts";
import { DOCKER_CONFIG, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import { readRemoteContent } from "../../src/pull/remote_content.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { encode, makeLayer, platformLayout, toBlob } from "../helpers/archives.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { readBack } from "../helpers/expected.ts";
import { makeRepository } from "../registry/make_http.ts";
import { Shelf } from "../registry/shelf.ts";
import { test } from "../helpers/test.ts";

const FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/** A registry with an index of two platforms and their attestations, which have a layer in common. */
async function pushIndex() {
  const common = await makeLayer("common");
  const { layout, children } = await platformLayout((platform) => [common, platform], {
    attested: true,
  });
  const registry = createRegistry();
  await pushImage(toBlob(layout.entries()), "localhost/team/app:1", { fetch: registry });
  return { registry, children };
}

test("readRemoteContent() reads an index with all that stands below it, and no blob before it is asked to", async () => {
  const { registry } = await pushIndex();
  const layer = faultLayer(registry);
  const node = await readRemoteContent(makeRepository(layer.fetch), "1");
  const read = await readBack(registry, "team/app", "1");
  assert(node.kind === "index");
  assertEquals([node.digest, node.mediaType, node.bytes], [read.digest, OCI_INDEX, read.bytes]);
  assertEquals(
    node.entries.map(({ node }) => [node?.digest, node?.bytes]),
    read.children.map(({ digest, bytes }) => [digest, bytes]),
  );
  assertEquals(walk(node).length, 5);
  assertEquals(
    layer.lines(),
    Array(5).fill("GET team/app/manifests/").map((path, index) =>
      path + (index === 0 ? "1" : "DIGEST")
    ),
  );
  const blobs = read.children.flatMap(({ config, layers }) => [config, ...layers]);
  for (const { digest, size, file } of blobsOf(node)) {
    const bytes = await file?.bytes(1_000_000);
    assertEquals(bytes, blobs.find((blob) => blob?.digest === digest)?.bytes);
    assertEquals(bytes?.length, size);
  }
});

test("readRemoteContent() counts what it reads, and tells for which blob another attempt is made", async () => {
  const { registry } = await pushIndex();
  let failures = 2;
  const layer = faultLayer(
    registry,
    ({ path }) => /blobs|\/1$/.test(path) && failures-- > 0 ? { kind: "refuse" } : undefined,
  );
  const retries: (Digest | undefined)[] = [];
  let read = 0;
  const node = await readRemoteContent(makeRepository(layer.fetch), "1", {
    onRetry: (_attempt, _delay, _error, digest) => void retries.push(digest),
    onRead: (bytes) => void (read += bytes),
  });
  assertEquals(read, walk(node).reduce((sum, { bytes }) => sum + bytes.length, 0));
  failures = 1;
  const [blob] = blobsOf(node);
  read = 0;
  await blob?.file?.bytes(1_000_000);
  assertEquals([retries, read], [[undefined, undefined, blob?.digest], blob?.size]);
});

test("readRemoteContent() leaves absent what the repository lacks of an index", async () => {
  const shelf = new Shelf();
  const config = await shelf.add({ os: "linux", architecture: "arm64" }, DOCKER_CONFIG);
  const here = await shelf.add({ schemaVersion: 2, config, layers: [] }, DOCKER_MANIFEST);
  const gone = await shelf.add({ schemaVersion: 2, config, layers: [], gone: 1 }, OCI_MANIFEST);
  shelf.remove(gone.digest);
  await shelf.add({ schemaVersion: 2, manifests: [gone, here] }, OCI_INDEX, "1");
  const node = await readRemoteContent(shelf.context, "1");
  assert(node.kind === "index");
  assertEquals(node.entries.map(({ node }) => node?.digest), [undefined, here.digest]);
});

test("readRemoteContent() leaves foreign layers absent unless the repository has them", async () => {
  const shelf = new Shelf();
  const config = await shelf.add({ os: "windows", architecture: "amd64" }, DOCKER_CONFIG);
  const [here, gone] = [
    await shelf.add(encode("a"), FOREIGN),
    await shelf.add(encode("b"), FOREIGN),
  ];
  shelf.remove(gone.digest);
  const layers = [here, gone, here];
  await shelf.add({ schemaVersion: 2, config, layers }, DOCKER_MANIFEST, "1");
  const node = await readRemoteContent(shelf.context, "1");
  assert(node.kind === "manifest");
  assertEquals(node.layers.map(({ file }) => file?.size), [1, undefined, 1]);
  assertEquals(await node.layers[2]?.file?.bytes(1), encode("a"));
});

test("readRemoteContent() reads every document once, however often it is named", async () => {
  const shelf = new Shelf();
  const config = await shelf.add({}, DOCKER_CONFIG);
  const image = await shelf.add({ schemaVersion: 2, config, layers: [] }, DOCKER_MANIFEST);
  const inner = await shelf.add({ schemaVersion: 2, manifests: [image, image] }, OCI_INDEX);
  await shelf.add({ schemaVersion: 2, manifests: [inner, image, inner] }, OCI_INDEX, "1");
  const node = await readRemoteContent(shelf.context, "1");
  assertEquals(walk(node).map(({ digest }) => digest).slice(0, 2), [image.digest, inner.digest]);
  assertEquals(shelf.requests.length, 3);
});

test("readRemoteContent() tells what is wrong with a document", async () => {
  const shelf = new Shelf();
  const config = await shelf.add({}, DOCKER_CONFIG);
  const image = await shelf.add({ schemaVersion: 2, config, layers: [] }, DOCKER_MANIFEST);
  const add = (tag: string, document: Record<string, unknown>, type = OCI_MANIFEST) =>
    shelf.add({ schemaVersion: 2, ...document }, type, tag);
  await add("layers", { config, layers: [{ digest: "x" }] });
  await add("list", { config, layers: 1 });
  await add("subject", { config, layers: [], subject: { digest: "sha256:1" } });
  await add("many", { config, layers: Array(10_001).fill(config) });
  await add("size", { manifests: [{ ...image, size: image.size + 1 }] }, OCI_INDEX);
  let child = await add("deep", { manifests: [] }, OCI_INDEX);
  for (let depth = 0; depth < 9; depth++) {
    child = await add("deep", { manifests: [child] }, OCI_INDEX);
  }
  const names = Array.from(
    { length: 1001 },
    (_, at) => `sha256:${at.toString(16).padStart(64, "0")}`,
  );
  await add("wide", { manifests: names.map((digest) => ({ ...image, digest })) }, OCI_INDEX);
  const heavy = [];
  for (let at = 0; at < 9; at++) {
    const document = { config, layers: [], annotations: { at: "x".repeat(7_900_000) + at } };
    heavy.push(await shelf.add({ schemaVersion: 2, ...document }, OCI_MANIFEST));
  }
  await add("heavy", { manifests: heavy }, OCI_INDEX);
  const cases: [tag: string, kind: typeof OciError, message: string][] = [
    ["layers", RegistryError, "sent a manifest that cannot be used: descriptor has digest"],
    ["list", RegistryError, 'its member "layers" is not a list'],
    ["subject", RegistryError, "descriptor has digest"],
    ["many", RegistryError, "it has 10001 layers, expected at most 10000"],
    ["size", DigestMismatchError, `it has ${image.size} bytes, its index says ${image.size + 1}`],
    [
      "deep",
      OciError,
      "Cannot read manifest deep of registry.test/team/app: it is nested more than",
    ],
    ["wide", OciError, "more than 1000 manifests are below it"],
    ["heavy", OciError, "the manifests below it have more than 67108864 bytes"],
    ["gone", RegistryError, "404"],
  ];
  for (const [tag, kind, message] of cases) {
    await assertRejects(() => readRemoteContent(shelf.context, tag), kind, message);
  }
});

test("readRemoteContent() ends when it is aborted, wherever it is", async () => {
  const { registry } = await pushIndex();
  for (let number = 1; number <= 5; number++) {
    const abort = new AbortController();
    const layer = faultLayer(
      registry,
      (request) =>
        request.number === number
          ? { kind: "before", run: () => abort.abort(new Error("enough")) }
          : undefined,
    );
    const read = readRemoteContent(makeRepository(layer.fetch), "1", { signal: abort.signal });
    await assertRejects(() => read, Error, "enough");
  }
});
