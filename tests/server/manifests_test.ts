import { assertEquals, assertStringIncludes } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { DOCKER_MANIFEST, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { test } from "../helpers/test.ts";
import {
  brokenBody,
  bytesOf,
  call,
  codes,
  location,
  makeManifest,
  pushImage,
  putManifest,
} from "./registry_calls.ts";

const MISSING = `sha256:${"0".repeat(64)}`;

test("manifest: PUT by tag, GET and HEAD by tag and by digest, byte for byte", async () => {
  const registry = createRegistry();
  const text = JSON.stringify(await makeManifest(registry), null, 3);
  const digest = await digestBytes(bytesOf(text));
  const put = await call(registry, "PUT", "/v2/app/manifests/1.0", text, {
    "Content-Type": `${OCI_MANIFEST}; charset=utf-8`,
  });
  assertEquals([put.status, location(put)], [201, `/v2/app/manifests/${digest}`]);
  assertEquals(put.headers.get("Docker-Content-Digest"), digest);
  for (const reference of ["1.0", digest]) {
    for (const method of ["GET", "HEAD"]) {
      const response = await call(registry, method, `/v2/app/manifests/${reference}`);
      assertEquals(response.status, 200);
      assertEquals(response.headers.get("Content-Type"), OCI_MANIFEST);
      assertEquals(response.headers.get("Content-Length"), `${text.length}`);
      assertEquals(response.headers.get("Docker-Content-Digest"), digest);
      assertEquals(await response.text(), method === "GET" ? text : "");
    }
  }
  const known = await call(registry, "GET", "/v2/app/manifests/1.0", null, {
    "If-None-Match": `"${digest}"`,
  });
  assertEquals(known.status, 304);
});

test("manifest: PUT by digest needs that digest, sha512 as well", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const bytes = bytesOf(JSON.stringify(document));
  assertEquals(await codes(await putManifest(registry, MISSING, document), 400), [
    "DIGEST_INVALID",
  ]);
  for (const algorithm of ["sha256", "sha512"] as const) {
    const digest = await digestBytes(bytes, algorithm);
    const put = await putManifest(registry, digest, document);
    assertEquals([put.status, put.headers.get("Docker-Content-Digest")], [201, digest]);
    assertEquals((await call(registry, "HEAD", `/v2/app/manifests/${digest}`)).status, 200);
  }
});

test("manifest: PUT by digest sets the tags it names", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const digest = await digestBytes(bytesOf(JSON.stringify(document)));
  const put = await putManifest(registry, `${digest}?tag=1&tag=1.0&tag=1`, document);
  assertEquals([put.status, put.headers.get("OCI-Tag")], [201, "1, 1.0"]);
  assertEquals((await call(registry, "HEAD", "/v2/app/manifests/1.0")).status, 200);
  const wrong = await putManifest(registry, `${digest}?tag=ok&tag=-no`, document);
  assertEquals(await codes(wrong, 400), ["MANIFEST_INVALID"]);
  assertEquals((await call(registry, "HEAD", "/v2/app/manifests/ok")).status, 404);
  const many = Array.from({ length: 101 }, (_, index) => `tag=t${index}`).join("&");
  const refused = await putManifest(registry, `${digest}?${many}`, document);
  assertEquals(await codes(refused, 414), ["MANIFEST_INVALID"]);
});

test("manifest: a tag moves, two tags share a digest", async () => {
  const registry = createRegistry();
  const first = await pushImage(registry, "latest");
  assertEquals(await pushImage(registry, "1.0"), first);
  const second = await pushImage(registry, "latest", { annotations: { a: "b" } });
  const digestOf = async (tag: string) =>
    (await call(registry, "HEAD", `/v2/app/manifests/${tag}`)).headers.get("Docker-Content-Digest");
  assertEquals([await digestOf("latest"), await digestOf("1.0")], [second, first]);
});

test("manifest: a tag outside the grammar is unknown to GET and refused by PUT", async () => {
  const registry = createRegistry({ allowDelete: true });
  const document = await makeManifest(registry);
  for (const tag of [".INVALID", "a".repeat(129)]) {
    const path = `/v2/app/manifests/${tag}`;
    assertEquals(await codes(await call(registry, "GET", path), 404), ["MANIFEST_UNKNOWN"]);
    assertEquals(await codes(await call(registry, "DELETE", path), 404), ["MANIFEST_UNKNOWN"]);
    assertEquals(await codes(await putManifest(registry, tag, document), 400), [
      "MANIFEST_INVALID",
    ]);
  }
});

test("manifest: Content-Type must agree with mediaType and be a manifest's", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const put = (headers: Record<string, string>, body: Record<string, unknown> = document) =>
    call(registry, "PUT", "/v2/app/manifests/x", JSON.stringify(body), headers);
  const other = { "Content-Type": DOCKER_MANIFEST };
  assertEquals(await codes(await put(other), 400), ["MANIFEST_INVALID"]);
  const unknown = await put({ "Content-Type": "application/json" }, {
    ...document,
    mediaType: "application/json",
  });
  assertEquals(await codes(unknown, 400), ["MANIFEST_INVALID"]);
  const typed = { "Content-Type": OCI_MANIFEST };
  assertEquals(await codes(await put(typed, { ...document, mediaType: 0 }), 400), [
    "MANIFEST_INVALID",
  ]);
  const { mediaType: _, ...untyped } = document;
  assertEquals((await put(typed, untyped)).status, 201);
});

test("manifest: documents that are none, or two things at once, are refused", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
  const broken: Record<string, unknown>[] = [
    { ...document, manifests: [] },
    { ...index, layers: [] },
    { ...index, config: document.config },
    { ...document, schemaVersion: 1 },
    { ...document, layers: {} },
    { ...document, layers: [{ mediaType: OCI_LAYER, digest: "sha256:x", size: 1 }] },
    { ...document, config: undefined },
    { ...document, config: null },
    { ...document, subject: "x" },
    { ...index, manifests: [null] },
    { ...document, annotations: { a: 1 } },
    { ...index, manifests: [{ mediaType: OCI_MANIFEST, digest: MISSING, size: 1, platform: "x" }] },
  ];
  for (const body of broken) {
    assertEquals(await codes(await putManifest(registry, "x", body), 400), ["MANIFEST_INVALID"]);
  }
  const marked = `\ufeff${JSON.stringify(document)}`;
  for (const body of ["", "{", "[]", new Uint8Array([0x22, 0xff, 0x22]), marked]) {
    const put = await call(registry, "PUT", "/v2/app/manifests/x", body, {
      "Content-Type": OCI_MANIFEST,
    });
    assertEquals(await codes(put, 400), ["MANIFEST_INVALID"]);
  }
  assertEquals((await call(registry, "HEAD", "/v2/app/manifests/x")).status, 404);
});

test("manifest: a null is like a member that is not there, as for programs in Go", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
  const documents = [
    ...[{ mediaType: null }, { mediaType: "" }, { subject: null }, { manifests: null }]
      .map((members) => ({ ...document, ...members })),
    { ...index, config: null, layers: null },
  ];
  for (const json of documents) {
    const put = await call(registry, "PUT", "/v2/app/manifests/x", JSON.stringify(json), {
      "Content-Type": json.mediaType || OCI_MANIFEST,
    });
    assertEquals(put.status, 201, JSON.stringify(json));
  }
});

test("manifest: what nests so deep that a list of referrers could not be written is refused", async () => {
  const registry = createRegistry();
  const digest = await pushImage(registry, "1");
  const subject = { mediaType: OCI_MANIFEST, digest, size: 1 };
  const document = { ...await makeManifest(registry), subject };
  const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  const text = JSON.stringify({ ...document, annotations: 0 }).replace(
    '"annotations":0',
    `"annotations":${deep}`,
  );
  const put = await call(registry, "PUT", "/v2/app/manifests/x", text, {
    "Content-Type": OCI_MANIFEST,
  });
  assertStringIncludes(await put.text(), "200 levels deep");
  assertEquals([put.status, (await call(registry, "GET", `/v2/app/referrers/${digest}`)).status], [
    400,
    200,
  ]);
});

test("manifest: every blob must be in the repository, foreign layers excepted", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const layer = (mediaType: string) => ({ mediaType, digest: MISSING, size: 5 });
  const put = await putManifest(registry, "x", { ...document, layers: [layer(OCI_LAYER)] });
  const { errors } = await put.clone().json();
  assertEquals([errors[0].code, errors[0].detail], ["MANIFEST_BLOB_UNKNOWN", MISSING]);
  assertEquals(await codes(put, 400), ["MANIFEST_BLOB_UNKNOWN"]);
  const foreign = layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
  assertEquals((await putManifest(registry, "x", { ...document, layers: [foreign] })).status, 201);
  assertEquals(await codes(await putManifest(registry, "x", document, "other"), 400), [
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_BLOB_UNKNOWN",
  ]);
});

test("manifest: no layers, as an empty list, null or nothing", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  for (const layers of [[], null, undefined]) {
    assertEquals((await putManifest(registry, "x", { ...document, layers })).status, 201);
  }
});

test("manifest: a descriptor's size must be that of the blob", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const config = { ...document.config as object, size: 3 };
  const put = await putManifest(registry, "x", { ...document, config });
  assertStringIncludes(await put.clone().text(), "gives 3 bytes");
  assertEquals(await codes(put, 400), ["SIZE_INVALID"]);
});

test("manifest: an index needs its children, in their sizes", async () => {
  const registry = createRegistry();
  const document = await makeManifest(registry);
  const digest = await pushImage(registry, "one");
  const size = JSON.stringify(document).length;
  const index = (child: Record<string, unknown>) => ({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{ mediaType: OCI_MANIFEST, digest, size, ...child }],
  });
  assertEquals((await putManifest(registry, "all", index({}))).status, 201);
  const get = await call(registry, "GET", "/v2/app/manifests/all");
  assertEquals(get.headers.get("Content-Type"), OCI_INDEX);
  const absent = await putManifest(registry, "x", index({ digest: MISSING }));
  assertEquals(await codes(absent, 400), ["MANIFEST_BLOB_UNKNOWN"]);
  const wrong = await putManifest(registry, "x", index({ size: 1 }));
  assertEquals(await codes(wrong, 400), ["SIZE_INVALID"]);
  const layer = (document.layers as Record<string, unknown>[])[0] ?? {};
  assertEquals((await putManifest(registry, "cache", index(layer))).status, 201);
  const disguised = await putManifest(registry, "x", index({ ...layer, mediaType: OCI_MANIFEST }));
  assertEquals(await codes(disguised, 400), ["MANIFEST_BLOB_UNKNOWN"]);
});

test("manifest: one above the limit gets 413, announced or not", async () => {
  const registry = createRegistry({ maxManifestBytes: 2000 });
  const document = await makeManifest(registry);
  const large = { ...document, annotations: { a: "x".repeat(2000) } };
  assertEquals(await codes(await putManifest(registry, "x", large), 413), ["SIZE_INVALID"]);
  const announced = await call(registry, "PUT", "/v2/app/manifests/x", "{}", {
    "Content-Length": "2001",
  });
  assertEquals(await codes(announced, 413), ["SIZE_INVALID"]);
  assertEquals((await putManifest(registry, "x", document)).status, 201);
});

test("manifest: a body that breaks off stores nothing", async () => {
  const registry = createRegistry();
  const put = await call(registry, "PUT", "/v2/app/manifests/x", brokenBody("{"), {
    "Content-Type": OCI_MANIFEST,
  });
  assertEquals(await codes(put, 400), ["MANIFEST_INVALID"]);
  assertEquals(await codes(await call(registry, "GET", "/v2/app/manifests/x"), 404), [
    "MANIFEST_UNKNOWN",
  ]);
});

test("manifest: DELETE by tag leaves the manifest, by digest takes all its tags", async () => {
  const registry = createRegistry({ allowDelete: true });
  const digest = await pushImage(registry, "a");
  for (const tag of ["b", "c"]) await pushImage(registry, tag);
  const path = (reference: string) => `/v2/app/manifests/${reference}`;
  assertEquals((await call(registry, "DELETE", path("a"))).status, 202);
  assertEquals((await call(registry, "HEAD", path("a"))).status, 404);
  assertEquals((await call(registry, "HEAD", path(digest))).status, 200);
  assertEquals((await call(registry, "DELETE", path(digest))).status, 202);
  const tags = await call(registry, "GET", "/v2/app/tags/list");
  assertEquals(await tags.json(), { name: "app", tags: [] });
  assertEquals(await codes(await call(registry, "DELETE", path(digest)), 404), [
    "MANIFEST_UNKNOWN",
  ]);
  assertEquals(await codes(await call(registry, "DELETE", path("b")), 404), ["MANIFEST_UNKNOWN"]);
});

test("manifest: DELETE is off by default, for tags too", async () => {
  const registry = createRegistry();
  const digest = await pushImage(registry, "a");
  for (const reference of ["a", digest]) {
    const refused = await call(registry, "DELETE", `/v2/app/manifests/${reference}`);
    assertEquals(refused.headers.get("Allow"), "GET, HEAD, PUT");
    assertEquals(await codes(refused, 405), ["UNSUPPORTED"]);
  }
});
