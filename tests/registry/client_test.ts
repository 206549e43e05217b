import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import {
  DigestMismatchError,
  NetworkError,
  OciError,
  RegistryError,
  TimeoutError,
} from "../../src/errors.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { getBlob } from "../../src/registry/blob_content.ts";
import { RegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import { isRefusedDeletion } from "../../src/registry/deletion.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { type Bytes, encode, encodeJson } from "../helpers/archives.ts";
import { scriptedFetch, type ScriptStep, sentRequest } from "../helpers/scripted_fetch.ts";
import { test } from "../helpers/test.ts";
import { makeHttp } from "./make_http.ts";

const BLOB = encode("0123456789");
const DIGEST = await digestBytes(BLOB);
const OTHER = await digestBytes(encode("other"));
const GET = `GET /v2/team/app/blobs/${DIGEST}`;

function makeClient(fetch: FetchHandler, options: RegistryClientOptions = {}) {
  return new RegistryClient("localhost:5000", { fetch, retry: { delay: 0 }, ...options });
}

function scripted(steps: readonly ScriptStep[]) {
  const script = scriptedFetch(steps);
  return { ...script, script, repository: makeClient(script.fetch).repository("team/app") };
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}

/** Pushes a small image with the client itself. */
async function pushImage(client: RegistryClient, name: string, tags: readonly string[]) {
  const { blobs, manifests } = client.repository(name);
  const config = await blobs.push(encodeJson({ os: "linux", architecture: "amd64" }));
  const layer = await blobs.push(encode(`layer of ${name}`));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.size },
    layers: [{ mediaType: OCI_LAYER, digest: layer.digest, size: layer.size }],
  };
  let digest = OTHER;
  for (const tag of tags) ({ digest } = await manifests.put(tag, manifest));
  return { digest, layer, config };
}

test("RegistryClient takes a host with or without scheme, and nothing else", () => {
  const origins: [address: string, plainHttp: boolean, origin: string][] = [
    ["localhost:5000", false, "http://localhost:5000"],
    ["registry.lan", false, "https://registry.lan"],
    ["registry.lan", true, "http://registry.lan"],
    ["http://registry.lan:80/", false, "http://registry.lan"],
  ];
  for (const [address, plainHttp, origin] of origins) {
    assertEquals(new RegistryClient(address, { plainHttp }).origin, origin);
  }
  for (const address of ["", "registry.lan/app", "registry.lan/app/", "ftp://registry.lan"]) {
    assertThrows(() => new RegistryClient(address), SyntaxError);
  }
  assertThrows(() => new RegistryClient("localhost", { timeouts: { idle: 0 } }), RangeError);
});

test("RegistryClient lets no name into a URL that is none", () => {
  const client = makeClient(createRegistry());
  for (const name of ["", "../x", "A", "a?b", "a/"]) {
    assertThrows(() => client.repository(name), SyntaxError);
  }
  const { blobs, manifests } = client.repository("app");
  assertThrows(() => manifests.head("../x"), SyntaxError, "neither");
  assertThrows(() => blobs.get("sha256:../x"), SyntaxError);
  assertThrows(() => client.repository("app").referrers("latest"), SyntaxError);
});

test("RegistryClient lists, pushes, reads and deletes", async () => {
  await using client = makeClient(createRegistry({ allowDelete: true }));
  const { digest, layer } = await pushImage(client, "team/app", ["1", "2", "latest"]);
  await pushImage(client, "base", ["1"]);
  const { tags, manifests, blobs } = (() => {
    const repository = client.repository("team/app");
    return {
      tags: () => Array.fromAsync(repository.tags()),
      manifests: repository.manifests,
      blobs: repository.blobs,
    };
  })();
  assertEquals(await Array.fromAsync(client.repositories()), ["base", "team/app"]);
  assertEquals(await tags(), ["1", "2", "latest"]);
  assertEquals(await manifests.head("1"), {
    digest,
    mediaType: OCI_MANIFEST,
    size: (await manifests.get("1")).bytes.length,
  });
  assertEquals(await manifests.head("3"), undefined);
  assertEquals((await client.repository("team/app").image("1")).platform?.os, "linux");
  assertEquals(await manifests.tags(digest), ["1", "2", "latest"]);
  assertEquals(await manifests.resolve(digest), digest);
  await manifests.delete("2");
  assertEquals(await tags(), ["1", "latest"]);
  await manifests.delete(digest);
  assertEquals(await tags(), []);
  assertEquals(await blobs.head(layer.digest), { size: layer.size });
  await blobs.delete(layer.digest);
  assertEquals(await blobs.head(layer.digest), undefined);
  await assertRejects(() => blobs.delete(layer.digest), RegistryError, "404");
});

test("RegistryClient asks for pages of a size, and begins after a name", async () => {
  const paths: string[] = [];
  const registry = createRegistry();
  const client = makeClient((request) => {
    const { pathname, search } = new URL(request.url);
    paths.push(pathname + search);
    return registry(request);
  });
  await pushImage(client, "app", ["1", "2", "3", "4"]);
  const repository = client.repository("app");
  paths.length = 0;
  assertEquals(await Array.fromAsync(repository.tags({ pageSize: 2, last: "1" })), ["2", "3", "4"]);
  assertEquals(paths, [
    "/v2/app/tags/list?n=2&last=1",
    "/v2/app/tags/list?n=2&last=3",
  ]);
  assertEquals(await Array.fromAsync(client.repositories({ last: "app" })), []);
  for (const pageSize of [0, 1001, 1.5, NaN]) {
    const list = () => Array.fromAsync(client.repositories({ pageSize }));
    await assertRejects(list, RangeError, "from 1 to 1000");
  }
});

test("RegistryClient rejects every call once it is disposed of, and those under way", async () => {
  const client = makeClient(() => new Promise(() => {}));
  const pending = assertRejects(() => client.repository("app").manifests.head("1"), DOMException);
  await client[Symbol.asyncDispose]();
  await pending;
  await assertRejects(() => client.ping(), DOMException, "disposed of");
  await assertRejects(() => Array.fromAsync(client.repositories()), DOMException, "disposed of");
});

const PAGE = { "content-type": "text/html; charset=utf-8" };
const PINGS: [answer: ScriptStep[1], state: string, message: string][] = [
  [{ body: "{}", headers: { "content-type": "application/json" } }, "registry", ""],
  [{ headers: { "docker-distribution-api-version": "registry/2.0" } }, "registry", ""],
  [{}, "registry", ""],
  [{ body: "<html>", headers: PAGE }, "web-page", "answered 200 with text/html"],
  [{ status: 404, body: "<html>", headers: PAGE }, "web-page", "answered 404 with text/html"],
  [{ status: 403, body: "<html>", headers: PAGE }, "web-page", "answered 403"],
  [
    { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } },
    "refused",
    "answered 401: it wants a login",
  ],
  [
    { status: 403, body: '{"errors":[{"code":"DENIED"}]}' },
    "refused",
    "answered 403: it wants a login",
  ],
  [{ status: 401, body: "{}" }, "other", "answered 401 with "],
  [
    { status: 403, headers: { server: "AirTunes/775.3.1" } },
    "other",
    "answered 403: it is no registry but AirPlay",
  ],
  [
    { status: 404, body: "<title>Sign in</title>", headers: PAGE },
    "web-page",
    'answered 404 with text/html ("Sign in"): it is a web server, and no registry',
  ],
  [{ status: 404 }, "other", "answered 404 with nothing, expected 200"],
  [{ body: "OK", headers: { "content-type": "text/plain" } }, "other", "200 with text/plain"],
  [{ status: 503 }, "other", "503"],
  ["drop", "unreachable", "Cannot ping localhost:5000: localhost:5000: connection broken"],
];

test("RegistryClient.ping() names what was asked, and where it was led", async () => {
  const location = "http://elsewhere.test/login";
  const client = makeClient((request) =>
    Promise.resolve(
      request.url.endsWith("/v2/")
        ? new Response(null, { status: 302, headers: { location } })
        : new Response("<title>Sign in</title>", { headers: PAGE }),
    )
  );
  const { url, error } = await client.ping();
  assertEquals(url, location);
  assert(
    error?.message.startsWith(`Cannot ping localhost:5000: ${location} answered 200`),
    error?.message,
  );
});

for (const [answer, state, message] of PINGS) {
  test(`RegistryClient.ping() finds ${state}: ${message || JSON.stringify(answer)}`, async () => {
    // Where a connection broke, it is asked whether TLS would be spoken.
    const steps: ScriptStep[] = [["GET /v2/", answer]];
    if (answer === "drop") steps.push(["GET /v2/", "drop"]);
    const script = scriptedFetch(steps);
    const result = await makeClient(script.fetch).ping();
    assertEquals([result.state, result.url], [
      state as typeof result.state,
      "http://localhost:5000/v2/",
    ]);
    assertEquals(result.error === undefined, state === "registry");
    assert(result.error?.message.includes(message) ?? message === "", result.error?.message);
    script.assertDone();
  });
}

test("RegistryClient.ping() names the version, and rejects when it is aborted", async () => {
  const { apiVersion, status } = await makeClient(createRegistry()).ping();
  assertEquals([apiVersion, status], ["registry/2.0", 200]);
  const signal = AbortSignal.abort("enough");
  const reason = await makeClient(createRegistry()).ping({ signal }).catch((error) => error);
  assertEquals(reason, "enough");
});

test("blobs.push() sends what is not there, from bytes, a Blob or a stream", async () => {
  const client = makeClient(createRegistry());
  const expected = { digest: DIGEST, size: BLOB.length, status: "pushed" as const };
  assertEquals(await client.repository("a").blobs.push(BLOB), expected);
  assertEquals(await client.repository("a").blobs.push(BLOB), { ...expected, status: "exists" });
  assertEquals(await client.repository("b").blobs.push(new Blob([BLOB])), expected);
  const stream = new Blob([BLOB]).stream();
  assertEquals(await client.repository("c").blobs.push(stream, { digest: DIGEST }), expected);
  for (const name of ["a", "b", "c"]) {
    const { size, body } = await client.repository(name).blobs.get(DIGEST);
    assertEquals([size, await readAll(body)], [10, "0123456789"]);
  }
});

test("blobs.push() of a stream with another digest leaves nothing behind", async () => {
  const methods: string[] = [];
  const registry = createRegistry();
  const { blobs } = makeClient((request) => {
    methods.push(request.method);
    return registry(request);
  }).repository("app");
  const push = () => blobs.push(new Blob([BLOB]).stream(), { digest: OTHER });
  await assertRejects(push, DigestMismatchError, DIGEST);
  assertEquals(methods, ["POST", "PATCH", "DELETE"]);
  await assertRejects(() => blobs.push(BLOB, { digest: OTHER }), RegistryError, "DIGEST_INVALID");
});

test("blobs.mount() takes a blob over, or says that it was not", async () => {
  const client = makeClient(createRegistry());
  await client.repository("from").blobs.push(BLOB);
  const { blobs } = client.repository("to");
  assertEquals(await blobs.mount(DIGEST, "from"), true);
  assertEquals(await blobs.head(DIGEST), { size: 10 });
  assertEquals(await blobs.mount(OTHER, "from"), false);
});

test("blobs.get() reads parts, also where the registry sends all", async () => {
  const { blobs } = makeClient(createRegistry()).repository("team/app");
  await blobs.push(BLOB);
  const { blobs: whole } = makeClient(() =>
    Promise.resolve(
      new Response(BLOB, {
        headers: { "content-length": "10" },
      }),
    )
  ).repository("team/app");
  const parts: [start: number | undefined, end: number | undefined, text: string][] = [
    [0, 3, "012"],
    [3, 7, "3456"],
    [7, undefined, "789"],
    [undefined, 1, "0"],
    [8, 99, "89"],
  ];
  for (const [start, end, text] of parts) {
    for (const from of [blobs, whole]) {
      const { size, body } = await from.get(DIGEST, { start, end });
      assertEquals([await readAll(body), size], [text, text.length]);
    }
  }
  await assertRejects(() => whole.get(DIGEST, { start: 10 }), RegistryError, "sent 10 bytes");
  await assertRejects(() => blobs.get(DIGEST, { start: 10 }), RegistryError, "416");
  for (const [start, end] of [[-1], [0.5], [3, 3], [0, NaN]]) {
    await assertRejects(() => blobs.get(DIGEST, { start, end }), RangeError, "Cannot read bytes");
  }
});

test("blobs.get() refuses another part than it asked for", async () => {
  for (const range of ["bytes 0-2/10", "", "bytes 4-3", "items 3-6/10"]) {
    const headers = { "content-range": range };
    const { script, repository } = scripted([[GET, { status: 206, headers, body: "345" }]]);
    const get = () => repository.blobs.get(DIGEST, { start: 3, end: 6 });
    await assertRejects(get, RegistryError, "expected one from 3");
    assertEquals(sentRequest(script, 0).headers.get("range"), "bytes=3-5");
  }
});

test("blobs.get() takes all of a blob that comes as a part nobody asked for", async () => {
  const { repository } = scripted([
    [GET, { status: 206, headers: { "content-range": "bytes 0-9/10" }, body: "0123456789" }],
  ]);
  assertEquals(await readAll((await repository.blobs.get(DIGEST)).body), "0123456789");
  const other = scripted([
    [GET, { status: 206, headers: { "content-range": "bytes 1-9/10" }, body: "123456789" }],
  ]);
  await assertRejects(
    () => other.repository.blobs.get(DIGEST),
    RegistryError,
    "expected one from 0",
  );
});

test("getBlob() says what page came in the place of a blob", async () => {
  const page = "<title>Sign in</title>";
  const headers = { "content-type": "text/html; charset=utf-8" };
  for (const length of [undefined, "22"]) {
    const script = scriptedFetch([
      [GET, { headers: length ? { ...headers, "content-length": length } : headers, body: page }],
      [GET, { headers: { ...headers, "content-length": "10" }, body: "0123456789" }],
    ]);
    const context = { http: makeHttp(script.fetch), repository: "team/app" };
    const get = () => getBlob(context, DIGEST, { size: 10 });
    await assertRejects(get, RegistryError, '200 with text/html ("Sign in")');
    // Whatever a blob is called, it may be one.
    assertEquals(await readAll((await get()).body), "0123456789");
  }
});

/** A body that breaks after what it has. */
function breaking(content: string | Bytes): ReadableStream<Bytes> {
  const pieces = [typeof content === "string" ? encode(content) : content];
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece) controller.enqueue(piece);
      else controller.error(new TypeError("connection reset"));
    },
  }, { highWaterMark: 0 });
}

test("getBlob() takes a body without a length for whole that breaks behind its last byte", async () => {
  // The end of a chunked body was lost: there is nothing behind it to ask for.
  const script = scriptedFetch([[GET, { body: breaking(BLOB) }], [GET, { body: breaking("x") }]]);
  const context = { http: makeHttp(script.fetch), repository: "team/app" };
  const get = async (size: number) => (await getBlob(context, DIGEST, { size })).body;
  assertEquals(await readAll(await get(BLOB.length)), "0123456789");
  const body = await get(1);
  await assertRejects(() => readAll(body), DigestMismatchError);
  script.assertDone();
});

test("getBlob() asks for nothing more when it is cancelled while it waits for a byte", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  const body = new ReadableStream({ cancel: cancelled.resolve });
  const script = scriptedFetch([[GET, { headers: { "content-length": "10" }, body }]]);
  const context = { http: makeHttp(script.fetch), repository: "team/app" };
  const reader = (await getBlob(context, DIGEST)).body.getReader();
  const waiting = reader.read();
  await reader.cancel("enough");
  assertEquals([await cancelled.promise, (await waiting).done], ["enough", true]);
  // An attempt would be under way by then.
  await allDone();
  script.assertDone();
});

/** Waits until nothing is left to do but what waits for something itself. */
async function allDone(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
}

test("getBlob() closes what it was opening again when it is cancelled", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const cancelled: unknown[] = [];
  const headers = { "content-length": "10" };
  const script = scriptedFetch([
    [GET, { headers, body: "abc" }],
    [GET, async () => {
      asked.resolve();
      await answer.promise;
      const body = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) });
      return { status: 206, headers: { "content-range": "bytes 3-9/10" }, body };
    }],
  ]);
  const context = { http: makeHttp(script.fetch), repository: "team/app" };
  const reader = (await getBlob(context, DIGEST)).body.getReader();
  await reader.read();
  const waiting = reader.read();
  await asked.promise;
  await reader.cancel("enough");
  answer.resolve();
  await allDone();
  assertEquals([(await waiting).done, cancelled.length], [true, 1]);
  script.assertDone();
});

test("blobs.get() goes on where a connection broke, and verifies the whole", async () => {
  const headers = { "content-length": "10" };
  const { script, repository } = scripted([
    [GET, { headers, body: breaking("012") }],
    [GET, "drop"],
    [GET, { status: 206, headers: { "content-range": "bytes 3-9/10" }, body: breaking("345") }],
    // This one does not know ranges.
    [GET, { headers, body: "0123456789" }],
  ]);
  const { size, body } = await repository.blobs.get(DIGEST);
  assertEquals([size, await readAll(body)], [10, "0123456789"]);
  assertEquals(script.requests.map(({ headers }) => headers.get("range")), [
    null,
    "bytes=3-9",
    "bytes=3-9",
    "bytes=6-9",
  ]);
  script.assertDone();
});

test("blobs.get() gives up where each attempt brings next to nothing, and not where it brings much", async () => {
  const content = new Uint8Array(500_000).fill(7);
  const digest = await digestBytes(content);
  for (const [most, requests] of [[10, 3], [100_000, 5]] as const) {
    let count = 0;
    const { blobs } = makeClient(({ headers }) => {
      count++;
      const start = Number(/\d+/.exec(headers.get("range") ?? "0")?.[0]);
      const range = `bytes ${start}-${content.length - 1}/${content.length}`;
      const body = breaking(content.slice(start, start + most));
      return Promise.resolve(
        start === 0
          ? new Response(body, { headers: { "content-length": `${content.length}` } })
          : new Response(body, { status: 206, headers: { "content-range": range } }),
      );
    }, { retry: { attempts: 3, delay: 0 } }).repository("team/app");
    const { body } = await blobs.get(digest);
    const read = new Response(body).bytes();
    if (most < 100) await assertRejects(() => read, NetworkError);
    else assertEquals((await read).length, content.length);
    assertEquals(count, requests);
  }
});

test("blobs.get() fails at the end of wrong, short or silent content", async () => {
  const cases: [answer: ResponseInit & { body: BodyInit }, kind: typeof OciError, text: string][] =
    [
      [{ body: "0123456780" }, DigestMismatchError, `expected ${DIGEST}`],
      [{ body: "01234", headers: { "content-length": "10" } }, NetworkError, "5 bytes early"],
      [{ body: new ReadableStream() }, TimeoutError, "no byte moved for 0.2 s"],
    ];
  for (const [{ body, ...init }, kind, text] of cases) {
    const { blobs } = makeClient(() => Promise.resolve(new Response(body, init)), {
      retry: { attempts: 1 },
      timeouts: { idle: 200 },
    }).repository("team/app");
    const { body: read } = await blobs.get(DIGEST);
    await assertRejects(() => readAll(read), kind, text);
  }
  const { repository } = scripted([[GET, { headers: { "docker-content-digest": OTHER } }]]);
  await assertRejects(() => repository.blobs.get(DIGEST), DigestMismatchError, OTHER);
});

test("blobs.get() that is cancelled or aborted ends the request", async () => {
  const cancelled: unknown[] = [];
  const endless = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(encode("0")),
      cancel: (reason) => void cancelled.push(reason),
    }, { highWaterMark: 0 });
  const { blobs } = makeClient(() => Promise.resolve(new Response(endless())))
    .repository("team/app");
  const first = (await blobs.get(DIGEST)).body.getReader();
  await first.read();
  await first.cancel("enough");
  const controller = new AbortController();
  const second = (await blobs.get(DIGEST, { signal: controller.signal })).body.getReader();
  await second.read();
  controller.abort("stop");
  assertEquals(await second.read().catch((error) => error), "stop");
  assertEquals(cancelled, ["enough", "stop"]);
});

const DOCUMENT = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: {}, layers: [] };
const MANIFEST = encodeJson(DOCUMENT);
const MANIFEST_DIGEST = await digestBytes(MANIFEST);
const TYPED = { "content-type": OCI_MANIFEST };

test("manifests.get() reads what agrees with itself, with parameters and old headers", async () => {
  const bare = encodeJson({ schemaVersion: 2, config: {}, layers: [] });
  const answers: [headers: Record<string, string>, body: Bytes][] = [
    [TYPED, MANIFEST],
    [{ ...TYPED, "docker-content-digest": MANIFEST_DIGEST }, MANIFEST],
    [{ "content-type": `${OCI_MANIFEST}; charset=utf-8` }, MANIFEST],
    [{ "content-type": "application/json" }, MANIFEST],
    [TYPED, bare],
    // distribution 2.8 and 3.1 take these.
    [TYPED, encodeJson({ ...DOCUMENT, mediaType: "" })],
    [TYPED, encodeJson({ ...DOCUMENT, manifests: null })],
  ];
  for (const [headers, body] of answers) {
    const { repository } = scripted([[/manifests\/1$/, { headers, body }]]);
    const manifest = await repository.manifests.get("1");
    assertEquals([manifest.mediaType, manifest.bytes], [OCI_MANIFEST, body]);
    assertEquals(manifest.digest, await digestBytes(body));
  }
});

const both = encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], layers: [] });
const BAD_MANIFESTS: [headers: Record<string, string>, body: BodyInit, message: string][] = [
  [{ "content-type": OCI_INDEX }, MANIFEST, `a manifest of ${OCI_MANIFEST} as ${OCI_INDEX}`],
  [
    { "content-type": "text/html" },
    "<html>",
    "answered 200 with text/html, expected the answer of a registry",
  ],
  [TYPED, "[]", "JSON that is no object"],
  [{ "content-type": "application/json" }, "{}", "a manifest of no type"],
  [TYPED, '{"mediaType":1}', "a manifest of no type"],
  [{ "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" }, "{}", "v1"],
  [{ "content-type": OCI_INDEX }, both, "a document with layers"],
  [TYPED, '{"config":{},"manifests":[]}', "a document with manifests"],
  [TYPED, "{}", "a document without config"],
  [{ "content-type": OCI_INDEX }, "{}", "a document without manifests"],
  [TYPED, new Uint8Array(8 * 1024 * 1024 + 1), "more than 8388608 bytes"],
];

for (const [headers, body, message] of BAD_MANIFESTS) {
  test(`manifests.get() refuses ${message}`, async () => {
    // One of another type may be all that a registry makes of a list of types: it is asked for each alone.
    const isOld = message === "v1";
    const { repository, assertDone } = scripted(
      Array.from({ length: isOld ? 5 : 1 }, () => [/manifests\/1$/, { headers, body }]),
    );
    await assertRejects(() => repository.manifests.get("1"), RegistryError, message);
    assertDone();
  });
}

test("manifests.get() verifies the digest asked for, and the one that is named", async () => {
  const { repository } = scripted([
    [/./, { headers: TYPED, body: MANIFEST }],
    [/./, { headers: { ...TYPED, "docker-content-digest": OTHER }, body: MANIFEST }],
  ]);
  await assertRejects(() => repository.manifests.get(OTHER), DigestMismatchError, MANIFEST_DIGEST);
  await assertRejects(() => repository.manifests.get("1"), DigestMismatchError, OTHER);
});

test("manifests.get() reads again what broke off, and says what is absent", async () => {
  const errors = (code: string) => encodeJson({ errors: [{ code, message: "unknown" }] });
  const { repository, script } = scripted([
    [/./, { headers: TYPED, body: breaking("{") }],
    [/./, { headers: TYPED, body: MANIFEST }],
    [/./, { status: 404, body: errors("MANIFEST_UNKNOWN") }],
    [/./, { status: 404, body: errors("NAME_UNKNOWN") }],
    [/./, { status: 404 }],
  ]);
  assertEquals((await repository.manifests.get("1")).digest, MANIFEST_DIGEST);
  const get = () => repository.manifests.get("1");
  const error = await assertRejects(get, RegistryError, "the repository has no such manifest");
  assertEquals([error.status, error.hint], [
    404,
    "tarpush ls localhost:5000/team/app lists the tags",
  ]);
  await assertRejects(get, RegistryError, "the registry has no such repository");
  await assertRejects(get, RegistryError, "404");
  script.assertDone();
});

test("manifests.put() checks digest and media type before it sends", async () => {
  const { manifests } = makeClient(createRegistry()).repository("app");
  await assertRejects(() => manifests.put(OTHER, MANIFEST), DigestMismatchError, OTHER);
  await assertRejects(() => manifests.put("1", { schemaVersion: 2 }), TypeError, "no mediaType");
  await assertRejects(() => manifests.put("1", encode("{")), OciError, "not JSON");
  const index = { schemaVersion: 2, manifests: [] };
  const { digest } = await manifests.put("1", index, { mediaType: OCI_INDEX });
  assertEquals(
    (await manifests.put(digest, encodeJson(index), { mediaType: OCI_INDEX })).digest,
    digest,
  );
  assertEquals((await manifests.get("1")).mediaType, OCI_INDEX);
});

test("manifests.put() keeps the referrers tag where the registry says nothing of the subject", async () => {
  await assertReferrersTag(({ headers }) => headers.delete("oci-subject"));
});

test("manifests.put() keeps the referrers tag where the registry promises a list and has none", async () => {
  await assertReferrersTag(() => {});
});

/** Puts a manifest with a subject into a registry without lists of referrers. */
async function assertReferrersTag(change: (response: Response) => void): Promise<void> {
  const registry = createRegistry();
  const subject = { mediaType: OCI_MANIFEST, digest: OTHER, size: 5 };
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject };
  const referrers: FetchHandler = async (request) => {
    if (request.url.includes("/referrers/")) return new Response(null, { status: 404 });
    const response = await registry(request);
    change(response);
    return response;
  };
  const tags = () => Array.fromAsync(makeClient(registry).repository("app").tags());
  await makeClient(registry).repository("app").manifests.put("1", index);
  assertEquals(await tags(), ["1"]);
  const repository = makeClient(referrers).repository("app");
  const { digest } = await repository.manifests.put("1", index);
  assertEquals(await tags(), ["1", OTHER.replace(":", "-")]);
  const found = await Array.fromAsync(repository.referrers(OTHER));
  assertEquals(found.map((descriptor) => descriptor.digest), [digest]);
}

test("manifests.delete() says plainly that a registry does not delete", async () => {
  const { manifests, blobs } = makeClient(createRegistry()).repository("app");
  for (const call of [() => manifests.delete("1"), () => blobs.delete(DIGEST)]) {
    const error = await assertRejects(call, RegistryError, "the registry does not allow it (405)");
    assert(error.hint?.includes("REGISTRY_STORAGE_DELETE_ENABLED=true"), error.hint);
    assert(isRefusedDeletion(error));
  }
  const body = encodeJson({ errors: [{ code: "DIGEST_INVALID", message: "invalid" }] });
  const { repository } = scripted([[/^DELETE/, { status: 400, body }]]);
  const error = await assertRejects(
    () => repository.manifests.delete("1"),
    RegistryError,
    "Cannot delete tag 1 of localhost:5000/team/app: the registry deletes by digest only",
  );
  assert(isRefusedDeletion(error));
});

test("manifests.delete() says what may keep a registry from it where something names the manifest", async () => {
  const body = encodeJson({ errors: [{ code: "MANIFEST_REFERENCED", message: "referenced" }] });
  const { repository } = scripted([[/^DELETE/, { status: 409, body }]]);
  const error = await assertRejects(
    () => repository.manifests.delete(DIGEST),
    RegistryError,
    "MANIFEST_REFERENCED: referenced",
  );
  assert(error.hint?.includes("delete the signatures and the like"), error.hint);
});

test("manifests.delete() takes a 404 after a lost answer for done", async () => {
  const { repository, script } = scripted([
    [/^DELETE/, "drop"],
    [/^DELETE/, { status: 404 }],
    [/^DELETE/, { status: 404 }],
  ]);
  await repository.manifests.delete("1");
  await assertRejects(() => repository.manifests.delete("1"), RegistryError, "404");
  script.assertDone();
});

test("manifests.tags() and resolve() do without the digest header", async () => {
  const registry = createRegistry();
  const client = makeClient(async (request) => {
    const response = await registry(request);
    response.headers.delete("docker-content-digest");
    return response;
  });
  const { digest } = await pushImage(client, "app", ["1", "2"]);
  const { manifests } = client.repository("app");
  await manifests.put("3", encodeJson({ schemaVersion: 2, manifests: [] }), {
    mediaType: OCI_INDEX,
  });
  assertEquals(await manifests.tags(digest), ["1", "2"]);
  assertEquals(await manifests.resolve("2"), digest);
  await assertRejects(() => manifests.resolve("4"), RegistryError, "no such manifest");
});

test("manifests.tags() asks for a few at a time", async () => {
  const registry = createRegistry();
  const { digest } = await pushImage(
    makeClient(registry),
    "app",
    Array.from({ length: 40 }, (_, index) => `v${index}`),
  );
  let [open, most] = [0, 0];
  const { manifests } = makeClient(async (request) => {
    most = Math.max(most, ++open);
    await Promise.resolve();
    const response = await registry(request);
    open--;
    return response;
  }).repository("app");
  assertEquals((await manifests.tags(digest)).length, 40);
  assert(most <= 4, `${most} requests at once`);
});

test("the caller's headers do not follow a blob to another host", async () => {
  const sent: [string, string | null][] = [];
  const client = makeClient((request) => {
    sent.push([new URL(request.url).host, request.headers.get("authorization")]);
    const location = { location: "https://storage.example/blob" };
    return Promise.resolve(
      sent.length === 1
        ? new Response(null, { status: 307, headers: location })
        : new Response(BLOB),
    );
  }, { headers: { authorization: "Basic x" } });
  const { body } = await client.repository("team/app").blobs.get(DIGEST);
  assertEquals(await readAll(body), "0123456789");
  assertEquals(sent, [["localhost:5000", "Basic x"], ["storage.example", null]]);
});
