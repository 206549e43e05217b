import { assertEquals, assertThrows } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { DOCKER_CONFIG, DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX } from "../../src/media_types.ts";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { test } from "../helpers/test.ts";
import {
  brokenBody,
  bytesOf,
  call,
  codes,
  location,
  makeManifest,
  open,
  pushImage,
  putManifest,
  type Registry,
  streamOf,
} from "./registry_calls.ts";

const HELLO = bytesOf("hello world");
const HELLO_DIGEST = await digestBytes(HELLO);

async function dockerManifest(registry: Registry): Promise<Record<string, unknown>> {
  const { config, ...rest } = await makeManifest(registry);
  return {
    ...rest,
    mediaType: DOCKER_MANIFEST,
    config: { ...Object(config), mediaType: DOCKER_CONFIG },
  };
}

test("createRegistry({ accept: 'oci' }) answers Docker's documents with 415 and takes OCI's", async () => {
  const registry = createRegistry({ accept: "oci" });
  const docker = await dockerManifest(registry);
  assertEquals(await codes(await putManifest(registry, "1", docker), 415), ["MANIFEST_INVALID"]);
  const list = { schemaVersion: 2, mediaType: DOCKER_INDEX, manifests: [] };
  assertEquals(await codes(await putManifest(registry, "1", list), 415), ["MANIFEST_INVALID"]);
  await pushImage(registry, "1");
});

test("createRegistry({ accept: 'docker' }) answers OCI's documents with 400 and takes Docker's", async () => {
  const registry = createRegistry({ accept: "docker" });
  const oci = await makeManifest(registry);
  assertEquals(await codes(await putManifest(registry, "1", oci), 400), ["MANIFEST_INVALID"]);
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
  assertEquals(await codes(await putManifest(registry, "1", index), 400), ["MANIFEST_INVALID"]);
  const docker = await dockerManifest(registry);
  assertEquals((await putManifest(registry, "1", docker)).status, 201);
});

test("createRegistry({ immutableTags }) refuses every PUT of a tag that stands, and stores nothing", async () => {
  const storage = new MemoryStorage();
  const registry = createRegistry({ storage, immutableTags: true });
  const first = await makeManifest(registry);
  assertEquals((await putManifest(registry, "1", first)).status, 201);
  assertEquals(await codes(await putManifest(registry, "1", first), 412), ["PRECONDITION"]);
  const second = await makeManifest(registry, { annotations: { second: "1" } });
  assertEquals(await codes(await putManifest(registry, "1", second), 412), ["PRECONDITION"]);
  const digest = await digestBytes(bytesOf(JSON.stringify(second)));
  const several = await putManifest(registry, `${digest}?tag=2&tag=1`, second);
  assertEquals(await codes(several, 412), ["PRECONDITION"]);
  assertEquals(await storage.getManifest("app", digest), undefined);
  assertEquals((await putManifest(registry, digest, second)).status, 201);
  assertEquals((await putManifest(registry, "2", second)).status, 201);
});

test("createRegistry({ immutableTags }) deletes what has no tag only", async () => {
  const registry = createRegistry({ immutableTags: true, allowDelete: true });
  const digest = await pushImage(registry, "1");
  for (const reference of ["1", digest]) {
    const answer = await call(registry, "DELETE", `/v2/app/manifests/${reference}`);
    assertEquals(await codes(answer, 412), ["PRECONDITION"]);
  }
  assertEquals((await call(registry, "DELETE", "/v2/app/manifests/none")).status, 404);
  const other = await makeManifest(registry, { annotations: { other: "1" } });
  const untagged = await digestBytes(bytesOf(JSON.stringify(other)));
  await putManifest(registry, untagged, other);
  assertEquals((await call(registry, "DELETE", `/v2/app/manifests/${untagged}`)).status, 202);
});

test("createRegistry({ requireLength }) refuses bodies without a length, behind a socket too", async () => {
  for (const [requireLength, status] of [[true, 411], [500, 500]] as const) {
    const registry = createRegistry({ requireLength, allowDelete: true });
    await using server = await serve(registry);
    const send: Registry = ({ url, method, body, headers }) => {
      const { pathname, search } = new URL(url);
      const init = { method, body, headers, duplex: "half" };
      return fetch(`http://${server.host}${pathname}${search}`, init);
    };
    const upload = location(await call(send, "POST", "/v2/app/blobs/uploads/"));
    const streamed = () => call(send, "PATCH", upload, streamOf(HELLO));
    assertEquals(await codes(await streamed(), status), ["SIZE_INVALID"]);
    const put = await fetch(`http://${server.host}${upload}?digest=${HELLO_DIGEST}`, {
      method: "PUT",
      body: HELLO,
    });
    assertEquals(put.status, 201, await put.text());
    const gone = await call(send, "DELETE", `/v2/app/manifests/none`);
    assertEquals(await codes(gone, 404), ["MANIFEST_UNKNOWN"]);
  }
});

test("createRegistry({ chunkLimits }) names them where an upload starts and where it stands", async () => {
  const registry = createRegistry({ chunkLimits: { min: 4, max: 6 } });
  const post = await call(registry, "POST", "/v2/app/blobs/uploads/");
  for (const { headers } of [post, await call(registry, "GET", location(post))]) {
    const limits = ["OCI-Chunk-Min-Length", "OCI-Chunk-Max-Length"].map((name) =>
      headers.get(name)
    );
    assertEquals(limits, ["4", "6"]);
  }
  const only = await call(
    createRegistry({ chunkLimits: { max: 6 } }),
    "POST",
    "/v2/a/blobs/uploads/",
  );
  assertEquals(only.headers.get("OCI-Chunk-Min-Length"), null);
});

test("createRegistry({ chunkLimits }) takes no body longer than the most", async () => {
  const registry = createRegistry({ chunkLimits: { max: 6 } });
  const upload = await open(registry);
  const named = { "Content-Length": "11" };
  assertEquals(await codes(await call(registry, "PATCH", upload, HELLO, named), 413), [
    "SIZE_INVALID",
  ]);
  const streamed = await call(
    registry,
    "PATCH",
    upload,
    streamOf(HELLO.subarray(0, 6), HELLO.subarray(6)),
  );
  assertEquals(await codes(streamed, 413), ["SIZE_INVALID"]);
  assertEquals((await call(registry, "GET", upload)).headers.get("Range"), "0-5");
  const whole = `${await open(registry)}?digest=${HELLO_DIGEST}`;
  assertEquals(await codes(await call(registry, "PUT", whole, HELLO), 413), ["SIZE_INVALID"]);
});

test("createRegistry({ chunkLimits }) takes a chunk below the least as the last only", async () => {
  const registry = createRegistry({ chunkLimits: { min: 4 } });
  const patch = (upload: string, text: string) => call(registry, "PATCH", upload, text);
  const long = await open(registry);
  assertEquals([(await patch(long, "hello")).status, (await patch(long, " wo")).status], [
    202,
    202,
  ]);
  assertEquals(await codes(await patch(long, "rld"), 400), ["SIZE_INVALID"]);
  const put = await call(registry, "PUT", `${long}?digest=${HELLO_DIGEST}`, "rld");
  assertEquals(await codes(put, 400), ["SIZE_INVALID"]);
  const right = await open(registry);
  await patch(right, "hello wo");
  await patch(right, "rld");
  const closed = await call(registry, "PUT", `${right}?digest=${HELLO_DIGEST}`);
  assertEquals(closed.status, 201, await closed.text());
});

test("createRegistry({ chunkLimits }) counts the rest of a broken chunk with its beginning", async () => {
  const registry = createRegistry({ chunkLimits: { min: 4 } });
  const upload = await open(registry);
  await codes(await call(registry, "PATCH", upload, brokenBody("he")), 400);
  assertEquals((await call(registry, "PATCH", upload, "ll")).status, 202);
  const put = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, "o world");
  assertEquals(put.status, 201, await put.text());
});

test("createRegistry({ catalog: false }) lists no repositories, but tags", async () => {
  const registry = createRegistry({ catalog: false });
  await pushImage(registry, "1");
  const answer = await call(registry, "GET", "/v2/_catalog");
  assertEquals([answer.status, await answer.text()], [404, ""]);
  assertEquals((await call(registry, "GET", "/v2/app/tags/list")).status, 200);
});

test("createRegistry() refuses lengths of chunks that allow nothing", () => {
  assertThrows(() => createRegistry({ chunkLimits: { max: 0 } }), RangeError, "max is 0");
});
