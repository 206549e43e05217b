import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Bytes, createStream } from "../../src/bytes.ts";
import { createPromise } from "../../src/concurrency.ts";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { DigestMismatchError, NetworkError, RegistryError } from "../../src/errors.ts";
import { headBlob } from "../../src/registry/blobs.ts";
import { commitUpload } from "../../src/registry/upload/close_upload.ts";
import { sendBody } from "../../src/registry/upload/send_body.ts";
import type { UploadBlob } from "../../src/registry/upload/choose_body.ts";
import { uploadBlob } from "../../src/registry/upload/upload_blob.ts";
import { cancelUpload, startUpload } from "../../src/registry/upload/upload_session.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { bytesSource } from "../../src/source/blob_source.ts";
import { encode, encodeJson } from "../helpers/archives.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { atRequest, faultLayer, withHeader } from "../helpers/fault_layer.ts";
import { scriptedFetch, type ScriptStep, sentRequest } from "../helpers/scripted_fetch.ts";
import { test } from "../helpers/test.ts";
import { makeRepository, makeSession } from "./make_http.ts";

const CONTENT = encode("some content");
const DIGEST = await digestBytes(CONTENT);
const OTHER = await digestBytes(encode("other content"));
const HEAD = `HEAD /v2/team/app/blobs/${DIGEST}`;
const POST = "POST /v2/team/app/blobs/uploads/";
const PUT = `PUT /u/1?digest=${encodeURIComponent(DIGEST)}`;
const OPENED = { status: 202, headers: { location: "/u/1" } };
const STORED = { status: 201, headers: { location: "/b", "docker-content-digest": DIGEST } };
const LOST = {
  status: 404,
  body: encodeJson({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN", message: "unknown upload" }] }),
};
const GET = `GET /v2/team/app/blobs/${DIGEST}`;
const THERE = { headers: { "content-length": `${CONTENT.length}` } };
const GONE = { status: 404 };

const MIB = 1024 * 1024;

/** Above what is sent from memory, so that it is streamed. */
const LARGE = new Uint8Array(1_100_000).map((_, at) => at % 251);
const LARGE_DIGEST = await digestBytes(LARGE);

function blobOf(bytes: Bytes, digest: Digest, piece = 64 * 1024): UploadBlob & { opened: number } {
  return {
    digest,
    size: bytes.length,
    opened: 0,
    open() {
      this.opened++;
      let at = 0;
      return new ReadableStream<Bytes>({
        pull(controller) {
          if (at >= bytes.length) return controller.close();
          controller.enqueue(bytes.subarray(at, at += piece));
        },
      }, { highWaterMark: 0 });
    },
  };
}

const small = () => blobOf(CONTENT, DIGEST);
const large = () => blobOf(LARGE, LARGE_DIGEST);

// Looking for a blob

test("headBlob() tells the size, -1 where the registry does not, undefined where there is none", async () => {
  const script = scriptedFetch([[HEAD, THERE], [HEAD, {}], [HEAD, GONE]]);
  const repository = makeRepository(script.fetch);
  const sizes = [];
  for (let times = 0; times < 3; times++) sizes.push(await headBlob(repository, DIGEST));
  assertEquals(sizes, [CONTENT.length, -1, undefined]);
  script.assertDone();
});

test("headBlob() does not believe a registry that names another digest", async () => {
  const headers = { "docker-content-digest": OTHER, "content-length": "12" };
  const script = scriptedFetch([[HEAD, { headers }], [GET, { headers }]]);
  const error = await assertRejects(
    () => headBlob(makeRepository(script.fetch), DIGEST),
    DigestMismatchError,
  );
  assertEquals([error.expected, error.actual], [DIGEST, OTHER]);
});

test("headBlob() takes a digest of another algorithm for what it is, the registry's own", async () => {
  const headers = { "docker-content-digest": "sha512:" + "0".repeat(128), "content-length": "12" };
  const script = scriptedFetch([[HEAD, { headers }]]);
  assertEquals(await headBlob(makeRepository(script.fetch), DIGEST), 12);
});

test("headBlob() shows garbage in place of a digest as what it is", async () => {
  const headers = { "docker-content-digest": "sha256:" + "x".repeat(300) };
  const script = scriptedFetch([[HEAD, { headers }], [GET, { headers }]]);
  const error = await assertRejects(
    () => headBlob(makeRepository(script.fetch), DIGEST),
    DigestMismatchError,
    '"sha256:xxx',
  );
  assert(error.message.length < 400);
});

test("headBlob() follows a redirect and tries again", async () => {
  const script = scriptedFetch([
    [HEAD, "drop"],
    [HEAD, { status: 307, headers: { location: "http://storage.test/b" } }],
    ["HEAD /b", THERE],
  ]);
  assertEquals(await headBlob(makeRepository(script.fetch), DIGEST), CONTENT.length);
  script.assertDone();
});

// Uploading

test("uploadBlob() sends a small blob as bytes with their length", async () => {
  const script = scriptedFetch([[POST, OPENED], [PUT, STORED]]);
  const sent: number[] = [];
  await uploadBlob(makeRepository(script.fetch), small(), { onProgress: (n) => void sent.push(n) });
  script.assertDone();
  const { body, headers } = sentRequest(script, 1);
  assertEquals(body, CONTENT);
  assertEquals(headers.get("content-type"), "application/octet-stream");
  assertEquals(sentRequest(script, 0).headers.get("content-length"), "0");
  assertEquals(sent, [CONTENT.length]);
});

test("uploadBlob() streams a large blob with its length and tells how far it is", async () => {
  const put = `PUT /u/1?digest=${encodeURIComponent(LARGE_DIGEST)}`;
  const script = scriptedFetch([[POST, OPENED], [put, { status: 201 }]]);
  const sent: number[] = [];
  await uploadBlob(makeRepository(script.fetch), large(), { onProgress: (n) => void sent.push(n) });
  const { body, headers } = sentRequest(script, 1);
  assertEquals(await digestBytes(body), LARGE_DIGEST);
  assertEquals(headers.get("content-length"), `${LARGE.length}`);
  assertEquals(sent.length, Math.ceil(LARGE.length / 65536));
  assertEquals([sent[0], sent.at(-1)], [65536, LARGE.length]);
});

test("uploadBlob() pushes a blob without any byte", async () => {
  const registry = createRegistry();
  const digest = await digestBytes(new Uint8Array(0));
  const repository = makeRepository(registry);
  await uploadBlob(repository, blobOf(new Uint8Array(0), digest));
  assertEquals(await headBlob(repository, digest), 0);
});

for (
  const [name, location, expected] of [
    ["a path", "/u/1", "http://registry.test/u/1"],
    ["a relative path", "1", "http://registry.test/v2/team/app/blobs/uploads/1"],
    ["an absolute URL", "http://registry.test/u/1", "http://registry.test/u/1"],
    ["another port", "http://registry.test:81/u/1", "http://registry.test:81/u/1"],
    ["another host", "//storage.test/u/1", "http://storage.test/u/1"],
  ] as const
) {
  test(`uploadBlob() goes to where ${name} as Location leads`, async () => {
    const script = scriptedFetch([
      [POST, { status: 202, headers: { location } }],
      [/^PUT /, STORED],
    ]);
    const headers = { authorization: "Bearer x" };
    await uploadBlob(makeRepository(script.fetch, { headers }), small());
    const put = sentRequest(script, 1);
    const { origin, pathname } = new URL(expected);
    assertEquals([put.origin, put.path.split("?")[0]], [origin, pathname]);
    const own = origin === "http://registry.test";
    assertEquals(put.headers.get("authorization"), own ? "Bearer x" : null);
  });
}

test("uploadBlob() sends the caller's headers to no other host that a Location names", async () => {
  for (const body of [small(), large()]) {
    const script = scriptedFetch([
      [POST, { status: 202, headers: { location: "https://storage.test/u/1" } }],
      [/^PUT \/u\/1/, { status: 408 }],
      ["DELETE /u/1", { status: 204 }],
      [POST, { status: 202, headers: { location: "https://storage.test/u/2" } }],
      [/^PUT \/u\/2/, { status: 201 }],
    ]);
    const headers = { authorization: "Bearer secret", cookie: "session=1" };
    await uploadBlob(makeRepository(script.fetch, { headers }), body);
    script.assertDone();
    for (const { origin, headers } of script.requests) {
      const isOwn = origin === "http://registry.test";
      assertEquals([headers.has("authorization"), headers.has("cookie")], [isOwn, isOwn], origin);
    }
  }
});

test("uploadBlob() takes neither credentials nor a fragment of a Location", async () => {
  const location = "http://user:secret@registry.test/u/1?x=1#part";
  const script = scriptedFetch([
    [POST, { status: 202, headers: { location } }],
    [`PUT /u/1?x=1&digest=${encodeURIComponent(DIGEST)}`, STORED],
  ]);
  await uploadBlob(makeRepository(script.fetch), small());
  script.assertDone();
});

test("uploadBlob() stays with https where a Location has the same host and http", async () => {
  for (const port of ["", ":80", ":443"]) {
    const script = scriptedFetch([
      [POST, { status: 202, headers: { location: `http://registry.test${port}/u/1` } }],
      [PUT, STORED],
    ]);
    await uploadBlob(makeRepository(script.fetch, { origin: "https://registry.test" }), small());
    assertEquals(sentRequest(script, 1).origin, "https://registry.test");
  }
});

test("uploadBlob() leaves the query of a Location as it is and adds the digest", async () => {
  const location = "/u/1?_state=a%2Fb-_%3D%3D&x=1";
  const script = scriptedFetch([
    [POST, { status: 202, headers: { location } }],
    [/^PUT /, STORED],
  ]);
  await uploadBlob(makeRepository(script.fetch), small());
  const query = new URL(sentRequest(script, 1).path, "http://x").searchParams;
  assertEquals([...query], [["_state", "a/b-_=="], ["x", "1"], ["digest", DIGEST]]);
});

for (const [what, headers] of [["no", {}], ["an empty", { location: "" }]] as const) {
  test(`uploadBlob() fails where an upload has ${what} Location, and does not try again`, async () => {
    const script = scriptedFetch([[POST, { status: 202, headers }]]);
    const error = await assertRejects(
      () => uploadBlob(makeRepository(script.fetch), small()),
      RegistryError,
      "answered 202 without a Location",
    );
    assertEquals(error.retryable, false);
    script.assertDone();
  });
}

test("uploadBlob() does not go where a Location must not lead", async () => {
  for (const location of ["http://169.254.169.254/latest", "http://10.0.0.1:5000/u", "file:///u"]) {
    const script = scriptedFetch([[POST, { status: 202, headers: { location } }]]);
    await assertRejects(
      () => uploadBlob(makeRepository(script.fetch), small()),
      NetworkError,
      "sent a Location that",
    );
    script.assertDone();
  }
});

test("uploadBlob() starts again after a failure, cancels the old upload and takes progress back", async () => {
  const registry = createRegistry();
  const layer = faultLayer(registry, atRequest(2, { kind: "cut-body", after: 200_000 }));
  const repository = makeRepository(layer.fetch);
  const sent: number[] = [];
  const retries: number[] = [];
  const blob = large();
  await uploadBlob(repository, blob, {
    onProgress: (n) => void sent.push(n),
    onRetry: (attempt) => void retries.push(attempt),
  });
  assertEquals(layer.lines(), [
    "POST team/app/blobs/uploads/",
    "PUT team/app/blobs/uploads/SESSION",
    "DELETE team/app/blobs/uploads/SESSION",
    "HEAD team/app/blobs/DIGEST",
    "POST team/app/blobs/uploads/",
    "PUT team/app/blobs/uploads/SESSION",
  ]);
  assertEquals([blob.opened, retries], [2, [2]]);
  const back = sent.indexOf(0);
  assert(back > 0, "progress goes back to nothing");
  assertEquals(sent.at(-1), LARGE.length);
  assertEquals(await headBlob(makeRepository(registry), LARGE_DIGEST), LARGE.length);
});

for (const after of [0, 1, 65_536, LARGE.length - 1, LARGE.length]) {
  test(`uploadBlob() survives a connection that breaks after ${after} bytes`, async () => {
    const registry = createRegistry();
    const layer = faultLayer(registry, atRequest(2, { kind: "cut-body", after }));
    await uploadBlob(makeRepository(layer.fetch), large());
    assertEquals(await headBlob(makeRepository(registry), LARGE_DIGEST), LARGE.length);
  });
}

test("uploadBlob() sends from memory what broke as a stream: Deno sees an early 413 only then", async () => {
  const script = scriptedFetch([
    [POST, OPENED],
    [/^PUT /, "drop"],
    // The script takes all of the body before it breaks the connection: it may have arrived.
    [/^HEAD /, GONE],
    ["GET /u/1", GONE],
    [/^HEAD /, GONE],
    ["GET /u/1", GONE],
    ["DELETE /u/1", { status: 204 }],
    [/^HEAD /, GONE],
    [POST, OPENED],
    [/^PUT /, { status: 413 }],
    ["DELETE /u/1", { status: 204 }],
    [POST, OPENED],
    ["PATCH /u/1", { status: 202 }],
    ["PATCH /u/1", { status: 202 }],
    [/^PUT /, { status: 201 }],
  ]);
  let reads = 0;
  const blob = large();
  const read = () => Promise.resolve((reads++, LARGE));
  // Whether the registry was slow is no matter of the machine.
  const repository = makeRepository(script.fetch, { retry: { now: () => 0 } });
  await uploadBlob(repository, { ...blob, open: () => blob.open(), read });
  script.assertDone();
  // Streamed, from memory, and in chunks.
  assertEquals([blob.opened, reads], [2, 1]);
  assertEquals(
    script.requests.map(({ headers }) => headers.get("content-range")).filter(Boolean),
    [`0-${MIB - 1}`, `${MIB}-${LARGE.length - 1}`],
  );
});

test("uploadBlob() sends nothing twice when only the answer was lost", async () => {
  const registry = createRegistry();
  const layer = faultLayer(registry, atRequest(2, { kind: "lose-response" }));
  const blob = large();
  await uploadBlob(makeRepository(layer.fetch), blob);
  assertEquals(blob.opened, 1);
  assertEquals(layer.lines().at(-1), "HEAD team/app/blobs/DIGEST");
});

test("uploadBlob() takes the 404 after a request that was sent twice for what it is", async () => {
  const registry = createRegistry();
  const layer = faultLayer(registry, atRequest(2, { kind: "double-send" }));
  const blob = large();
  await uploadBlob(makeRepository(layer.fetch), blob);
  assertEquals(blob.opened, 1);
});

test("uploadBlob() starts again where the registry has lost the upload", async () => {
  const script = scriptedFetch([
    [POST, OPENED],
    [PUT, LOST],
    ["DELETE /u/1", { status: 204 }],
    [HEAD, GONE],
    [POST, OPENED],
    [PUT, STORED],
  ]);
  await uploadBlob(makeRepository(script.fetch), small());
  script.assertDone();
});

test("uploadBlob() opens an upload of its own after the one that it was given", async () => {
  const script = scriptedFetch([
    [`PUT /u/0?digest=${encodeURIComponent(DIGEST)}`, LOST],
    ["DELETE /u/0", { status: 204 }],
    [HEAD, GONE],
    [POST, OPENED],
    [PUT, STORED],
  ]);
  const context = makeRepository(script.fetch);
  const given = { context, location: new URL("http://registry.test/u/0") };
  await uploadBlob(context, small(), {}, given);
  script.assertDone();
});

test("uploadBlob() tries again after a page in place of the registry, and not after one where it leads", async () => {
  const page = { status: 404, headers: { "content-type": "text/html" }, body: encode("<p>no</p>") };
  const here = scriptedFetch([
    [POST, OPENED],
    [PUT, page],
    ["DELETE /u/1", GONE],
    [HEAD, GONE],
    [POST, OPENED],
    [PUT, STORED],
  ]);
  await uploadBlob(makeRepository(here.fetch), small());
  here.assertDone();
  const there = scriptedFetch([
    [POST, { status: 202, headers: { location: "http://store.test/u/1" } }],
    [PUT, page],
    ["DELETE /u/1", GONE],
    [HEAD, GONE],
  ]);
  await assertRejects(() => uploadBlob(makeRepository(there.fetch), small()), RegistryError);
  there.assertDone();
});

test("uploadBlob() says so where the registry loses every upload", async () => {
  const once: ScriptStep[] = [
    [POST, OPENED],
    [PUT, LOST],
    ["DELETE /u/1", { status: 204 }],
    [HEAD, GONE],
  ];
  const script = scriptedFetch([...once, ...once]);
  const repository = makeRepository(script.fetch, { retry: { attempts: 2, delay: 0 } });
  const error = await assertRejects(
    () => uploadBlob(repository, small()),
    RegistryError,
    "the registry lost the upload",
  );
  assertEquals(error.errors.map(({ code }) => code), ["BLOB_UPLOAD_UNKNOWN"]);
  assertStringIncludes(`${error.hint}`, "several registries behind one address");
  script.assertDone();
});

test("uploadBlob() takes a 404 on the start of an upload as final", async () => {
  const body = encodeJson({ errors: [{ code: "NAME_UNKNOWN", message: "no such repository" }] });
  const script = scriptedFetch([[POST, { status: 404, body }]]);
  const error = await assertRejects(
    () => uploadBlob(makeRepository(script.fetch), small()),
    RegistryError,
    "answered 404 Not Found: NAME_UNKNOWN",
  );
  assertEquals([error.status, error.method], [404, "POST"]);
  script.assertDone();
});

for (const status of [500, 408]) {
  test(`uploadBlob() starts again after a ${status} on the body`, async () => {
    const asked: ScriptStep[] = status === 500 ? [[HEAD, GONE]] : [];
    const script = scriptedFetch([
      [POST, OPENED],
      [PUT, { status }],
      ["DELETE /u/1", { status: 500 }],
      ...asked,
      [POST, OPENED],
      [PUT, STORED],
    ]);
    await uploadBlob(makeRepository(script.fetch), small());
    script.assertDone();
  });
}

test("uploadBlob() sends a body again that was refused for want of pace, to the same upload", async () => {
  for (const blob of [small(), large()]) {
    const script = scriptedFetch([
      [POST, { status: 429 }],
      [POST, OPENED],
      [/^PUT/, { status: 429 }],
      [/^PUT/, { status: 429 }],
      [/^PUT/, { status: 201 }],
    ]);
    await uploadBlob(makeRepository(script.fetch), blob);
    script.assertDone();
    const bodies = script.requests.slice(2).map(({ body }) => body.length);
    assertEquals(bodies, Array(3).fill(blob.size));
  }
});

for (const [status, otherwise] of [[400, "PATCH"], [401], [403], [405, "PATCH"], [413]] as const) {
  test(`uploadBlob() does not try a PUT again after a ${status} on the body`, async () => {
    const cancelled: ScriptStep = ["DELETE /u/1", { status: 204 }];
    const script = scriptedFetch([
      [POST, OPENED],
      [PUT, { status }],
      cancelled,
      ...otherwise
        ? [[POST, OPENED], [`${otherwise} /u/1`, { status }], cancelled] satisfies ScriptStep[]
        : [],
    ]);
    const error = await assertRejects(
      () => uploadBlob(makeRepository(script.fetch), small()),
      RegistryError,
    );
    assertEquals(error.status, status);
    script.assertDone();
  });
}

test("uploadBlob() fails where the registry stores another digest, and does not try again", async () => {
  const script = scriptedFetch([
    [POST, OPENED],
    [PUT, { status: 201, headers: { "docker-content-digest": OTHER } }],
    ["DELETE /u/1", { status: 404 }],
  ]);
  const error = await assertRejects(
    () => uploadBlob(makeRepository(script.fetch), small()),
    DigestMismatchError,
  );
  assertEquals([error.expected, error.actual], [DIGEST, OTHER]);
  script.assertDone();
});

test("uploadBlob() passes on what its source throws, and does not try again", async () => {
  for (const size of [10, 2_000_000]) {
    const registry = createRegistry();
    const layer = faultLayer(registry);
    const broken = new Error("the disk is gone");
    const blob: UploadBlob = {
      digest: DIGEST,
      size,
      open: () => new ReadableStream({ pull: (controller) => controller.error(broken) }),
    };
    const error = await assertRejects(() => uploadBlob(makeRepository(layer.fetch), blob));
    assertEquals(error, broken);
    const methods = layer.seen.map(({ method }) => method).filter((method) => method !== "PUT");
    assertEquals(methods, ["POST", "DELETE"]);
  }
});

test("uploadBlob() makes no further attempt for a body that had its own", async () => {
  const failure = new NetworkError("Cannot read blob: connection broken", {
    method: "GET",
    url: "http://source.test/",
  });
  for (const chunkSize of [undefined, 1024 * 1024]) {
    const blob: UploadBlob = {
      digest: LARGE_DIGEST,
      size: LARGE.length,
      open: () => new ReadableStream({ pull: () => Promise.reject(failure) }),
      failure: () => failure,
    };
    const layer = faultLayer(createRegistry());
    const context = makeRepository(layer.fetch);
    if (chunkSize) context.http.seen.chunkSize = chunkSize;
    const error = await assertRejects(() => uploadBlob(context, blob));
    assert(error === failure);
    const methods = layer.seen.map(({ method }) => method).filter((method) => method !== "PUT");
    assertEquals(methods, ["POST", "DELETE"]);
    // A broken connection to the source says nothing of what the target takes.
    assertEquals(context.http.seen.chunkSize, chunkSize);
  }
});

test("uploadBlob() cancels the upload when its signal is aborted in the middle of the body", async () => {
  const registry = createRegistry();
  const layer = faultLayer(registry);
  const controller = new AbortController();
  const reason = new Error("enough");
  const error = await assertRejects(() =>
    uploadBlob(makeRepository(layer.fetch), large(), {
      signal: controller.signal,
      onProgress: (sent) => {
        if (sent > 300_000) controller.abort(reason);
      },
    })
  );
  assertEquals(error, reason);
  assertEquals(layer.lines(), [
    "POST team/app/blobs/uploads/",
    "PUT team/app/blobs/uploads/SESSION",
    "DELETE team/app/blobs/uploads/SESSION",
  ]);
  assertEquals(await headBlob(makeRepository(registry), LARGE_DIGEST), undefined);
});

test("uploadBlob() does not wait for a listener less than a body needs", async () => {
  const order: string[] = [];
  const fetch = async (request: Request) => {
    if (request.method === "POST") return new Response(null, OPENED);
    for await (const _ of request.body ?? []) order.push("read");
    return new Response(null, STORED);
  };
  await uploadBlob(makeRepository(fetch), blobOf(LARGE, DIGEST, 400_000), {
    onProgress: async () => {
      await Promise.resolve();
      order.push("told");
    },
  });
  assertEquals(order.filter((what) => what === "told").length, 3);
});

test("uploadBlob() closes its source when the listener fails", async () => {
  const closed = createPromise();
  const blob: UploadBlob = {
    digest: LARGE_DIGEST,
    size: LARGE.length,
    open: () => createStream(() => LARGE.subarray(0, 65_536), closed.resolve),
  };
  const error = new Error("no more");
  const onProgress = () => Promise.reject(error);
  const uploading = uploadBlob(makeRepository(createRegistry()), blob, { onProgress });
  assertEquals(await assertRejects(() => uploading), error);
  await closed.promise;
});

// Mounting

const mount = { digest: DIGEST, from: "base/image" };
const MOUNT = `${POST}?${new URLSearchParams({ mount: DIGEST, from: "base/image" })}`;

test("startUpload() has a blob mounted", async () => {
  const script = scriptedFetch([[MOUNT, STORED]]);
  assertEquals(await startUpload(makeRepository(script.fetch), {}, mount), undefined);
  script.assertDone();
});

test("startUpload() goes on with an upload where the registry does not mount", async () => {
  const script = scriptedFetch([[MOUNT, OPENED]]);
  const session = await startUpload(makeRepository(script.fetch), {}, mount);
  assertEquals(session?.location.href, "http://registry.test/u/1");
});

test("startUpload() reports where the registry refuses to mount", async () => {
  const script = scriptedFetch([[MOUNT, { status: 403 }]]);
  await assertRejects(
    () => startUpload(makeRepository(script.fetch), {}, mount),
    RegistryError,
    "mount blob",
  );
});

test("startUpload() does not believe a registry that mounted another blob", async () => {
  const headers = { "docker-content-digest": OTHER };
  const script = scriptedFetch([[MOUNT, { status: 201, headers }]]);
  await assertRejects(
    () => startUpload(makeRepository(script.fetch), {}, mount),
    DigestMismatchError,
  );
});

test("startUpload() takes 201 without a mount for no answer", async () => {
  const script = scriptedFetch([[POST, { status: 201, headers: { location: "/u/1" } }]]);
  await assertRejects(() => startUpload(makeRepository(script.fetch)), RegistryError, "201");
});

// Uploads whose digest comes later

test("sendBody() and commitUpload() push a blob whose digest is known at the end", async () => {
  const registry = createRegistry();
  const layer = faultLayer(registry);
  const repository = makeRepository(layer.fetch);
  const session = await startUpload(repository);
  assert(session);
  const body = bytesSource(LARGE).slice(0, LARGE.length).stream() as ReadableStream<Bytes>;
  await sendBody(session, body);
  await commitUpload(session, { digest: LARGE_DIGEST, size: LARGE.length });
  assertEquals(layer.seen.map(({ method }) => method), ["POST", "PATCH", "PUT"]);
  assertEquals(await headBlob(repository, LARGE_DIGEST), LARGE.length);
});

test("sendBody() goes on with the newest Location, and with the last one where none comes", async () => {
  for (const [answer, next] of [[{ location: "/u/2?s=2" }, "/u/2?s=2"], [{}, "/u/1"]] as const) {
    const script = scriptedFetch([["PATCH /u/1", { status: 202, headers: answer }]]);
    const session = makeSession(script.fetch);
    await sendBody(session, CONTENT);
    assertEquals(session.location.pathname + session.location.search, next);
  }
});

for (const status of [200, 201, 202, 204]) {
  test(`sendBody() takes ${status} for success`, async () => {
    const script = scriptedFetch([["PATCH /u/1", { status }]]);
    await sendBody(makeSession(script.fetch), CONTENT);
    script.assertDone();
  });
}

test("commitUpload() asks for the blob where the answer is lost", async () => {
  const script = scriptedFetch([[PUT, "drop"], [HEAD, THERE]]);
  const blob = { digest: DIGEST, size: CONTENT.length };
  await commitUpload(makeSession(script.fetch), blob);
  script.assertDone();
});

test("commitUpload() tries again, and does not where the digest is wrong", async () => {
  const blob = { digest: DIGEST, size: CONTENT.length };
  const again = scriptedFetch([[PUT, { status: 429 }], [PUT, STORED]]);
  await commitUpload(makeSession(again.fetch), blob);
  again.assertDone();
  const body = encodeJson({ errors: [{ code: "DIGEST_INVALID", message: "no" }] });
  const wrong = scriptedFetch([[PUT, { status: 400, body }]]);
  await assertRejects(
    () => commitUpload(makeSession(wrong.fetch), blob),
    RegistryError,
    "DIGEST_INVALID",
  );
  wrong.assertDone();
});

test("cancelUpload() does not mind what the registry says to it", async () => {
  for (const reply of [{ status: 204 }, { status: 404 }, { status: 500 }] as const) {
    const script = scriptedFetch([["DELETE /u/1", reply]]);
    await cancelUpload(makeSession(script.fetch));
    script.assertDone();
  }
});

test("uploadBlob() trusts a registry that sends no digest header", async () => {
  const layer = faultLayer(createRegistry(), () => ({
    kind: "change-response",
    change: (response) => withHeader(response, "docker-content-digest", undefined),
  }));
  const repository = makeRepository(layer.fetch);
  await uploadBlob(repository, small());
  assertEquals(await headBlob(repository, DIGEST), CONTENT.length);
});

test("startUpload() cancels what it opened although nobody wants it any more", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const script = scriptedFetch([
    ["POST /v2/team/app/blobs/uploads/", () => {
      controller.abort(reason);
      return { status: 202, headers: { location: "/v2/team/app/blobs/uploads/1" } };
    }],
    ["DELETE /v2/team/app/blobs/uploads/1", { status: 204 }],
  ]);
  const context = makeRepository(script.fetch);
  const thrown = await startUpload(context, { signal: controller.signal }).catch((error) => error);
  assertEquals(thrown, reason);
  script.assertDone();
});

test("cancelUpload() waits for no pause that the registry asked for", async () => {
  const script = scriptedFetch([["DELETE /v2/team/app/blobs/uploads/1", { status: 204 }]]);
  const limits = { maxRequestsPerSecond: 1e-6 };
  const context = makeRepository(script.fetch, { limits, clock: new FakeClock() });
  context.http.seen.pace?.pause(3_600_000);
  await cancelUpload({
    context,
    location: new URL("http://registry.test/v2/team/app/blobs/uploads/1"),
  });
  script.assertDone();
});
