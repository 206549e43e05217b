import { assert, assertEquals, assertRejects } from "@std/assert";
import { RegistryError } from "../../../src/errors.ts";
import { pullImage } from "../../../src/pull/pull.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage } from "../../../src/push/push.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { headManifest } from "../../../src/registry/manifests.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { dockerSave, makeImage, toBlob } from "../../helpers/archives.ts";
import { readBack } from "../../helpers/expected.ts";
import { test } from "../../helpers/test.ts";
import { makeRepository } from "../make_http.ts";

const TARGET = "http://registry.test/app:1";

const archive = async (content: string) =>
  toBlob(dockerSave([{ image: await makeImage([content]), repoTags: ["app:1"] }]));
const [FIRST, SECOND] = [await archive("first"), await archive("second")];

interface Cache {
  fetch: FetchHandler;
  /** `METHOD PATH?QUERY` of what reached the registry. */
  passed: string[];
}

/** What stands before a registry as Varnish does: every read, and that something is absent, is kept for its URL. */
function cacheBefore(registry: FetchHandler): Cache {
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
    aged.set("age", "0");
    const response = new Response(body, { status, headers: aged });
    if (isRead && (status === 200 || status === 404)) kept.set(key, response.clone());
    return response;
  };
  return { fetch, passed };
}

/** A registry that has all of both images but their tag, and a cache before it. */
async function setUp() {
  const registry = createRegistry();
  for (const each of [FIRST, SECOND]) await push(each, registry, {}, "http://registry.test/app:x");
  return { registry, ...cacheBefore(registry) };
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
