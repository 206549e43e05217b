import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseDigest } from "../../src/digest.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { layoutTar, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { sign } from "../helpers/cosign.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";
import { type FakeHostOptions, runFake } from "./fake_host.ts";

/** Two registries, the first with a signed image; https leads to the second. */
async function makeWorld() {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["a"], { platform: "linux/arm64" }));
  layout.add(image, { ref: "1" });
  const { mediaType, digest, size } = image;
  const signature = await layout.artifact("signature", "text/x", {
    subject: { mediaType, digest, size },
  });
  layout.add(signature);
  const [from, to] = [createRegistry(), createRegistry()];
  await pushImage(toBlob(layout.entries()), "localhost:5000/team/app:1", { fetch: from });
  const seen: string[] = [];
  const fetch: FetchHandler = (request) => {
    const { origin, hostname } = new URL(request.url);
    seen.push(origin);
    return (hostname === "localhost" ? from : to)(request);
  };
  return { from, to, fetch, seen, digest, signature };
}

async function runWith(args: string, registry: FetchHandler, options: FakeHostOptions = {}) {
  return await runFake(args, { registry, ...options });
}

const COPY = "copy localhost:5000/team/app:1";

test("run() copy prints each name when it stands, and what became of the blobs", async () => {
  const { to, fetch, digest, seen } = await makeWorld();
  const { code, stdout, stderr } = await runWith(
    `${COPY} registry.lan/a:1 registry.lan/a:2`,
    fetch,
  );
  assertEquals(code, 0);
  assertEquals(stdout, `registry.lan/a:1@${digest}\nregistry.lan/a:2@${digest}\n`);
  assertMatch(stderr, /^sha256:[0-9a-f]{12} +\d+ B +copied\n/m);
  assertMatch(stderr, /2 blobs copied \([\d.]+ kB\) in \d/);
  assertEquals(await allTags(to), ["a:1", "a:2"]);
  assertEquals(new Set(seen), new Set(["http://localhost:5000", "https://registry.lan"]));
});

test("run() copy to a place keeps the name of the image", async () => {
  const { to, fetch, digest } = await makeWorld();
  const { code, stdout } = await runWith(`${COPY} registry.lan/mirror/`, fetch);
  assertEquals([code, stdout], [0, `registry.lan/mirror/team/app:1@${digest}\n`]);
  assertEquals(await allTags(to), ["mirror/team/app:1"]);
});

test("run() copy takes the scheme of each side from its reference", async () => {
  const { fetch, seen } = await makeWorld();
  const args = "copy https://localhost:5000/team/app:1 http://registry.lan/a:1 -q";
  const { code, stderr } = await runWith(args, fetch);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(new Set(seen), new Set(["https://localhost:5000", "http://registry.lan"]));
});

test("run() copy --json writes one document, also after a failure", async () => {
  const { fetch, digest } = await makeWorld();
  const done = await runWith(`${COPY} registry.lan/a:1 --json`, fetch);
  const { images, bytesUploaded, bytesRead } = JSON.parse(done.stdout);
  assertEquals([images[0].reference, images[0].digest], ["registry.lan/a:1", digest]);
  assert(bytesRead > bytesUploaded && bytesUploaded > 0);
  const failed = await runWith("copy localhost:5000/team/app:9 registry.lan/a:1 --json", fetch);
  assertEquals(failed.code, 1);
  const { error } = JSON.parse(failed.stdout);
  assertEquals([error.name, error.status], ["RegistryError", 404]);
  assertEquals(
    failed.stderr,
    "tarpush: Cannot read manifest 9 of localhost:5000/team/app: the repository has no such manifest\n" +
      "hint: tarpush ls localhost:5000/team/app lists the tags\n",
  );
});

test("run() copy --dry-run writes nothing, and says what it would", async () => {
  const { to, fetch, digest } = await makeWorld();
  const { code, stdout, stderr } = await runWith(`${COPY} registry.lan/a:1 --dry-run`, fetch);
  assertEquals([code, stdout], [0, ""]);
  assertStringIncludes(stderr, `would copy registry.lan/a:1@${digest}\n`);
  assertStringIncludes(stderr, "missing");
  assertEquals(await allTags(to), []);
});

test("run() copy --referrers brings signatures along, --platform picks one", async () => {
  const { to, fetch, signature } = await makeWorld();
  const args = `${COPY} registry.lan/a:1 --referrers --platform linux/arm64 --concurrency 1`;
  assertEquals((await runWith(args, fetch)).code, 0);
  await readBack(to, "a", signature.digest);
  const other = await runWith(`${COPY} registry.lan/b:1 --platform linux/amd64`, fetch);
  assertEquals(other.code, 1);
  assertStringIncludes(other.stderr, "Cannot copy platform linux/amd64: the image has linux/arm64");
});

test("run() copy --retries makes so many further attempts", async () => {
  const { fetch } = await makeWorld();
  const layer = faultLayer(
    fetch,
    ({ path }) => path.includes("/blobs/sha") ? { kind: "refuse" } : undefined,
  );
  const { code } = await runWith(`${COPY} registry.lan/a:1 --retries 0`, layer.fetch);
  assertEquals(code, 1);
  const gets = layer.seen.filter(({ method, path }) =>
    method === "GET" && path.includes("/blobs/")
  );
  assertEquals(gets.length <= 2, true);
});

test("run() copy refuses what is no reference with exit code 2", async () => {
  const { fetch, seen } = await makeWorld();
  for (
    const args of [`${COPY} registry.lan/A/`, `${COPY} registry.lan/A:1`, "copy registry.lan a/b"]
  ) {
    const { code, stdout } = await runWith(args, fetch);
    assertEquals([code, stdout], [2, ""], args);
  }
  assertEquals(seen, []);
});

test("run() copy leaves a tag that names something else, or fails, where that is wanted", async () => {
  const { to, fetch } = await makeWorld();
  const there = await pushImage(
    await layoutTar(await makeImage(["other"])),
    "http://registry.lan/a:1",
    { fetch: to },
  );
  const skipped = await runWith(`${COPY} registry.lan/a:1 --on-existing skip`, fetch);
  assertEquals([skipped.code, skipped.stdout], [0, ""]);
  assertMatch(
    skipped.stderr,
    /^warning: registry.lan\/a:1 is left as it is: it stands and names /m,
  );
  const failed = await runWith(`${COPY} registry.lan/a:1 --on-existing error`, fetch);
  assertEquals([failed.code, failed.stdout], [1, ""]);
  assertMatch(
    failed.stderr,
    /^tarpush: Cannot copy registry.lan\/a:1: it stands and names sha256:/m,
  );
  assertMatch(failed.stderr, /^hint: --on-existing overwrite replaces it/m);
  assertEquals((await readBack(to, "a", "1")).digest, there.images[0]?.digest);
});

test("run() copy takes cosign's tags along with --referrers, and tells of them without", async () => {
  const { from, to, fetch, digest } = await makeWorld();
  const { tag } = await sign(from, "localhost:5000/team/app", parseDigest(digest));
  const without = await runWith(`${COPY} registry.lan/a:1`, fetch);
  assertMatch(without.stderr, /^warning: 1 signature that cosign keeps .*--referrers/m);
  const { code, stdout } = await runWith(`${COPY} registry.lan/b:1 --referrers`, fetch);
  assertEquals([code, stdout], [0, `registry.lan/b:1@${digest}\n`]);
  assertEquals(await allTags(to), ["a:1", "b:1", `b:${tag}`]);
});
