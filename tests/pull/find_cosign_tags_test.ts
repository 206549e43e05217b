import { assertEquals, assertRejects } from "@std/assert";
import { COSIGN_KINDS, cosignTag } from "../../src/cosign_tags.ts";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { RegistryError } from "../../src/errors.ts";
import { findCosignTags } from "../../src/pull/find_cosign_tags.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { encode, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { pushTo } from "../helpers/expected.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";
import { makeHttp } from "../registry/make_http.ts";

const digests = await Promise.all(["a", "b", "c", "d"].map((text) => digestBytes(encode(text))));

/** A repository with a signature of the first and an SBOM of the last digest, and some more tags. */
async function repositoryWith(others: number): Promise<FetchHandler> {
  const layout = await OciLayout.of(await makeImage(["x"]));
  const tags = [
    cosignTag(digests[0] as Digest, "sig"),
    cosignTag(digests.at(-1) as Digest, "sbom"),
    ...Array.from({ length: others }, (_, index) => `v${index}`),
  ];
  const registry = createRegistry();
  const targets = tags.map((tag) => `localhost:5000/app:${tag}`);
  await pushTo(toBlob(layout.entries()), targets, { fetch: registry });
  return registry;
}

async function find(fetch: FetchHandler, subjects: readonly Digest[]) {
  const layer = faultLayer(fetch);
  const http = makeHttp(layer.fetch);
  const found = await findCosignTags({ http, repository: "app" }, subjects);
  const lines = layer.seen.map(({ method, path }) => `${method} ${path.split("/").at(-1)}`);
  return { found: found.map(({ subject, kind }) => `${digests.indexOf(subject)} ${kind}`), lines };
}

test("findCosignTags() asks a repository with few tags for their list", async () => {
  const { found, lines } = await find(await repositoryWith(5), digests);
  assertEquals(found, ["0 sig", "3 sbom"]);
  assertEquals(new Set(lines), new Set(["GET list"]));
});

test("findCosignTags() asks for each tag of one manifest", async () => {
  const { found, lines } = await find(await repositoryWith(5), digests.slice(0, 1));
  assertEquals(found, ["0 sig"]);
  const tags = COSIGN_KINDS.map((kind) => cosignTag(digests[0] as Digest, kind));
  assertEquals(lines, tags.map((tag) => `HEAD ${tag}`));
});

test("findCosignTags() relies on no long list, and on none that does not come", async () => {
  const registry = await repositoryWith(99);
  const { found, lines } = await find(registry, digests);
  assertEquals(found, ["0 sig", "3 sbom"]);
  const heads = lines.filter((line) => line.startsWith("HEAD"));
  assertEquals(heads.length, digests.length * COSIGN_KINDS.length);
  for (const status of [404, 405, 403, 500]) {
    const without: FetchHandler = (request) =>
      request.url.includes("/tags/list")
        ? Promise.resolve(new Response(null, { status }))
        : registry(request);
    assertEquals((await find(without, digests)).found, found);
  }
});

test("findCosignTags() asks nothing about digests that are too long to be in a tag", async () => {
  const digest = await digestBytes(encode("a"), "sha512");
  assertEquals(await find(createRegistry(), [digest]), { found: [], lines: [] });
});

test("findCosignTags() fails where a registry does not tell", async () => {
  await assertRejects(
    () => find(() => Promise.resolve(new Response(null, { status: 403 })), digests),
    RegistryError,
  );
});
