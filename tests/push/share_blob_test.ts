import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createPromise } from "../../src/concurrency.ts";
import { type ArchiveInput, type ArchiveResult, pushAll } from "../../src/push/push_all.ts";
import { pushImage } from "../../src/push/push.ts";
import type { MissingBlob, ShareBlob } from "../../src/push/share_blob.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import { layoutTar, makeImage, makeLayer } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { type Fault, faultLayer, type SeenRequest, sentDigests } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

const SHARED = await Promise.all(["base", "lib", "runtime"].map((text) => makeLayer(text)));

/** An archive with three layers that all have, and one of its own. */
async function makeArchive(name: string): Promise<Blob> {
  const image = await makeImage([...SHARED, `own ${name}`], { config: { created: name } });
  return await layoutTar(image);
}

async function makeInputs(
  names: readonly string[],
  toSource: (archive: Blob) => PushSource,
): Promise<ArchiveInput[]> {
  return await Promise.all(names.map(async (name) => ({
    source: toSource(await makeArchive(name)),
    target: `localhost:5000/${name}:1`,
  })));
}

/** What processes have in common that agree by a table, as those of a fleet do. */
function agreement() {
  const held = new Map<string, string>();
  const busy = new Map<string, Promise<void>>();
  const asked: MissingBlob[] = [];
  const share: ShareBlob = async (blob, bring) => {
    const { registry, repository, digest } = blob;
    const key = `${registry} ${digest}`;
    asked.push(blob);
    while (busy.has(key)) await busy.get(key);
    const holder = held.get(key);
    if (holder !== undefined) return await bring(holder);
    const { promise, resolve } = createPromise();
    busy.set(key, promise);
    try {
      await bring();
      held.set(key, repository);
    } finally {
      busy.delete(key);
      resolve();
    }
  };
  return { share, held, asked };
}

async function pushAs(
  process: ArchiveInput[],
  shareBlob: ShareBlob,
  fetch: FetchHandler,
): Promise<ArchiveResult[]> {
  const options = { fetch, shareBlob, retry: { attempts: 1 } };
  const results = await Array.fromAsync(pushAll(process, undefined, options));
  return results.toSorted((a, b) => a.index - b.index);
}

for (const kind of ["files", "pipes"]) {
  test(`shareBlob: what ${kind} of several processes hold is sent once`, async () => {
    const registry = createRegistry();
    const { fetch, seen } = faultLayer(registry);
    const { share, asked } = agreement();
    const toSource = (archive: Blob) => kind === "files" ? archive : archive.stream();
    const [first, second, third] = [["a", "b"], ["c", "d"], ["e", "f"]];
    const processes = await Promise.all(
      [first, second, third].map((names) => makeInputs(names ?? [], toSource)),
    );
    const results = await Promise.all(processes.map((inputs) => pushAs(inputs, share, fetch)));
    assertEquals(results.flat().map(({ status }) => status), Array(6).fill("pushed"));
    const sent = sentDigests(seen);
    assertEquals(sent.length, new Set(sent).size);
    assertEquals(sent.length, 3 + 6 * 2);
    assertEquals(new Set(asked.map((blob) => blob.registry)), new Set(["localhost:5000"]));
    for (const name of ["a", "b", "c", "d", "e", "f"]) await readBack(registry, name, "1");
  });
}

test("shareBlob: two processes that push one image to one repository send each blob once", async () => {
  const { fetch, seen } = faultLayer(createRegistry());
  const { share } = agreement();
  const archive = await makeArchive("a");
  const options = { fetch, shareBlob: share };
  await Promise.all(
    [1, 2].map((tag) => pushImage(archive, `localhost:5000/team/app:${tag}`, options)),
  );
  const sent = sentDigests(seen);
  assertEquals(sent.length, new Set(sent).size);
});

test("shareBlob: a repository that lacks what it is said to have is no reason to fail", async () => {
  const registry = createRegistry();
  const layer = faultLayer(registry);
  const cases = [["a", "gone", "pushed"], ["b", "b", "pushed"], ["b", "b", "exists"]] as const;
  for (const [name, holder, status] of cases) {
    const [input] = await makeInputs([name], (archive) => archive);
    assert(input);
    const [result] = await pushAs([input], (_, bring) => bring(holder), layer.fetch);
    assertEquals(result?.status, status);
    await readBack(registry, name, "1");
  }
  assertEquals(sentDigests(layer.seen).length, 2 * 5);
});

test("shareBlob: it is told how a blob came", async () => {
  const { fetch } = faultLayer(createRegistry());
  const told: string[] = [];
  for (const [name, holder] of [["a", undefined], ["b", "a"], ["b2", "b"]] as const) {
    const [input] = await makeInputs([name], (archive) => archive);
    assert(input);
    const lines: string[] = [];
    await pushAs([input], async (_, bring) => lines.push(await bring(holder)), fetch);
    told.push(lines.sort().join(" "));
  }
  // Each has a layer and a config of its own.
  const others = "mounted mounted mounted pushed pushed";
  assertEquals(told, ["pushed pushed pushed pushed pushed", others, others]);
});

test("shareBlob: what is sent in place of what was lost is mounted by the next archive", async () => {
  const { fetch, seen } = faultLayer(createRegistry());
  const inputs = await makeInputs(["a", "b", "c"], (archive) => archive);
  await pushAs(inputs, (_, bring) => bring("gone"), fetch);
  const sent = sentDigests(seen);
  assertEquals(sent.length, new Set(sent).size);
});

test("shareBlob: an upload that fails rejects what it was brought by", async () => {
  const answer = () => new Response("full", { status: 507 });
  const fault = ({ method }: SeenRequest): Fault | undefined =>
    method === "PUT" ? { kind: "answer", answer } : undefined;
  const { fetch } = faultLayer(createRegistry(), fault);
  const [input] = await makeInputs(["a"], (archive) => archive);
  assert(input);
  const told: string[] = [];
  const [result] = await pushAs([input], async (_, bring) => {
    try {
      await bring();
    } catch (error) {
      told.push(`${error}`);
      throw error;
    }
  }, fetch);
  assertEquals(result?.status, "failed");
  assertStringIncludes(told.join("\n"), "507");
});

test("shareBlob: with force everything is sent, whoever has it", async () => {
  const { fetch, seen } = faultLayer(createRegistry());
  const archive = await makeArchive("a");
  const shareBlob = () => Promise.reject(new TypeError("unreachable"));
  await pushImage(archive, "localhost:5000/a:1", { fetch, shareBlob, force: true });
  assertEquals(sentDigests(seen).length, 5);
});

const WRONG: [string, ShareBlob, string][] = [
  ["brings nothing", () => Promise.resolve(), "shareBlob() ended before it was brought"],
  [
    "brings twice",
    (_, bring) => bring().then(() => bring()),
    "twice",
  ],
  ["rejects", () => Promise.reject(new Error("the queue is gone")), "the queue is gone"],
];

for (const [what, share, message] of WRONG) {
  test(`shareBlob: one that ${what} fails the archive, and nothing stands`, async () => {
    const registry = createRegistry();
    const [input] = await makeInputs(["a"], (archive) => archive);
    assert(input);
    const [result] = await pushAs([input], share, registry);
    assert(result?.status === "failed");
    assertStringIncludes(`${result.error}`, message);
    assertEquals(await allTags(registry), []);
  });
}

test("shareBlob: waiting for another process ends with the push", async () => {
  const stop = new AbortController();
  const waiting: ShareBlob = async (_, _bring, signal) => {
    stop.abort(new Error("enough"));
    const { promise, resolve } = createPromise();
    signal.addEventListener("abort", resolve);
    if (!signal.aborted) await promise;
    signal.throwIfAborted();
  };
  const options = { fetch: createRegistry(), shareBlob: waiting, signal: stop.signal };
  const pushed = pushImage(await makeArchive("a"), "localhost:5000/a:1", options);
  assertEquals(await pushed.catch((error) => error.message), "enough");
});
