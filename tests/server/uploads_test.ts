import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import { test } from "../helpers/test.ts";
import {
  brokenBody,
  bytesOf,
  call,
  codes,
  location,
  open,
  pushBlob,
  streamOf,
} from "./registry_calls.ts";

const HELLO = bytesOf("hello world");
const HELLO_DIGEST = await digestBytes(HELLO);

test("upload: POST opens a session at a relative location", async () => {
  const response = await call(createRegistry(), "POST", "/v2/a/b/blobs/uploads/");
  assertEquals(response.status, 202);
  const id = response.headers.get("Docker-Upload-UUID");
  assertEquals(location(response), `/v2/a/b/blobs/uploads/${id}`);
  assertEquals(response.headers.get("Range"), "0-0");
  assertEquals(response.headers.get("Content-Length"), "0");
});

test("upload: PUT with the whole body makes the blob readable", async () => {
  const registry = createRegistry();
  const put = await call(registry, "PUT", `${await open(registry)}?digest=${HELLO_DIGEST}`, HELLO);
  assertEquals(put.status, 201);
  assertEquals(location(put), `/v2/app/blobs/${HELLO_DIGEST}`);
  assertEquals(put.headers.get("Docker-Content-Digest"), HELLO_DIGEST);
  assertEquals(await (await call(registry, "GET", location(put))).text(), "hello world");
});

test("upload: one streamed PATCH, then PUT without a body", async () => {
  const registry = createRegistry();
  const body = streamOf(HELLO.subarray(0, 1), HELLO.subarray(1, 6), HELLO.subarray(6));
  const patch = await call(registry, "PATCH", await open(registry), body);
  assertEquals(patch.status, 202);
  assertEquals(patch.headers.get("Range"), "0-10");
  const put = await call(registry, "PUT", `${location(patch)}?digest=${HELLO_DIGEST}`);
  assertEquals(put.status, 201);
});

test("upload: chunks in order, the last one in the PUT", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  const first = await call(registry, "PATCH", upload, "hello", { "Content-Range": "0-4" });
  assertEquals([first.status, first.headers.get("Range")], [202, "0-4"]);
  const second = await call(registry, "PATCH", upload, " wo", { "Content-Range": "5-7" });
  assertEquals([second.status, second.headers.get("Range")], [202, "0-7"]);
  const put = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, "rld", {
    "Content-Range": "8-10",
  });
  assertEquals(put.status, 201);
});

test("upload: a chunk out of order gets 416 and leaves the session as it was", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  await call(registry, "PATCH", upload, "hello", { "Content-Range": "0-4" });
  for (const range of ["6-8", "0-4", "4-6"]) {
    const patch = await call(registry, "PATCH", upload, "xyz", { "Content-Range": range });
    assertEquals(patch.headers.get("Range"), "0-4");
    assertEquals(location(patch), upload);
    assertEquals(await codes(patch, 416), ["BLOB_UPLOAD_INVALID"]);
  }
  const put = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, "rld", {
    "Content-Range": "8-10",
  });
  assertEquals(await codes(put, 416), ["BLOB_UPLOAD_INVALID"]);
  const status = await call(registry, "GET", upload);
  assertEquals([status.status, status.headers.get("Range")], [204, "0-4"]);
});

test("upload: Content-Range must be two numbers that agree with the body", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  for (const range of ["bytes 0-4/5", "4-0", "0", "a-b", "0-4/5"]) {
    const patch = await call(registry, "PATCH", upload, "hello", { "Content-Range": range });
    assertEquals(await codes(patch, 400), ["BLOB_UPLOAD_INVALID"]);
  }
  const short = await call(registry, "PATCH", upload, streamOf(bytesOf("he")), {
    "Content-Range": "0-4",
  });
  assertEquals(await codes(short, 400), ["SIZE_INVALID"]);
  const long = await call(registry, "PATCH", upload, streamOf(bytesOf("llo world")), {
    "Content-Range": "2-4",
  });
  assertEquals(await codes(long, 400), ["SIZE_INVALID"]);
  assertEquals((await call(registry, "GET", upload)).headers.get("Range"), "0-1");
});

test("upload: Content-Length must agree with Content-Range and with the body", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  const range = await call(registry, "PATCH", upload, streamOf(HELLO), {
    "Content-Range": "0-10",
    "Content-Length": "5",
  });
  assertEquals(await codes(range, 400), ["SIZE_INVALID"]);
  const short = await call(registry, "PATCH", upload, streamOf(HELLO.subarray(0, 5)), {
    "Content-Range": "0-10",
    "Content-Length": "5",
  });
  assertEquals(await codes(short, 400), ["SIZE_INVALID"]);
  const body = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, streamOf(HELLO), {
    "Content-Length": "12",
  });
  assertEquals(await codes(body, 400), ["SIZE_INVALID"]);
});

test("upload: POST with a digest takes the whole blob", async () => {
  const registry = createRegistry();
  const path = `/v2/app/blobs/uploads/?digest=${HELLO_DIGEST}`;
  const post = await call(registry, "POST", path, HELLO);
  assertEquals([post.status, location(post)], [201, `/v2/app/blobs/${HELLO_DIGEST}`]);
  assertEquals(await codes(await call(registry, "POST", path, "other"), 400), ["DIGEST_INVALID"]);
  const malformed = await call(registry, "POST", "/v2/app/blobs/uploads/?digest=md5:x", HELLO);
  assertEquals(await codes(malformed, 400), ["DIGEST_INVALID"]);
});

test("upload: a single POST that fails leaves no session behind", async () => {
  const registry = createRegistry({ maxUploads: 1 });
  const path = `/v2/app/blobs/uploads/?digest=${HELLO_DIGEST}`;
  await codes(await call(registry, "POST", path, brokenBody("hello")), 400);
  await codes(await call(registry, "POST", path, "other"), 400);
  assertEquals((await call(registry, "POST", path, HELLO)).status, 201);
});

test("upload: sha512 goes like sha256, other algorithms are refused", async () => {
  const registry = createRegistry();
  const digest = await digestBytes(HELLO, "sha512");
  const post = await call(registry, "POST", "/v2/app/blobs/uploads/?digest-algorithm=sha512");
  const put = await call(registry, "PUT", `${location(post)}?digest=${digest}`, HELLO);
  assertEquals([put.status, put.headers.get("Docker-Content-Digest")], [201, digest]);
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${digest}`)).status, 200);
  const other = await call(registry, "POST", "/v2/app/blobs/uploads/?digest-algorithm=blake3");
  assertEquals(await codes(other, 400), ["DIGEST_INVALID"]);
});

test("upload: a wrong digest ends the session, a missing one does not", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  await call(registry, "PATCH", upload, "other");
  assertEquals(await codes(await call(registry, "PUT", upload), 400), ["DIGEST_INVALID"]);
  assertEquals((await call(registry, "GET", upload)).status, 204);
  const put = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`);
  assertEquals(await codes(put, 400), ["DIGEST_INVALID"]);
  assertEquals(await codes(await call(registry, "GET", upload), 404), ["BLOB_UPLOAD_UNKNOWN"]);
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${HELLO_DIGEST}`)).status, 404);
});

test("upload: a body that breaks off leaves the session at what arrived", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  const patch = await call(registry, "PATCH", upload, brokenBody("hel", "lo "));
  assertEquals(await codes(patch, 400), ["BLOB_UPLOAD_INVALID"]);
  assertEquals((await call(registry, "GET", upload)).headers.get("Range"), "0-5");
  const put = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, brokenBody("wor"));
  assertEquals(await codes(put, 400), ["BLOB_UPLOAD_INVALID"]);
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${HELLO_DIGEST}`)).status, 404);
  const rest = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, "ld", {
    "Content-Range": "9-10",
  });
  assertEquals(rest.status, 201);
});

test("upload: a new request takes the session over from one that hangs", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  const source = new TransformStream<Uint8Array, Uint8Array>();
  const writer = source.writable.getWriter();
  const hanging = call(registry, "PATCH", upload, source.readable);
  await writer.write(bytesOf("hello"));
  const next = await call(registry, "PATCH", upload, " world", { "Content-Range": "5-10" });
  assertEquals([next.status, next.headers.get("Range")], [202, "0-10"]);
  assertEquals(await codes(await hanging, 409), ["BLOB_UPLOAD_INVALID"]);
  await writer.closed.catch(() => {}); // the source of the request before was cancelled
  const put = await call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`);
  assertEquals(put.status, 201);
});

test("upload: DELETE ends a session, also one that is being fed", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  const source = new TransformStream<Uint8Array, Uint8Array>();
  const writer = source.writable.getWriter();
  const hanging = call(registry, "PATCH", upload, source.readable);
  await writer.write(bytesOf("hello"));
  assertEquals((await call(registry, "DELETE", upload)).status, 204);
  assertEquals((await hanging).status, 409);
  await writer.closed.catch(() => {});
  for (const method of ["GET", "PATCH", "DELETE"]) {
    assertEquals(await codes(await call(registry, method, upload), 404), ["BLOB_UPLOAD_UNKNOWN"]);
  }
});

test("upload: a session belongs to its repository", async () => {
  const registry = createRegistry();
  const foreign = (await open(registry, "one")).replace("/one/", "/two/");
  assertEquals(await codes(await call(registry, "PATCH", foreign, "x"), 404), [
    "BLOB_UPLOAD_UNKNOWN",
  ]);
});

test("upload: the same blob from several clients at once", async () => {
  const registry = createRegistry();
  const uploads = await Promise.all(Array.from({ length: 8 }, () => open(registry)));
  const puts = await Promise.all(uploads.map((upload) => {
    const body = streamOf(HELLO.subarray(0, 5), HELLO.subarray(5));
    return call(registry, "PUT", `${upload}?digest=${HELLO_DIGEST}`, body);
  }));
  assertEquals(puts.map(({ status }) => status), Array(8).fill(201));
});

test("upload: an empty blob", async () => {
  const registry = createRegistry();
  const digest = await pushBlob(registry, "");
  const get = await call(registry, "GET", `/v2/app/blobs/${digest}`);
  assertEquals([get.status, get.headers.get("Content-Length")], [200, "0"]);
  assertEquals((await get.bytes()).length, 0);
});

test("mount: a blob of another repository, else a session", async () => {
  const registry = createRegistry();
  const digest = await pushBlob(registry, HELLO, "one");
  assertEquals((await call(registry, "HEAD", `/v2/two/blobs/${digest}`)).status, 404);
  const mount = (query: string) => call(registry, "POST", `/v2/two/blobs/uploads/?mount=${query}`);
  for (const query of [digest, `${digest}&from=three`, `${digest}&from=NO`]) {
    const refused = await mount(query);
    assertEquals(refused.status, 202);
    assertEquals((await call(registry, "GET", location(refused))).status, 204);
  }
  const mounted = await mount(`${digest}&from=one`);
  assertEquals([mounted.status, location(mounted)], [201, `/v2/two/blobs/${digest}`]);
  assertEquals(mounted.headers.get("Docker-Content-Digest"), digest);
  assertEquals((await call(registry, "HEAD", `/v2/two/blobs/${digest}`)).status, 200);
  assertEquals(await codes(await mount("sha256:x&from=one"), 400), ["DIGEST_INVALID"]);
});

test("upload: sessions are limited, idle ones make room", async () => {
  let time = 0;
  const registry = createRegistry({ maxUploads: 2, uploadIdleSeconds: 60, now: () => time });
  const first = await open(registry);
  await open(registry);
  const refused = await call(registry, "POST", "/v2/app/blobs/uploads/");
  assertNotEquals(refused.headers.get("Retry-After"), null);
  assertEquals(await codes(refused, 429), ["TOOMANYREQUESTS"]);
  time = 60_000;
  await open(registry);
  assertEquals((await call(registry, "GET", first)).status, 404);
});

test("upload: a session that is being fed is not idle", async () => {
  let time = 0;
  const registry = createRegistry({ maxUploads: 2, uploadIdleSeconds: 60, now: () => time });
  const [fed, idle] = [await open(registry), await open(registry)];
  time = 50_000;
  assertEquals((await call(registry, "PATCH", fed, "x")).status, 202);
  time = 60_000;
  await open(registry);
  assertEquals((await call(registry, "GET", fed)).status, 204);
  assertEquals((await call(registry, "GET", idle)).status, 404);
});

test("upload: a body is pulled, not swallowed, and cancelled when refused", async () => {
  const registry = createRegistry();
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const patch = await call(registry, "PATCH", await open(registry), body, {
    "Content-Range": "0-24",
  });
  assertEquals(await codes(patch, 400), ["SIZE_INVALID"]);
  assert(cancelled);
});

test("upload: a failing storage is a 500 that the observer hears of", async () => {
  const failure = new Error("disk full");
  class FullStorage extends MemoryStorage {
    override createBlob(): ReturnType<MemoryStorage["createBlob"]> {
      return Promise.reject(failure);
    }
  }
  const heard: unknown[] = [];
  const registry = createRegistry({
    storage: new FullStorage(),
    onError: (error) => {
      heard.push(error);
      throw new Error("a broken observer");
    },
  });
  const post = await call(registry, "POST", "/v2/app/blobs/uploads/");
  assertEquals(await codes(post, 500), ["UNKNOWN"]);
  assertEquals(heard, [failure]);
});
