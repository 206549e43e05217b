import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { createRegistry, DiskError } from "../../src/server/mod.ts";
import { MemoryStorage } from "../../src/server/memory.ts";
import { test } from "../helpers/test.ts";
import { call, codes, location, pushBlob, pushImage, putManifest } from "./registry_calls.ts";

const ORIGIN = { Origin: "https://page.test" };

test("createRegistry() answers the version check", async () => {
  for (const path of ["/v2/", "/v2"]) {
    const response = await call(createRegistry(), "GET", path);
    assertEquals([response.status, await response.json()], [200, {}]);
    assertEquals(response.headers.get("Docker-Distribution-API-Version"), "registry/2.0");
  }
});

test("createRegistry() answers other methods with 405 and Allow", async () => {
  const registry = createRegistry();
  const cases = [
    ["POST", "/v2/", "GET, HEAD"],
    ["DELETE", "/v2/_catalog", "GET, HEAD"],
    ["PUT", "/v2/app/tags/list", "GET, HEAD"],
    ["GET", "/v2/app/blobs/uploads/", "POST"],
    ["POST", "/v2/app/blobs/uploads/x", "GET, HEAD, PATCH, PUT, DELETE"],
    ["POST", "/v2/app/manifests/x", "GET, HEAD, PUT"],
    ["OPTIONS", "/v2/", "GET, HEAD"],
  ] as const;
  for (const [method, path, allow] of cases) {
    const response = await call(registry, method, path);
    assertEquals(response.headers.get("Allow"), allow);
    assertEquals(await codes(response, 405), ["UNSUPPORTED"]);
  }
});

test("createRegistry() answers errors as JSON that is not a page", async () => {
  const response = await call(createRegistry(), "GET", "/index.html");
  assertEquals(response.headers.get("Content-Type"), "application/json");
  assertEquals(response.headers.get("X-Content-Type-Options"), "nosniff");
  assertEquals(await codes(response, 404), ["UNSUPPORTED"]);
});

test("createRegistry() read-only serves what is there and takes nothing", async () => {
  const storage = new MemoryStorage();
  const writable = createRegistry({ storage });
  const digest = await pushImage(writable, "1");
  const registry = createRegistry({ storage, readOnly: true, allowDelete: true });
  assertEquals((await call(registry, "GET", "/v2/app/manifests/1")).status, 200);
  const refused = [
    await call(registry, "POST", "/v2/app/blobs/uploads/"),
    await call(registry, "PATCH", "/v2/app/blobs/uploads/x", "x"),
    await putManifest(registry, "2", {}),
    await call(registry, "DELETE", `/v2/app/manifests/${digest}`),
  ];
  for (const response of refused) assertEquals(await codes(response, 405), ["UNSUPPORTED"]);
});

test("createRegistry() lets go of a body that it does not read", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    cancel: () => {
      cancelled = true;
    },
  });
  const response = await call(createRegistry(), "PATCH", "/v2/app/blobs/uploads/gone", body);
  assertEquals(await codes(response, 404), ["BLOB_UPLOAD_UNKNOWN"]);
  assert(cancelled);
});

test("createRegistry() allows pages of the named origins only", async () => {
  const registry = createRegistry({ cors: ["https://page.test", "https://other.test"] });
  const allowed = await call(registry, "GET", "/v2/", null, ORIGIN);
  assertEquals(allowed.headers.get("Access-Control-Allow-Origin"), "https://page.test");
  assertEquals(allowed.headers.get("Vary"), "Origin");
  const foreign = await call(registry, "GET", "/v2/", null, { Origin: "https://evil.test" });
  assertEquals(foreign.headers.get("Access-Control-Allow-Origin"), null);
  assertEquals(foreign.headers.get("Vary"), "Origin");
  const without = await call(createRegistry(), "GET", "/v2/", null, ORIGIN);
  assertEquals(without.headers.get("Access-Control-Allow-Origin"), null);
});

test("createRegistry() shows pages all that a push needs, on errors too", async () => {
  const registry = createRegistry({ cors: "*" });
  for (const path of ["/v2/", "/v2/app/manifests/missing"]) {
    const response = await call(registry, "GET", path, null, ORIGIN);
    assertEquals(response.headers.get("Access-Control-Allow-Origin"), "*");
    const exposed = response.headers.get("Access-Control-Expose-Headers") ?? "";
    for (
      const name
        of "Location Range Docker-Content-Digest Docker-Upload-UUID Link OCI-Chunk-Min-Length OCI-Subject OCI-Tag Retry-After"
          .split(" ")
    ) assertStringIncludes(exposed, name);
  }
});

test("createRegistry() answers a preflight, with cors only", async () => {
  const headers = { ...ORIGIN, "Access-Control-Request-Method": "PATCH" };
  const path = "/v2/app/blobs/uploads/x";
  const response = await call(createRegistry({ cors: "*" }), "OPTIONS", path, null, headers);
  assertEquals(response.status, 204);
  assertStringIncludes(response.headers.get("Access-Control-Allow-Methods") ?? "", "PATCH");
  for (const name of ["Content-Range", "Cache-Control"]) {
    assertStringIncludes(response.headers.get("Access-Control-Allow-Headers") ?? "", name);
  }
  assertEquals((await call(createRegistry(), "OPTIONS", path, null, headers)).status, 405);
});

test("createRegistry() answers any failure inside with 500", async () => {
  class BrokenStorage extends MemoryStorage {
    override openBlob(): never {
      throw new Error("secret path");
    }
  }
  const registry = createRegistry({ storage: new BrokenStorage() });
  const response = await call(registry, "GET", `/v2/app/blobs/sha256:${"0".repeat(64)}`);
  assertEquals((await response.clone().text()).includes("secret"), false);
  assertEquals(await codes(response, 500), ["UNKNOWN"]);
});

test("createRegistry() says of a disk that takes nothing more what is wrong with it, and not where", async () => {
  class FullStorage extends MemoryStorage {
    override createBlob(): never {
      throw new DiskError('Cannot write "/secret/path": the disk is full', {
        state: "the disk is full",
      });
    }
  }
  const told: unknown[] = [];
  const registry = createRegistry({
    storage: new FullStorage(),
    onError: (error) => told.push(error),
  });
  const response = await call(registry, "POST", "/v2/app/blobs/uploads/");
  const { errors } = await response.json();
  const message = "the registry can keep nothing more: the disk is full";
  assertEquals([response.status, errors], [507, [{ code: "UNKNOWN", message }]]);
  assert(told[0] instanceof DiskError);
});

test("createRegistry() works behind any host name", async () => {
  const registry = createRegistry();
  const post = await registry(
    new Request("https://proxy.test:8443/v2/app/blobs/uploads/", { method: "POST" }),
  );
  assert(location(post).startsWith("/v2/app/blobs/uploads/"));
  await pushBlob(registry, "x");
});

test("createRegistry() refuses limits that allow nothing", () => {
  assertThrows(() => createRegistry({ maxUploads: 0 }), RangeError, "maxUploads is 0");
  assertThrows(() => createRegistry({ maxManifestBytes: NaN }), RangeError, "maxManifestBytes");
  assertThrows(() => createRegistry({ chunkLimits: { min: 9, max: 5 } }), RangeError, "min is 9");
  assertThrows(() => createRegistry({ requireLength: 200 }), RangeError, "requireLength is 200");
  assertThrows(() => createRegistry({ uploadIdleSeconds: NaN }), RangeError, "uploadIdleSeconds");
  for (const latency of [-1, NaN, Infinity]) {
    assertThrows(() => createRegistry({ latency }), RangeError, `latency is ${latency}`);
  }
  const options: { accept?: "oci" } = JSON.parse('{"accept":"docker v2"}');
  assertThrows(() => createRegistry(options), RangeError, 'accept is "docker v2", expected "oci"');
});
