import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { RegistryError } from "../../src/errors.ts";
import { OCI_MANIFEST } from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import { headBlob } from "../../src/registry/blobs.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { headManifest } from "../../src/registry/manifests.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, encode, makeImage, toBlob } from "../helpers/archives.ts";
import {
  scriptedFetch,
  type ScriptedReply,
  type ScriptStep,
  sentRequest,
} from "../helpers/scripted_fetch.ts";
import { test } from "../helpers/test.ts";
import { makeRepository } from "./make_http.ts";

const CONTENT = encode("content");
const DIGEST = await digestBytes(CONTENT);
const BLOB = `/v2/team/app/blobs/${DIGEST}`;
const MANIFEST = "/v2/team/app/manifests/1.0";
const STORE = "https://store.test/bucket/x?signature=for-get";
const SIGNED = "/bucket/x?signature=for-get";
const led: ScriptedReply = { status: 307, headers: { location: STORE } };
const part: ScriptedReply = {
  status: 206,
  headers: { "content-range": `bytes 0-0/${CONTENT.length}` },
};

const BLOBS: Record<string, [steps: ScriptStep[], found: number | undefined]> = {
  "a store that refuses the HEAD of a URL signed for GET": [
    [[`HEAD ${SIGNED}`, { status: 403 }], [`GET ${BLOB}`, led], [`GET ${SIGNED}`, part]],
    CONTENT.length,
  ],
  "a store that knows no parts": [
    [[`HEAD ${SIGNED}`, { status: 400 }], [`GET ${BLOB}`, led], [`GET ${SIGNED}`, {
      headers: { "content-length": "7" },
    }]],
    7,
  ],
  "a store that refuses both": [
    [[`HEAD ${SIGNED}`, { status: 403 }], [`GET ${BLOB}`, led], [
      `GET ${SIGNED}`,
      { status: 403, headers: { "www-authenticate": "Basic" } },
    ]],
    undefined,
  ],
  "a store that has trouble": [
    [[`HEAD ${SIGNED}`, { status: 503 }], [`GET ${BLOB}`, led], [`GET ${SIGNED}`, {
      status: 500,
    }]],
    undefined,
  ],
  "a store that denies the HEAD that it has it": [
    [[`HEAD ${SIGNED}`, { status: 404 }], [`GET ${BLOB}`, led], [`GET ${SIGNED}`, part]],
    CONTENT.length,
  ],
  "a store that is out of reach": [
    [[`HEAD ${SIGNED}`, "drop"], [`GET ${BLOB}`, { status: 404 }]],
    undefined,
  ],
};

for (const [where, [steps, found]] of Object.entries(BLOBS)) {
  test(`headBlob() asks with GET where HEAD is redirected to ${where}`, async () => {
    const script = scriptedFetch([[`HEAD ${BLOB}`, led], ...steps]);
    assertEquals(await headBlob(makeRepository(script.fetch), DIGEST), found);
    script.assertDone();
    const get = script.requests.find(({ method }) => method === "GET");
    assertEquals(get?.headers.get("range"), "bytes=0-0");
  });
}

for (const location of ["http://10.1.2.3/bucket/x", "http://store.test/x", "ftp://x", "http://["]) {
  test(`headBlob() takes a redirect to ${location} for no word of the registry`, async () => {
    const away = { status: 307, headers: { location } };
    const script = scriptedFetch([[`HEAD ${BLOB}`, away], [`GET ${BLOB}`, away]]);
    const repository = makeRepository(script.fetch, { origin: "https://registry.test" });
    assertEquals(await headBlob(repository, DIGEST), undefined);
    script.assertDone();
  });
}

for (const status of [401, 403, 405, 501]) {
  test(`headBlob() asks with GET where ${status} may mean no more than HEAD`, async () => {
    const script = scriptedFetch([
      [`HEAD ${BLOB}`, { status }],
      [`GET ${BLOB}`, part],
      [`HEAD ${BLOB}`, { status }],
      [`GET ${BLOB}`, { status: 404 }],
      [`HEAD ${BLOB}`, { status }],
      [`GET ${BLOB}`, { status: 416, headers: { "content-range": "bytes */0" } }],
    ]);
    const repository = makeRepository(script.fetch);
    assertEquals(await headBlob(repository, DIGEST), CONTENT.length);
    assertEquals(await headBlob(repository, DIGEST), undefined);
    assertEquals(await headBlob(repository, DIGEST), 0);
    script.assertDone();
  });
}

test("headBlob() asks with GET where HEAD tells of something else, such as a link to the blob", async () => {
  const link = {
    "docker-content-digest": await digestBytes(encode("link")),
    "content-length": "88",
  };
  const blob = { "docker-content-digest": DIGEST, "content-length": `${CONTENT.length}` };
  const script = scriptedFetch([
    [`HEAD ${BLOB}`, { headers: link }],
    [`GET ${BLOB}`, { headers: blob }],
    [`HEAD ${BLOB}`, { headers: link }],
    [`GET ${BLOB}`, { status: 404 }],
  ]);
  const repository = makeRepository(script.fetch);
  assertEquals(await headBlob(repository, DIGEST), CONTENT.length);
  assertEquals(await headBlob(repository, DIGEST), undefined);
  script.assertDone();
});

test("headBlob() does not ask again where the registry says that it wants a login", async () => {
  const headers = { "www-authenticate": 'Bearer realm="https://auth.test/token"' };
  const script = scriptedFetch([[`HEAD ${BLOB}`, { status: 401, headers }]]);
  const error = await assertRejects(
    () => headBlob(makeRepository(script.fetch), DIGEST),
    RegistryError,
  );
  assert(error.hint?.includes("wants a login"), error.hint);
  script.assertDone();
});

// Harbor 2.16, for a name without a project, and for one of a project that it does not have.
const REASONS: [status: number, reason: string, headers: Record<string, string>][] = [
  [400, "BAD_REQUEST: bad request: invalid repository name: app", {}],
  [401, "UNAUTHORIZED: project shop not found", { "www-authenticate": "" }],
];
for (const [status, reason, headers] of REASONS) {
  test(`headBlob() asks with GET why HEAD was answered with ${status} (${reason})`, async () => {
    const [code, message] = reason.split(/: (.*)/);
    const body = JSON.stringify({ errors: [{ code, message }] });
    const script = scriptedFetch([
      [`HEAD ${BLOB}`, { status: 404 }],
      [`HEAD ${BLOB}`, { status, headers }],
      [`GET ${BLOB}`, { status, headers, body }],
    ]);
    const repository = makeRepository(script.fetch);
    await headBlob(repository, DIGEST);
    await assertRejects(
      () => headBlob(repository, DIGEST),
      RegistryError,
      `registry.test answered ${status} ${
        status === 400 ? "Bad Request" : "Unauthorized"
      }: ${reason}`,
    );
    script.assertDone();
  });
}

test("headBlob() names the page that a web server answers with", async () => {
  const page = { headers: { "content-type": "text/html" }, body: "<title>My router</title>" };
  const script = scriptedFetch([[`HEAD ${BLOB}`, page], [`GET ${BLOB}`, page]]);
  await assertRejects(
    () => headBlob(makeRepository(script.fetch), DIGEST),
    RegistryError,
    'registry.test answered 200 with text/html ("My router"), expected the answer of a registry',
  );
});

test("headBlob() takes what names the digest for the word of a registry, whatever type it has", async () => {
  const headers = { "content-type": "text/html; charset=utf-8", "docker-content-digest": DIGEST };
  const script = scriptedFetch([[`HEAD ${BLOB}`, {
    headers: { ...headers, "content-length": "7" },
  }]]);
  assertEquals(await headBlob(makeRepository(script.fetch), DIGEST), 7);
  script.assertDone();
});

test("headBlob() takes the refusal of a registry that has moved behind TLS for its own", async () => {
  const moved = { status: 301, headers: { location: `https://registry.test${BLOB}` } };
  const headers = { "www-authenticate": "Basic" };
  const script = scriptedFetch([[`HEAD ${BLOB}`, moved], [`HEAD ${BLOB}`, {
    status: 401,
    headers,
  }]]);
  await assertRejects(() => headBlob(makeRepository(script.fetch), DIGEST), RegistryError, "401");
  script.assertDone();
});

test("headManifest() asks with GET where another host answers the HEAD", async () => {
  const headers = { "docker-content-digest": DIGEST, "content-type": OCI_MANIFEST };
  const script = scriptedFetch([
    [`HEAD ${MANIFEST}`, led],
    [`HEAD ${SIGNED}`, { status: 403 }],
    [`GET ${MANIFEST}`, led],
    [`GET ${SIGNED}`, { headers }],
  ]);
  const found = await headManifest(makeRepository(script.fetch), "1.0");
  assertEquals(found?.digest, DIGEST);
  assertEquals(sentRequest(script, 2).headers.get("accept")?.includes(OCI_MANIFEST), true);
  script.assertDone();
});

test("pushImage() sends nothing again to a registry whose store takes no HEAD", async () => {
  const registry = createRegistry();
  const fetch: FetchHandler = async (request) => {
    const url = new URL(request.url);
    if (url.hostname === "store.test") {
      if (request.method === "HEAD") return new Response(null, { status: 403 });
      const path = url.searchParams.get("of") ?? "";
      return await registry(new Request(new URL(path, "http://localhost:5000"), request));
    }
    const isBlob = /\/blobs\/sha256:/.test(url.pathname);
    if (!isBlob || (request.method !== "HEAD" && request.method !== "GET")) {
      return await registry(request);
    }
    const { status } = await registry(new Request(request.url, { method: "HEAD" }));
    if (status === 404) return new Response(null, { status });
    const location = `https://store.test/signed?of=${encodeURIComponent(url.pathname)}`;
    return new Response(null, { status: 307, headers: { location } });
  };
  const archive = toBlob(dockerSave([{ image: await makeImage(["a", "b"]), repoTags: ["app:1"] }]));
  const push = () => pushImage(archive, "localhost:5000/app:1", { fetch, retry: { delay: 0 } });
  assert((await push()).bytesUploaded > 0);
  assertEquals((await push()).bytesUploaded, 0);
});

test("pushImage() sends nothing again through a proxy that tells HEAD a length of 0", async () => {
  const registry = createRegistry();
  const passed: string[] = [];
  const fetch: FetchHandler = async (request) => {
    passed.push(`${request.method} ${new URL(request.url).pathname}`);
    const response = await registry(request);
    if (request.method !== "HEAD") return response;
    const headers = new Headers(response.headers);
    headers.set("content-length", "0");
    return new Response(null, { status: response.status, headers });
  };
  const source = toBlob(dockerSave([{ image: await makeImage(["a", "b"]) }]));
  await pushImage(source, "http://registry.test/app:1", { fetch });
  passed.length = 0;
  const { bytesUploaded } = await pushImage(source, "http://registry.test/app:1", { fetch });
  assertEquals([bytesUploaded, passed.filter((line) => /^P/.test(line))], [0, []]);
});

test("headBlob() tells of a blob without a byte that it has none", async () => {
  const none = await digestBytes(encode(""));
  for (
    const rest of [{ headers: { "content-length": "0" } }, {
      status: 416,
      headers: { "content-range": "bytes */0" },
    }]
  ) {
    const script = scriptedFetch([
      [/^HEAD /, { headers: { "content-length": "0" } }],
      [/^GET /, rest],
    ]);
    assertEquals(await headBlob(makeRepository(script.fetch), none), 0);
    script.assertDone();
  }
});
