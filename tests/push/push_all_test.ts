import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type ArchiveInput,
  type ArchiveResult,
  pushAll,
  type PushAllOptions,
} from "../../src/push/push_all.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import {
  dockerSave,
  gzip,
  type MadeLayer,
  makeImage,
  makeLayer,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { faultLayer, sentDigests } from "../helpers/fault_layer.ts";
import { meeting } from "../helpers/meeting.ts";
import { test } from "../helpers/test.ts";

const SHARED = await Promise.all(["base", "lib", "runtime"].map((text) => makeLayer(text)));

async function makeArchive(name: string, layers: readonly (MadeLayer | string)[]): Promise<Blob> {
  const image = await makeImage(layers, { config: { created: name } });
  return toBlob(dockerSave([{ image, repoTags: [`${name}:1`] }]));
}

/** Archives that share three layers, each with one of its own. */
function makeArchives(count: number): Promise<Blob[]> {
  return Promise.all(
    Array.from({ length: count }, (_, at) => makeArchive(`app${at}`, [...SHARED, `own ${at}`])),
  );
}

async function run(
  sources: Iterable<PushSource | ArchiveInput> | AsyncIterable<PushSource | ArchiveInput>,
  options: PushAllOptions,
  target: string | undefined = "localhost:5000",
): Promise<ArchiveResult[]> {
  const results: ArchiveResult[] = [];
  for await (const result of pushAll(sources, target, { retry: { attempts: 1 }, ...options })) {
    results.push(result);
  }
  return results.toSorted((a, b) => a.index - b.index);
}

const KINDS: Record<string, (archive: Blob) => Promise<PushSource> | PushSource> = {
  files: (archive) => archive,
  pipes: (archive) => archive.stream(),
  "compressed files": async (archive) => new Blob([await gzip(await archive.bytes())]),
};

test("pushAll() tells in a dry run which blobs a push then sends, and which it mounts", async () => {
  const registry = createRegistry();
  const archives = await makeArchives(2);
  const mountFrom = ["nowhere"];
  const statuses = async (dryRun: boolean) => {
    // Archives come to the blobs that they share at the same time, and one has no answer before the other asks.
    const met = meeting(2 * SHARED.length);
    const fetch: FetchHandler = async (request) => {
      const isShared = SHARED.some(({ digest }) => request.url.endsWith(digest));
      if (request.url.includes("/nowhere/")) await new Promise((resolve) => setTimeout(resolve));
      else if (isShared && request.method === "HEAD") await met();
      return await registry(request);
    };
    const results = await run(archives, { fetch, dryRun, mountFrom });
    return results.flatMap(({ images }) => images.flatMap(({ blobs }) => blobs))
      .map(({ digest, status }) => `${digest} ${status}`).toSorted();
  };
  assertEquals(await statuses(true), await statuses(false));
});

for (const [kind, toSource] of Object.entries(KINDS)) {
  test(`pushAll() tells in a dry run of the same image in several ${kind} that it stands after the first`, async () => {
    const archive = await makeArchive("app", SHARED);
    const other = await makeArchive("app", ["other"]);
    const target = "localhost:5000/team/app:1";
    for (const before of [[], [other]]) {
      const statuses = async (options: PushAllOptions) => {
        const fetch = createRegistry();
        await run(before, { fetch }, target);
        const sources = await Promise.all([archive, archive, archive].map(toSource));
        const results = await run(sources, { fetch, ...options }, target);
        return results.map(({ status, images }) => `${status} ${images.map((i) => i.status)}`);
      };
      const expected = ["pushed pushed", "exists exists", "exists exists"];
      assertEquals(await statuses({ archives: 1 }), expected);
      assertEquals(await statuses({ archives: 1, dryRun: true }), expected);
      // Which of them is the first is chance.
      const atOnce = await statuses({ archives: 4, dryRun: true });
      assertEquals(atOnce.toSorted(), expected.toSorted());
    }
  });

  test(`pushAll() sends a blob once that several ${kind} hold, and mounts it elsewhere`, async () => {
    const registry = createRegistry();
    const { fetch, seen } = faultLayer(registry);
    const sources = await Promise.all((await makeArchives(8)).map(toSource));
    const inputs = sources.map((source, at) => ({ source, target: `localhost:5000/app${at}:1` }));
    const results = await run(inputs, { fetch });
    assertEquals(results.map(({ status }) => status), Array(8).fill("pushed"));
    const sent = sentDigests(seen);
    assertEquals(sent.length, new Set(sent).size);
    // Three layers that all have; of each archive a layer and a config.
    assertEquals(sent.length, 3 + 8 * 2);
    const statuses = results.flatMap(({ images }) => images.flatMap(({ blobs }) => blobs))
      .map(({ status }) => status);
    assertEquals(statuses.filter((status) => status === "mounted").length, 7 * 3);
    for (let at = 0; at < 8; at++) await readBack(registry, `app${at}`, "1");
  });
}

test("pushAll() to one repository sends shared blobs once and mounts nothing", async () => {
  const { fetch, seen } = faultLayer(createRegistry());
  const archives = await makeArchives(5);
  const inputs = archives.map((source, at) => ({ source, target: `localhost:5000/all:${at}` }));
  const results = await run(inputs, { fetch });
  assertEquals(results.map(({ status }) => status), Array(5).fill("pushed"));
  assertEquals(sentDigests(seen).length, 3 + 5 * 2);
  assert(seen.every(({ query }) => !query.has("mount")));
});

test("pushAll() sends a blob to each repository where the registry does not mount", async () => {
  const registry = createRegistry();
  const { fetch, seen } = faultLayer(registry, ({ query }) =>
    query.has("mount")
      ? {
        kind: "change-request",
        change: (request) => new Request(request.url.replace(/\?.*/, ""), { method: "POST" }),
      }
      : undefined);
  const results = await run(await makeArchives(4), { fetch });
  assertEquals(results.map(({ status }) => status), Array(4).fill("pushed"));
  assertEquals(sentDigests(seen).length, 4 * 5);
});

test("pushAll() sends a blob that the registry says it has mounted, and has not", async () => {
  const registry = createRegistry();
  const { fetch } = faultLayer(
    registry,
    ({ query }) =>
      query.has("mount")
        ? { kind: "answer", answer: () => new Response(null, { status: 201 }) }
        : undefined,
  );
  const results = await run(await makeArchives(4), { fetch, retry: { attempts: 2, delay: 1 } });
  assertEquals(results.map(({ status }) => status), Array(4).fill("pushed"));
  for (let at = 0; at < 4; at++) await readBack(registry, `app${at}`, "1");
});

for (const concurrency of [1, 3]) {
  test(`pushAll() has at most ${concurrency} uploads in flight at a registry`, async () => {
    const registry = createRegistry();
    let [inFlight, most] = [0, 0];
    const met = meeting(concurrency);
    const fetch: FetchHandler = async (request) => {
      if (request.method !== "PUT" || !request.url.includes("/blobs/")) return registry(request);
      most = Math.max(most, ++inFlight);
      await met();
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
      inFlight--;
      return await registry(request);
    };
    const results = await run(await makeArchives(6), { fetch, concurrency, archives: 6 });
    assertEquals(results.map(({ status }) => status), Array(6).fill("pushed"));
    assertEquals(most, concurrency);
  });
}

test("pushAll() again writes nothing", async () => {
  const registry = createRegistry();
  await run(await makeArchives(4), { fetch: registry });
  const { fetch, seen } = faultLayer(registry);
  const results = await run(await makeArchives(4), { fetch });
  assertEquals(results.map(({ status }) => status), Array(4).fill("exists"));
  assert(seen.every(({ method }) => method === "HEAD"));
});

test("pushAll() goes on when an archive fails, and tells why", async () => {
  const registry = createRegistry();
  const [first, second, third] = await makeArchives(3);
  const broken = new File([new Uint8Array(2048).fill(1)], "broken.tar");
  const absent: ArchiveInput = {
    name: "absent.tar",
    source: () => Promise.reject(new Error("no such file")),
  };
  const inputs = [first, broken, second, absent, third].filter((input) => input !== undefined);
  const results = await run(inputs, { fetch: registry });
  assertEquals(results.map(({ name, status }) => `${name} ${status}`), [
    "#1 pushed",
    "broken.tar failed",
    "#3 pushed",
    "absent.tar failed",
    "#5 pushed",
  ]);
  assertEquals(await allTags(registry), ["app0:1", "app1:1", "app2:1"]);
});

test("pushAll() brings a shared blob from another archive where the first one's is damaged", async () => {
  const registry = createRegistry();
  const [base] = SHARED;
  if (!base) throw new TypeError("unreachable");
  const wrong = { ...base, bytes: base.bytes.map((byte, at) => at === 600 ? byte ^ 1 : byte) };
  const begun = Promise.withResolvers<void>();
  const fetch: FetchHandler = async (request) => {
    const isBody = request.method === "PUT" && request.url.includes("/blobs/");
    if (isBody && request.url.includes(base.digest.slice(7))) {
      begun.resolve();
      // The other archive comes to the same blob meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return await registry(request);
  };
  const after = await makeArchive("good", [base, "y"]);
  const inputs: ArchiveInput[] = [
    { source: await makeArchive("bad", [wrong, "x"]) },
    { source: () => begun.promise.then(() => after) },
  ];
  const [bad, good] = await run(inputs, { fetch });
  assertEquals([bad?.status, good?.status], ["failed", "pushed"]);
  assertEquals(await allTags(registry), ["good:1"]);
});

test("pushAll() with failFast ends with the first failure and aborts the rest", async () => {
  const registry = createRegistry();
  const hanging = new ReadableStream<Uint8Array>();
  const inputs: ArchiveInput[] = [
    { name: "hanging", source: hanging, target: "localhost:5000/hanging" },
    { name: "broken", source: new Blob(["not a tar"]) },
    { name: "later", source: () => Promise.reject(new TypeError("unreachable")) },
  ];
  const results = await run(inputs, { fetch: registry, failFast: true, archives: 2 });
  assertEquals(results.map(({ name, status }) => `${name} ${status}`), ["broken failed"]);
});

test("pushAll() opens no more archives than it works on, and closes each", async () => {
  const registry = createRegistry();
  let [open, most, closed] = [0, 0, 0];
  const inputs = (await makeArchives(7)).map((archive): ArchiveInput => ({
    source: () => {
      most = Math.max(most, ++open);
      return Promise.resolve({
        size: archive.size,
        slice: (start: number, end: number) => archive.slice(start, end),
        [Symbol.asyncDispose]: () => {
          open--;
          closed++;
          return Promise.resolve();
        },
      });
    },
  }));
  await run(inputs, { fetch: registry, archives: 2 });
  assertEquals({ most, closed }, { most: 2, closed: 7 });
});

test("pushAll() refuses what another archive has put under the same tag", async () => {
  const registry = createRegistry();
  const inputs = [await makeArchive("app", ["one"]), await makeArchive("app", ["two"])];
  const results = await run(inputs, { fetch: registry });
  const failed = results.filter((result) => result.status === "failed");
  assertEquals(failed.length, 1);
  assertStringIncludes(String(failed[0]?.error), "Cannot push localhost:5000/app:1: ");
  assertStringIncludes(String(failed[0]?.error), " is pushed there as well and is sha256:");
});

test("pushAll() takes the same archive twice", async () => {
  const archive = await makeArchive("app", ["one"]);
  const results = await run([archive, archive], { fetch: createRegistry() });
  assert(results.every(({ status }) => status !== "failed"));
});

test("pushAll() is aborted by its signal once everything has ended", async () => {
  const registry = createRegistry();
  const abort = new AbortController();
  let inFlight = 0;
  const fetch: FetchHandler = async (request) => {
    inFlight++;
    try {
      if (request.method === "PUT") abort.abort(new Error("enough"));
      return await registry(request);
    } finally {
      inFlight--;
    }
  };
  const archives = await makeArchives(6);
  await assertRejects(() => run(archives, { fetch, signal: abort.signal }), Error, "enough");
  assertEquals(inFlight, 0);
});

test("pushAll() ends when nobody asks for more results", async () => {
  const registry = createRegistry();
  const cancelled = Promise.withResolvers<void>();
  const hanging = new ReadableStream<Uint8Array>({ cancel: () => cancelled.resolve() });
  const inputs: ArchiveInput[] = [
    { source: hanging, target: "localhost:5000/hanging" },
    { source: await makeArchive("app", ["one"]) },
  ];
  for await (const result of pushAll(inputs, "localhost:5000", { fetch: registry })) {
    assertEquals(result.status, "pushed");
    break;
  }
  await cancelled.promise;
});

test("pushAll() takes archives as they come, and gives results meanwhile", async () => {
  const registry = createRegistry();
  const more = Promise.withResolvers<void>();
  async function* inputs() {
    yield await makeArchive("one", ["a"]);
    await more.promise;
    yield await makeArchive("two", ["b"]);
  }
  const names: (string | undefined)[] = [];
  for await (const { images } of pushAll(inputs(), "localhost:5000", { fetch: registry })) {
    names.push(images[0]?.reference);
    more.resolve();
  }
  assertEquals(names, ["localhost:5000/one:1", "localhost:5000/two:1"]);
});

test("pushAll() is aborted while it waits for an archive that never comes", async () => {
  const abort = new AbortController();
  let isLeft = false;
  const inputs: AsyncIterable<ArchiveInput> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        queueMicrotask(() => abort.abort(new Error("enough")));
        return new Promise(() => {});
      },
      return: () => {
        isLeft = true;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  await assertRejects(() => run(inputs, { signal: abort.signal }), Error, "enough");
  assert(isLeft);
});

test("pushAll() fails what is no source, and takes the others", async () => {
  // As a caller without types may give them.
  const inputs = JSON.parse('[null, "image.tar", 1, {}]') as Blob[];
  const archive = await makeArchive("app", ["one"]);
  const results = await run([...inputs, archive], { fetch: createRegistry() });
  assertEquals(results.map(({ status }) => status), [...Array(4).fill("failed"), "pushed"]);
  for (const list of [null, "image.tar", {}] as unknown[] as Blob[][]) {
    await assertRejects(() => run(list, {}), TypeError, "expected an array or an iterable");
  }
});

test("pushAll() tells of each event which archive it is about", async () => {
  const seen = new Map<number, string[]>();
  const onEvent: PushAllOptions["onEvent"] = (event, { index }) => {
    if (event.type === "tag") seen.set(index, [...seen.get(index) ?? [], event.reference]);
  };
  await run(await makeArchives(3), { fetch: createRegistry(), onEvent });
  assertEquals([...seen].sort(), [0, 1, 2].map((at) => [at, [`localhost:5000/app${at}:1`]]));
});

test("pushAll() refuses wrong options and targets before it opens anything", async () => {
  const unopened: ArchiveInput = { source: () => Promise.reject(new TypeError("unreachable")) };
  await assertRejects(() => run([unopened], { archives: 0 }), RangeError, "archives 0");
  await assertRejects(() => run([unopened], {}, "localhost:5000/UPPER"), SyntaxError);
});

test("pushAll() mounts what other repositories have without a question, where the image is not there", async () => {
  const { fetch, seen } = faultLayer(createRegistry());
  const results = await run(await makeArchives(5), { fetch, archives: 1 });
  assertEquals(results.map(({ status }) => status), Array(5).fill("pushed"));
  const heads = seen.filter(({ method, path }) => method === "HEAD" && path.includes("/blobs/"));
  // All five blobs of the first; a layer and a config of each other.
  assertEquals(heads.length, 5 + 4 * 2);
});

test("pushAll() sends nothing again that a repository had, where the registry does not mount", async () => {
  const registry = createRegistry();
  const archives = [await makeArchive("app0", SHARED), await makeArchive("app1", SHARED)];
  await run(archives, { fetch: registry });
  const { fetch, seen } = faultLayer(registry, ({ query }) =>
    query.has("mount")
      ? {
        kind: "change-request",
        change: (request) => new Request(request.url.replace(/\?.*/, ""), { method: "POST" }),
      }
      : undefined);
  const more = await Promise.all(
    ["app0", "app1"].map((name) => makeArchive(name, [...SHARED, `new of ${name}`])),
  );
  const results = await run(more, { fetch, archives: 1 });
  assertEquals(results.map(({ status }) => status), ["pushed", "pushed"]);
  assertEquals(sentDigests(seen).length, 2 * 2);
});
