import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import { RegistryError } from "../../../src/errors.ts";
import {
  isJsonObject,
  type JsonObject,
  OCI_EMPTY,
  OCI_MANIFEST,
} from "../../../src/media_types.ts";
import { pullImage } from "../../../src/pull/pull.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage } from "../../../src/push/push.ts";
import { referrersTag } from "../../../src/reference.ts";
import { getManifest } from "../../../src/registry/get_manifest.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { listTags } from "../../../src/registry/listing.ts";
import { headManifest, putManifest } from "../../../src/registry/manifests.ts";
import { keepReferrersTag } from "../../../src/registry/referrers_tag.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import {
  dockerSave,
  encode,
  encodeJson,
  makeImage,
  OciLayout,
  toBlob,
  withPlatform,
} from "../../helpers/archives.ts";
import { readBack } from "../../helpers/expected.ts";
import { test } from "../../helpers/test.ts";
import { pushBlob } from "../../server/registry_calls.ts";
import { makeHttp, makeRepository } from "../make_http.ts";

const TARGET = "http://registry.test/app:1";

const archive = async (content: string) =>
  toBlob(dockerSave([{ image: await makeImage([content]), repoTags: ["app:1"] }]));
const [FIRST, SECOND] = [await archive("first"), await archive("second")];

/** A page of a web server. */
const PAGE = { "content-type": "text/html;charset=utf-8" };

interface Cache {
  fetch: FetchHandler;
  /** `METHOD PATH?QUERY` of what reached the registry. */
  passed: string[];
}

interface CacheOptions {
  /** Whether answers have the header `Age`. */
  tellsAge?: boolean;
  /** Statuses whose answers are kept. */
  keeps?: readonly number[];
}

/**
 * What stands before a registry as Varnish does: every read, and that something is absent, is kept for its URL. nginx does
 * not tell the age of what it has kept, and keeps what is absent only where it is told to.
 */
function cacheBefore(
  registry: FetchHandler,
  { tellsAge = true, keeps = [200, 404] }: CacheOptions = {},
): Cache {
  const kept = new Map<string, Response>();
  const passed: string[] = [];
  const fetch: FetchHandler = async (request) => {
    const { pathname, search } = new URL(request.url);
    const isRead = request.method === "GET" || request.method === "HEAD";
    const key = `${request.method} ${pathname}${search}`;
    const answer = isRead ? kept.get(key) : undefined;
    if (!answer) passed.push(key);
    const { status, headers, body } = answer?.clone() ?? await registry(request);
    const aged = new Headers(headers);
    if (tellsAge) aged.set("age", "0");
    else aged.set("server", "nginx/1.22.1");
    const response = new Response(body, { status, headers: aged });
    if (isRead && keeps.includes(status)) kept.set(key, response.clone());
    return response;
  };
  return { fetch, passed };
}

/** A registry that has all of both images but their tag, and a cache before it. */
async function setUp(cache?: CacheOptions) {
  const registry = createRegistry();
  for (const each of [FIRST, SECOND]) await push(each, registry, {}, "http://registry.test/app:x");
  return { registry, ...cacheBefore(registry, cache) };
}

async function push(
  source: Blob,
  fetch: FetchHandler,
  options: PushOptions = {},
  target = TARGET,
): Promise<string | undefined> {
  const { images } = await pushImage(source, target, { fetch, ...options });
  return images[0]?.digest;
}

test("pushImage() writes a tag that a cache says stands, and that names something else by now", async () => {
  const { registry, fetch } = await setUp();
  const first = await push(FIRST, registry);
  assertEquals(await push(FIRST, fetch), first);
  assert(await push(SECOND, fetch) !== first);
  assertEquals(await push(FIRST, fetch), first);
  assertEquals((await readBack(registry, "app", "1")).digest, first);
});

test("pushImage() leaves a tag that a cache says is absent, where it is to be left", async () => {
  const { registry, fetch } = await setUp();
  await push(FIRST, fetch, { onExisting: "skip" });
  const before = (await readBack(registry, "app", "1")).digest;
  await push(SECOND, fetch, { onExisting: "skip" });
  assertEquals((await readBack(registry, "app", "1")).digest, before);
});

test("pushImage() sends nothing twice although a cache says that it is absent", async () => {
  const { fetch, passed } = cacheBefore(createRegistry());
  await push(FIRST, fetch);
  passed.length = 0;
  await push(FIRST, fetch);
  assertEquals(passed.filter((line) => !line.startsWith("HEAD ")), []);
});

test("pullImage() reads what a cache says is absent, and leaves the rest to the cache", async () => {
  const { fetch, passed } = cacheBefore(createRegistry());
  await push(FIRST, fetch);
  await Array.fromAsync(pullImage(TARGET, { fetch }));
  passed.length = 0;
  await Array.fromAsync(pullImage(TARGET, { fetch }));
  assertEquals(passed.map((line) => line.replace(/\?.*/, "")), ["GET /v2/app/manifests/1"]);
});

test("headManifest() finds what is there where a registry answers 404 to a query that it does not know", async () => {
  const registry = createRegistry();
  const digest = await push(FIRST, registry, {}, "http://registry.test/team/app:1");
  // As CherryPy does, which knows the parameters of each resource.
  const strict: FetchHandler = (request) =>
    new URL(request.url).search.includes("past-cache=")
      ? Promise.resolve(new Response("<html>", { status: 404, headers: PAGE }))
      : registry(request);
  const { fetch, passed } = cacheBefore(strict, { tellsAge: false, keeps: [] });
  const repository = makeRepository(fetch);
  assertEquals((await headManifest(repository, "1"))?.digest, digest);
  passed.length = 0;
  assertEquals((await headManifest(repository, "1"))?.digest, digest);
  assertEquals(passed, ["HEAD /v2/team/app/manifests/1"]);
});

test("a refusal that came through a cache is not asked for again", async () => {
  for (const status of [429, 503]) {
    let asked = 0;
    const fetch: FetchHandler = () => {
      asked++;
      return Promise.resolve(new Response(null, { status, headers: { age: "0" } }));
    };
    const repository = makeRepository(fetch, { retry: { attempts: 1 } });
    await assertRejects(() => headManifest(repository, "1"), RegistryError);
    assertEquals(asked, 1, `${status}`);
  }
});

/** As nginx does with `proxy_cache_valid 200 1m`. */
const SILENT: CacheOptions = { tellsAge: false, keeps: [200] };

test("pushImage() writes a tag that a cache says stands without telling how old that is", async () => {
  const { registry, fetch } = await setUp(SILENT);
  const first = await push(FIRST, registry);
  assertEquals(await push(FIRST, fetch), first);
  assert(await push(SECOND, fetch) !== first);
  assertEquals(await push(FIRST, fetch), first);
  assertEquals((await readBack(registry, "app", "1")).digest, first);
});

test("headManifest() asks nginx twice, and past what it may keep from then on", async () => {
  const { fetch, passed } = await setUp(SILENT);
  const repository = makeRepository(fetch);
  passed.length = 0;
  for (const tag of ["1", "2"]) await headManifest(repository, tag);
  const past = (tag: string) => `HEAD /v2/team/app/manifests/${tag}?past-cache`;
  assertEquals(passed.map((line) => line.replace(/=.*/, "")), [
    "HEAD /v2/team/app/manifests/1",
    past("1"),
    past("2"),
  ]);
});

test("pushImage() writes a tag to its own place, where caches drop what they have kept", async () => {
  for (const cache of [SILENT, {}]) {
    const { fetch, passed } = await setUp(cache);
    await push(FIRST, fetch);
    await push(SECOND, fetch);
    const written = passed.filter((line) =>
      line.startsWith("PUT ") && line.includes("/manifests/1")
    );
    assertEquals(written, ["PUT /v2/app/manifests/1", "PUT /v2/app/manifests/1"]);
  }
});

test("pullImage() and lists give what there is, not what nginx has kept", async () => {
  const { registry, fetch, passed } = await setUp(SILENT);
  await push(FIRST, registry);
  const newcomer = () => ({ http: makeHttp(fetch), repository: "app" });
  await getManifest(newcomer(), "1");
  await Array.fromAsync(listTags(newcomer()));
  const current = await push(SECOND, registry);
  await push(SECOND, registry, {}, "http://registry.test/app:new");
  passed.length = 0;
  const repository = newcomer();
  assertEquals((await getManifest(repository, "1")).digest, current);
  assertEquals(passed.map((line) => line.replace(/=.*/, "")), [
    "GET /v2/app/manifests/1?past-cache",
  ]);
  assertEquals(await Array.fromAsync(listTags(repository)), ["1", "new", "x"]);
  assertEquals(await Array.fromAsync(listTags(newcomer())), ["1", "new", "x"]);
});

test("pullImage() reads a blob that nginx keeps as absent", async () => {
  const { images } = await pushImage(FIRST, TARGET, { fetch: createRegistry() });
  const { fetch } = cacheBefore(createRegistry(), { tellsAge: false });
  for (const { digest } of images[0]?.blobs ?? []) {
    // nginx asks with GET where it is asked with HEAD, as before a blob is sent.
    const asked = await fetch(new Request(`http://registry.test/v2/app/blobs/${digest}`));
    assertEquals(asked.status, 404);
  }
  await push(FIRST, fetch);
  const chunks = await Array.fromAsync(pullImage(TARGET, { fetch }));
  assert(chunks.length > 0);
});

/** What answers in place of a registry that is asked past its cache: a broken connection, or a status. */
const INSTEAD: [string, FetchHandler][] = [
  ["whose connections break", () => Promise.reject(new TypeError("connection reset"))],
  ...[502, 400, 405].map((status): [string, FetchHandler] => [
    `that answers ${status}`,
    () => Promise.resolve(new Response(null, { status })),
  ]),
];

for (const [what, answerInstead] of INSTEAD) {
  test(`getManifest() takes what a cache has kept before a registry ${what}`, async () => {
    const registry = createRegistry();
    const first = await push(FIRST, registry);
    const { fetch } = cacheBefore((request) => {
      return request.url.includes("past-cache") ? answerInstead(request) : registry(request);
    }, SILENT);
    const repository = { http: makeHttp(fetch), repository: "app" };
    for (let read = 0; read < 2; read++) {
      assertEquals((await getManifest(repository, "1")).digest, first);
    }
  });
}

test("getManifest() asks past a cache no more where a registry takes no such query", async () => {
  const registry = createRegistry();
  await push(FIRST, registry);
  let asked = 0;
  const { fetch } = cacheBefore((request) => {
    asked++;
    const isPast = request.url.includes("past-cache");
    return isPast ? Promise.resolve(new Response(null, { status: 400 })) : registry(request);
  }, SILENT);
  const repository = { http: makeHttp(fetch), repository: "app" };
  for (let read = 0; read < 2; read++) await getManifest(repository, "1");
  assertEquals(asked, 2);
});

for (const [what, answerInstead] of INSTEAD.slice(0, 2)) {
  test(`getManifest() asks past a cache again after a registry ${what} for once`, async () => {
    const registry = createRegistry();
    await push(FIRST, registry);
    let failures = 1;
    const { fetch } = cacheBefore((request) => {
      const fails = request.url.includes("past-cache") && failures-- > 0;
      return fails ? answerInstead(request) : registry(request);
    }, SILENT);
    const repository = { http: makeHttp(fetch), repository: "app" };
    await getManifest(repository, "1");
    const second = await push(SECOND, registry);
    assertEquals((await getManifest(repository, "1")).digest, second);
  });
}

test("headManifest() waits for a registry that is down behind a cache", async () => {
  const registry = createRegistry();
  await push(FIRST, registry);
  let failures = 2;
  const { fetch } = cacheBefore((request) => {
    const fails = request.url.includes("past-cache") && failures-- > 0;
    return fails ? Promise.resolve(new Response(null, { status: 502 })) : registry(request);
  }, SILENT);
  await headManifest({ http: makeHttp(fetch), repository: "app" }, "1");
  assertEquals(failures, -1);
});

test("pushImage() writes an index and its manifests that were deleted since a cache was asked", async () => {
  const registry = createRegistry({ allowDelete: true });
  const { fetch } = cacheBefore(registry, SILENT);
  const layout = new OciLayout();
  const children = [];
  for (const platform of ["linux/amd64", "linux/arm64"]) {
    children.push(withPlatform(await layout.image(await makeImage([platform])), platform));
  }
  const index = await layout.indexOf(children);
  layout.add(index, { ref: "1" });
  const archive = toBlob(layout.entries());
  await push(archive, fetch);
  await push(archive, fetch);
  for (const { digest } of [...children, index]) {
    const url = `http://registry.test/v2/app/manifests/${digest}`;
    await fetch(new Request(url));
    assertEquals((await registry(new Request(url, { method: "DELETE" }))).status, 202);
  }
  await push(archive, fetch);
  assertEquals((await readBack(registry, "app", "1")).digest, index.digest);
});

test("keepReferrersTag() adds to the list as it is, not as a cache has kept it", async () => {
  const registry = createRegistry();
  await pushBlob(registry, "{}", "team/app");
  const repository = makeRepository(cacheBefore(registry, SILENT).fetch);
  const subject = { mediaType: OCI_MANIFEST, digest: await digestBytes(encode("{}")), size: 2 };
  const refer = async (artifactType: string) => {
    const config = { mediaType: OCI_EMPTY, digest: subject.digest, size: 2 };
    const json = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType,
      config,
      layers: [],
      subject,
    };
    const bytes = encodeJson(json);
    const manifest = { mediaType: OCI_MANIFEST, digest: await digestBytes(bytes), bytes };
    await putManifest(repository, manifest.digest, manifest);
    await keepReferrersTag(repository, { ...manifest, subject });
    return manifest.digest;
  };
  const tag = referrersTag(subject.digest);
  const first = await refer("text/a");
  await getManifest(repository, tag);
  const expected = [first, await refer("text/b"), await refer("text/c")];
  const { json } = await getManifest(makeRepository(registry), tag);
  assertEquals(parseList(json), expected);
});

function parseList({ manifests }: JsonObject): unknown[] {
  assert(Array.isArray(manifests));
  return manifests.map((entry) => isJsonObject(entry) ? entry.digest : entry);
}
