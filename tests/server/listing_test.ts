import { assertEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import { test } from "../helpers/test.ts";
import {
  bytesOf,
  call,
  codes,
  makeManifest,
  pushBlob,
  pushImage,
  putManifest,
  type Registry,
} from "./registry_calls.ts";

/** Where the header Link of an answer points. */
function nextPage(response: Response): string | undefined {
  return /^<([^>]+)>; rel="next"$/.exec(response.headers.get("Link") ?? "")?.[1];
}

async function json(registry: Registry, path: string): Promise<unknown> {
  return await (await call(registry, "GET", path)).json();
}

test("tags: sorted, whole unless asked for a part", async () => {
  const registry = createRegistry();
  for (const tag of ["b", "1.0", "a", "B", "10.0"]) await pushImage(registry, tag);
  const tags = async (query: string) => await json(registry, `/v2/app/tags/list${query}`);
  assertEquals(await tags(""), { name: "app", tags: ["1.0", "10.0", "B", "a", "b"] });
  assertEquals(await tags("?n=2"), { name: "app", tags: ["1.0", "10.0"] });
  assertEquals(await tags("?last=B"), { name: "app", tags: ["a", "b"] });
  assertEquals(await tags("?n=1&last=A"), { name: "app", tags: ["B"] });
  assertEquals(await tags("?n=99"), { name: "app", tags: ["1.0", "10.0", "B", "a", "b"] });
});

test("tags: Link leads through all pages, and there is none at n=0", async () => {
  const registry = createRegistry();
  const all = ["a", "b", "c", "d", "e"];
  for (const tag of all) await pushImage(registry, tag, {}, "deep/name");
  const found: string[] = [];
  for (let path: string | undefined = "/v2/deep/name/tags/list?n=2"; path;) {
    const response: Response = await call(registry, "GET", path);
    found.push(...(await response.json()).tags);
    path = nextPage(response);
  }
  assertEquals(found, all);
  const none = await call(registry, "GET", "/v2/deep/name/tags/list?n=0");
  assertEquals([nextPage(none), (await none.json()).tags], [undefined, []]);
});

test("tags: an unknown repository gets 404, a number that is none 400", async () => {
  const registry = createRegistry();
  assertEquals(await codes(await call(registry, "GET", "/v2/app/tags/list"), 404), [
    "NAME_UNKNOWN",
  ]);
  await pushBlob(registry, "x");
  assertEquals(await json(registry, "/v2/app/tags/list"), { name: "app", tags: [] });
  for (const n of ["-1", "x", "1.5"]) {
    assertEquals(await codes(await call(registry, "GET", `/v2/app/tags/list?n=${n}`), 400), [
      "PAGINATION_NUMBER_INVALID",
    ]);
  }
});

test("catalog: every repository, page by page", async () => {
  const registry = createRegistry();
  assertEquals(await json(registry, "/v2/_catalog"), { repositories: [] });
  const names = Array.from({ length: 101 }, (_, index) => `r${String(index).padStart(3, "0")}`);
  for (const name of names.toReversed()) await pushBlob(registry, "x", name);
  const first = await call(registry, "GET", "/v2/_catalog");
  assertEquals((await first.json()).repositories, names.slice(0, 100));
  assertEquals(await json(registry, nextPage(first) ?? ""), { repositories: ["r100"] });
  assertEquals(await json(registry, "/v2/_catalog?n=1&last=r000"), { repositories: ["r001"] });
});

test("catalog: n is capped", async () => {
  const registry = createRegistry();
  const names = Array.from({ length: 1001 }, (_, index) => `r${String(index).padStart(4, "0")}`);
  for (const name of names) await pushBlob(registry, "", name);
  const page = await call(registry, "GET", "/v2/_catalog?n=999999999");
  assertEquals((await page.json()).repositories.length, 1000);
  assertEquals(nextPage(page), "/v2/_catalog?n=1000&last=r0999");
});

test("referrers: manifests with the subject, with type and annotations", async () => {
  const registry = createRegistry();
  const subject = await pushImage(registry, "image");
  const descriptor = { mediaType: OCI_MANIFEST, digest: subject, size: 1 };
  const annotations = { made: "today" };
  const signature = await makeManifest(registry, {
    subject: descriptor,
    artifactType: "application/x.signature",
    annotations,
  });
  const put = await putManifest(registry, "signature", signature);
  assertEquals(put.headers.get("OCI-Subject"), subject);
  await putManifest(registry, "plain", await makeManifest(registry, { subject: descriptor }));
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [],
    subject: descriptor,
  };
  assertEquals((await putManifest(registry, "index", index)).status, 201);

  const response = await call(registry, "GET", `/v2/app/referrers/${subject}`);
  assertEquals(response.headers.get("Content-Type"), OCI_INDEX);
  assertEquals(response.headers.get("OCI-Filters-Applied"), null);
  const { manifests, ...rest } = await response.json();
  assertEquals(rest, { schemaVersion: 2, mediaType: OCI_INDEX });
  const types = manifests.map(({ artifactType }: { artifactType?: string }) => artifactType ?? "");
  assertEquals(types.sort(), ["", OCI_CONFIG, "application/x.signature"]);

  const query = `/v2/app/referrers/${subject}?artifactType=application/x.signature`;
  const filtered = await call(registry, "GET", query);
  assertEquals(filtered.headers.get("OCI-Filters-Applied"), "artifactType");
  assertEquals((await filtered.json()).manifests, [{
    mediaType: OCI_MANIFEST,
    digest: put.headers.get("Docker-Content-Digest"),
    size: JSON.stringify(signature).length,
    artifactType: "application/x.signature",
    annotations,
  }]);
});

test("referrers: page by page", async () => {
  const registry = createRegistry();
  const subject = { mediaType: OCI_MANIFEST, digest: `sha256:${"0".repeat(64)}`, size: 1 };
  for (const made of ["1", "2", "3"]) {
    await pushImage(registry, `t${made}`, { subject, annotations: { made } });
  }
  const found = new Set<string>();
  for (let path: string | undefined = `/v2/app/referrers/${subject.digest}?n=2`; path;) {
    const response: Response = await call(registry, "GET", path);
    for (const { digest } of (await response.json()).manifests) found.add(digest);
    path = nextPage(response);
  }
  assertEquals(found.size, 3);
});

test("referrers: an empty index for what does not exist, and after deletion", async () => {
  const registry = createRegistry({ allowDelete: true });
  const digest = `sha256:${"0".repeat(64)}`;
  const empty = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
  assertEquals(await json(registry, `/v2/nothing/referrers/${digest}`), empty);
  const subject = { mediaType: OCI_MANIFEST, digest, size: 1 };
  const referrer = await pushImage(registry, "x", { subject });
  assertEquals((await call(registry, "DELETE", `/v2/app/manifests/${referrer}`)).status, 202);
  assertEquals(await json(registry, `/v2/app/referrers/${digest}`), empty);
  assertEquals(await codes(await call(registry, "GET", "/v2/app/referrers/latest"), 400), [
    "DIGEST_INVALID",
  ]);
});

test("referrers: what a storage has from elsewhere and no push would bring is left out", async () => {
  const storage = new MemoryStorage();
  const registry = createRegistry({ storage });
  const subject = await digestBytes(bytesOf("subject"));
  const bytes = bytesOf(`{"mediaType":"application/x-other","subject":{}}`);
  const digest = await digestBytes(bytes);
  await storage.putManifest("app", { digest, mediaType: "application/x-other", bytes, subject });
  const listed = await json(registry, `/v2/app/referrers/${subject}`);
  assertEquals(listed, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
});
