import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { copyAll, type CopyAllOptions } from "../../src/push/copy_all.ts";
import type { CopyInput } from "../../src/push/copy_list.ts";
import type { PushEvent } from "../../src/push/events.ts";
import { pushImage } from "../../src/push/push.ts";
import type { ArchiveResult } from "../../src/push/push_all.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { makeImage, makeLayer, OciLayout, platformLayout, toBlob } from "../helpers/archives.ts";
import { sign } from "../helpers/cosign.ts";
import { allTags, readBack, type Registry } from "../helpers/expected.ts";
import { endlessTags } from "../helpers/endless_tags.ts";
import {
  endsUpload,
  type Fault,
  faultLayer,
  type SeenRequest,
  sentDigests,
} from "../helpers/fault_layer.ts";
import { meeting } from "../helpers/meeting.ts";
import { test } from "../helpers/test.ts";

const SOURCE = "localhost:5000";
const TARGET = "localhost:6000";
const APP = `${SOURCE}/team/app`;

const shared = await Promise.all(["base", "lib"].map((text) => makeLayer(text)));

/** Gives repositories tags, each an image with a layer of its own above two that all have. */
async function fill(registry: Registry, names: readonly string[], change = ""): Promise<void> {
  for (const name of names) {
    const layout = new OciLayout();
    const image = await makeImage([...shared, `own ${name}${change}`]);
    layout.add(await layout.image(image), { ref: "1" });
    await pushImage(toBlob(layout.entries()), `${SOURCE}/${name}`, { fetch: registry });
  }
}

interface World {
  from: Registry;
  to: Registry;
  reads: ReturnType<typeof faultLayer>;
  writes: ReturnType<typeof faultLayer>;
  fetch: FetchHandler;
}

/** Two registries, the first with images, and the requests to both. */
async function world(
  names: readonly string[],
  { source, target }: {
    source?: (request: SeenRequest) => Fault | undefined;
    target?: (request: SeenRequest) => Fault | undefined;
  } = {},
): Promise<World> {
  const [from, to] = [createRegistry(), createRegistry()];
  await fill(from, names);
  const [reads, writes] = [faultLayer(from, source), faultLayer(to, target)];
  const fetch: FetchHandler = (request) =>
    (new URL(request.url).host === SOURCE ? reads : writes).fetch(request);
  return { from, to, reads, writes, fetch };
}

type Sources = Parameters<typeof copyAll>[0];

async function run(
  sources: Sources,
  target: string | undefined,
  options: CopyAllOptions,
): Promise<ArchiveResult[]> {
  const results: ArchiveResult[] = [];
  for await (const result of copyAll(sources, target, { retry: { delay: 0 }, ...options })) {
    results.push(result);
  }
  return results.toSorted((a, b) => a.index - b.index);
}

const told = (results: readonly ArchiveResult[]) =>
  results.map(({ name, status }) => `${name.slice(name.indexOf("/") + 1)} ${status}`);

const TAGS = ["1.0", "1.1", "1.1-rc1", "2.0"];
const NAMES = TAGS.map((tag) => `team/app:${tag}`);

test("copyAll() with allTags copies every tag, sends each blob once, and mounts it elsewhere", async () => {
  const { from, to, writes, fetch } = await world([...NAMES, "team/other:1"]);
  const sources = [APP, `${SOURCE}/team/other`];
  const results = await run(sources, `${TARGET}/mirror/`, { fetch, allTags: true });
  assertEquals(told(results), [...NAMES, "team/other:1"].map((name) => `${name} pushed`));
  for (const tag of TAGS) {
    assertEquals(await readBack(to, "mirror/team/app", tag), await readBack(from, "team/app", tag));
  }
  const sent = sentDigests(writes.seen);
  // Two layers that all have; of each image a config and a layer.
  assertEquals([sent.length, new Set(sent).size], [2 + 5 * 2, 2 + 5 * 2]);
  const mounted = results.flatMap(({ images }) => images.flatMap(({ blobs }) => blobs))
    .filter(({ status }) => status === "mounted");
  assertEquals(mounted.length, 2);
});

test("copyAll() again asks for both lists and digests alone, and says that all is there", async () => {
  const { reads, writes, fetch } = await world(NAMES);
  const events: PushEvent[] = [];
  const copy = () =>
    run([APP], `${TARGET}/copied`, {
      fetch,
      allTags: true,
      onEvent: (event) => void events.push(event),
    });
  await copy();
  const [read, written] = [reads.seen.length, writes.seen.length];
  events.length = 0;
  const again = await copy();
  assertEquals(told(again), NAMES.map((name) => `${name} exists`));
  assertEquals(
    again.flatMap(({ images }) => images.map(({ reference }) => reference)),
    TAGS.map((tag) => `${TARGET}/copied:${tag}`),
  );
  const isAsked = ({ method, path }: SeenRequest) =>
    path.endsWith("/tags/list") || (method === "HEAD" && path.includes("/manifests/"));
  const asked = [...reads.seen.slice(read), ...writes.seen.slice(written)];
  assert(asked.every(isAsked));
  assertEquals(asked.filter(({ method }) => method === "HEAD").length, 2 * TAGS.length);
  assertEquals(events.filter(({ type }) => type === "tag").length, TAGS.length);
});

test("copyAll() copies only what differs", async () => {
  const { from, to, reads, fetch } = await world(NAMES);
  const options = { fetch, allTags: true };
  await run([APP], `${TARGET}/copied`, options);
  await fill(from, ["team/app:1.1", "team/app:3.0"], " changed");
  const before = reads.seen.length;
  const results = await run([APP], `${TARGET}/copied`, options);
  assertEquals(told(results), [
    "team/app:1.0 exists",
    "team/app:1.1 pushed",
    "team/app:1.1-rc1 exists",
    "team/app:2.0 exists",
    "team/app:3.0 pushed",
  ]);
  const gets = reads.seen.slice(before).filter(({ method, path }) =>
    method === "GET" && path.includes("/manifests/")
  );
  assertEquals(gets.length, 2);
  assertEquals(await readBack(to, "copied", "1.1"), await readBack(from, "team/app", "1.1"));
});

test("copyAll() takes the tags that fit a pattern, and says where none does", async () => {
  const { to, fetch } = await world(NAMES);
  const options = { fetch, allTags: true };
  const results = await run([APP], `${TARGET}/copied`, { ...options, tags: ["1.*", "!*-rc*"] });
  assertEquals(told(results), ["team/app:1.0 pushed", "team/app:1.1 pushed"]);
  assertEquals(await allTags(to), ["copied:1.0", "copied:1.1"]);
  const [none] = await run([APP], `${TARGET}/copied`, { ...options, tags: ["v*"] });
  assert(none?.status === "failed");
  assertEquals(
    `${none.error}`,
    `OciError: Cannot copy tags of ${APP}: none fits, it has 1.0, 1.1, 1.1-rc1, 2.0`,
  );
});

test("copyAll() takes images of a list, each to its own target or to the one of the call", async () => {
  const { from, to, fetch } = await world(["team/app:1", "team/other:2"]);
  const { digest } = await readBack(from, "team/app", "1");
  async function* list(): AsyncGenerator<string | CopyInput> {
    yield `${SOURCE}/team/app:1`;
    yield { source: `${SOURCE}/team/other:2`, target: [`${TARGET}/a:1`, `${TARGET}/b:1`] };
    yield { source: `${SOURCE}/team/app@${digest}`, target: `${TARGET}/pinned/` };
  }
  const results = await run(list(), TARGET, { fetch });
  assertEquals(results.map(({ status }) => status), Array(3).fill("pushed"));
  assertEquals(await allTags(to), ["a:1", "b:1", "team/app:1"]);
  assertEquals((await readBack(to, "pinned/team/app", digest)).digest, digest);
  const again = await run(list(), TARGET, { fetch });
  assertEquals(again.map(({ status }) => status), Array(3).fill("exists"));
});

test("copyAll() tells that an image becomes latest where its target has no tag", async () => {
  const { to, fetch } = await world(["a:1"]);
  const warnings: string[] = [];
  const onEvent: CopyAllOptions["onEvent"] = (event) =>
    void (event.type === "warning" && warnings.push(event.message));
  for (const status of ["pushed", "exists"]) {
    const [result] = await run([`${SOURCE}/a:1`], `${TARGET}/b`, { fetch, onEvent });
    assertEquals(result?.status, status);
  }
  assertEquals(await allTags(to), ["b:latest"]);
  assertEquals(warnings.length, 1);
});

test("copyAll() to a place leaves out what Docker Hub puts before the names of its own images", async () => {
  const { from, to } = await world(["library/nginx:1"]);
  const fetch: FetchHandler = (request) =>
    (new URL(request.url).host === TARGET ? to : from)(request);
  await run(["docker.io/library/nginx:1"], `${TARGET}/mirror/`, { fetch });
  assertEquals(await allTags(to), ["mirror/nginx:1"]);
});

test("copyAll() goes on when an image fails, and tells why", async () => {
  const { to, fetch } = await world(["a:1", "c:1"]);
  const sources = [`${SOURCE}/a:1`, `${SOURCE}/b:1`, "not/A:reference", `${SOURCE}/c:1`];
  const results = await run(sources, TARGET, { fetch });
  assertEquals(results.map(({ status }) => status), ["pushed", "failed", "failed", "pushed"]);
  assertMatch(
    JSON.stringify(results.map((result) => "error" in result && `${result.error}`)),
    /repository/,
  );
  assertEquals(await allTags(to), ["a:1", "c:1"]);
  const first = await run([`${SOURCE}/b:1`, `${SOURCE}/c:1`], `${TARGET}/x/`, {
    fetch,
    failFast: true,
    images: 1,
  });
  assertEquals(first.at(-1)?.status, "failed");
});

test("copyAll() takes a text alone for one image, and what is none for a failure of its own", async () => {
  const { fetch } = await world(["team/app:1"]);
  const failures = async (sources: unknown) => {
    const results = copyAll(sources as Sources, TARGET, { fetch });
    return (await Array.fromAsync(results)).map(({ name, status }) => [name, status]);
  };
  assertEquals(await failures(`${APP}:1`), [[`${APP}:1`, "pushed"]]);
  assertEquals((await failures([null, undefined, 5])).map(([, status]) => status), [
    ...["failed", "failed", "failed"],
  ]);
});

test("copyAll() of a repository that is not there fails for that alone", async () => {
  const { to, fetch } = await world(["a:1"]);
  const sources = [`${SOURCE}/none`, `${SOURCE}/a`, `${SOURCE}/a:1`];
  const results = await run(sources, TARGET, { fetch, allTags: true });
  assertEquals(told(results), ["none failed", "a:1 pushed", "a:1 failed"]);
  assertEquals(await allTags(to), ["a:1"]);
});

test("copyAll() with dryRun writes nothing, and tells what it would", async () => {
  const { from, to, writes, fetch } = await world(NAMES);
  await run([`${APP}:1.0`], `${TARGET}/copied:1.0`, { fetch });
  await fill(from, ["team/app:1.1"], " changed");
  const before = writes.seen.length;
  const events: PushEvent[] = [];
  const results = await run([APP], `${TARGET}/copied`, {
    fetch,
    allTags: true,
    dryRun: true,
    onEvent: (event) => void events.push(event),
  });
  assertEquals(told(results).map((line) => line.split(" ")[1]), [
    "exists",
    "pushed",
    "pushed",
    "pushed",
  ]);
  assert(writes.seen.slice(before).every(({ method }) => method === "HEAD" || method === "GET"));
  assert(events.every(({ type }) => type !== "tag"));
  assertEquals(await allTags(to), ["copied:1.0"]);
});

test("copyAll() of 50 tags ends whole where both registries answer 429 half of the time", async () => {
  const names = Array.from({ length: 50 }, (_, at) => `team/app:v${at}`);
  let seed = 7;
  const refuse = (): Fault | undefined => {
    seed = seed * 16_807 % 2_147_483_647;
    const answer = () => new Response(null, { status: 429 });
    return seed % 2 ? { kind: "answer", answer } : undefined;
  };
  const { from, to, fetch } = await world(names, { source: refuse, target: refuse });
  const results = await run([APP], `${TARGET}/copied`, { fetch, allTags: true });
  assertEquals(results.filter(({ status }) => status === "pushed").length, 50);
  for (const name of names) {
    const tag = name.split(":")[1] ?? "";
    assertEquals(await readBack(to, "copied", tag), await readBack(from, "team/app", tag));
  }
});

test("copyAll() has no more uploads in flight than it may, and looks at few images ahead", async () => {
  const names = Array.from({ length: 60 }, (_, at) => `team/app:v${at}`);
  const { to, fetch } = await world(names);
  const now = { uploads: 0, all: 0 };
  const most = { ...now };
  const met = meeting(2);
  const counted: FetchHandler = async (request) => {
    const isUpload = request.method === "PUT" && request.url.includes("/blobs/");
    now.all++;
    if (isUpload) now.uploads++;
    most.all = Math.max(most.all, now.all);
    most.uploads = Math.max(most.uploads, now.uploads);
    if (isUpload) await met();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve));
    now.all--;
    if (isUpload) now.uploads--;
    return await fetch(request);
  };
  const options = { fetch: counted, allTags: true, images: 2, concurrency: 2 };
  await run([APP], `${TARGET}/copied`, options);
  assertEquals(most.uploads, 2);
  assert(most.all <= 2 * 8, `${most.all} requests at once`);
  assertEquals((await allTags(to)).length, 60);
});

test("copyAll() within a registry mounts, and shares what is known of it", async () => {
  const registry = createRegistry();
  await fill(registry, NAMES);
  const { fetch, seen } = faultLayer(registry);
  const results = await run([APP], `${SOURCE}/copied`, { fetch, allTags: true });
  assertEquals(results.map(({ status }) => status), Array(4).fill("pushed"));
  assertEquals(seen.filter(endsUpload).length, 0);
  assertEquals(results.reduce((sum, { bytesUploaded }) => sum + bytesUploaded, 0), 0);
});

test("copyAll() sends each side its own headers", async () => {
  const { reads, writes, fetch } = await world(["a:1", "b:1"]);
  const options = { fetch, headers: { "x-side": "to" }, sourceHeaders: { "x-side": "from" } };
  await run([`${SOURCE}/a:1`, `${SOURCE}/b:1`], TARGET, options);
  assert(writes.seen.every(({ headers }) => headers.get("x-side") === "to"));
  assert(reads.seen.every(({ headers }) => headers.get("x-side") === "from"));
});

test("copyAll() refuses what another image has put under the same tag, also where that stands", async () => {
  const { fetch } = await world(["a:1", "b:1"]);
  const target = `${TARGET}/one:1`;
  await run([`${SOURCE}/a:1`], target, { fetch });
  const results = await run([`${SOURCE}/a:1`, `${SOURCE}/b:1`], target, { fetch, images: 1 });
  assertEquals(told(results), ["a:1 exists", "b:1 failed"]);
  const [, failed] = results;
  assert(failed?.status === "failed");
  assertMatch(`${failed.error}`, /Cannot copy localhost:6000\/one:1: .* is copied there as well/);
});

test("copyAll() leaves a tag that names something else, or fails, where that is wanted", async () => {
  const { from, fetch } = await world(["a:1"]);
  await run([`${SOURCE}/a:1`], TARGET, { fetch });
  await fill(from, ["a:1"], " changed");
  const run1 = (onExisting: "skip" | "error") =>
    run([`${SOURCE}/a:1`], TARGET, { fetch, onExisting });
  assertEquals(told(await run1("skip")), ["a:1 exists"]);
  assertEquals(told(await run1("error")), ["a:1 failed"]);
});

test("copyAll() of one platform does not take an index that stands for it, and copies to a target once", async () => {
  const { from, to, fetch } = await world([]);
  const { layout, children } = await platformLayout((platform) => [platform]);
  await pushImage(toBlob(layout.entries()), `${SOURCE}/multi:1`, { fetch: from });
  const input = { source: `${SOURCE}/multi:1`, target: [`${TARGET}/multi:1`, `${TARGET}/multi:1`] };
  const [whole] = await run([input], undefined, { fetch });
  assertEquals(whole?.images.length, 1);
  const options = { fetch, platforms: ["linux/amd64"] };
  assertEquals(told(await run([input], undefined, options)), ["multi:1 pushed"]);
  assertEquals((await readBack(to, "multi", "1")).digest, children[0]?.digest);
});

test("copyAll() tells once what it leaves of cosign's tags, brings them with all tags or referrers", async () => {
  const { from, to, fetch } = await world(["team/app:1", "team/app:2"]);
  const { digest } = await readBack(from, "team/app", "1");
  const { tag } = await sign(from, APP, digest);
  const warnings: string[] = [];
  const copy = (target: string, options: CopyAllOptions) =>
    run([APP], `${TARGET}/${target}`, {
      fetch,
      allTags: true,
      onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
      ...options,
    });
  await copy("some", { tags: ["[0-9]"] });
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0] ?? "", /^1 signature that cosign keeps .*--referrers/);
  await copy("all", {});
  await copy("beside", { referrers: true, tags: ["1"] });
  assertEquals(warnings.length, 1);
  assertEquals(await allTags(to), [
    "all:1",
    "all:2",
    `all:${tag}`,
    "beside:1",
    `beside:${tag}`,
    "some:1",
    "some:2",
  ]);
});

test("copyAll() with referrers looks for them beside what stands, too", async () => {
  const { from, to, fetch } = await world(["team/app:1"]);
  await run([`${APP}:1`], TARGET, { fetch });
  const { digest } = await readBack(from, "team/app", "1");
  const { tag } = await sign(from, APP, digest);
  const options = { fetch, allTags: true, referrers: true };
  assertEquals(told(await run([APP], `${TARGET}/team/app`, options)), ["team/app:1 pushed"]);
  assertEquals(await allTags(to), ["team/app:1", `team/app:${tag}`]);
});

test("copyAll() is aborted by its signal once everything has ended", async () => {
  const abort = new AbortController();
  const { fetch } = await world(NAMES, {
    target: ({ method }) =>
      method === "PUT"
        ? { kind: "before", run: () => abort.abort(new Error("enough")) }
        : undefined,
  });
  let inFlight = 0;
  const counted: FetchHandler = async (request) => {
    inFlight++;
    return await fetch(request).finally(() => void inFlight--);
  };
  const options = { fetch: counted, allTags: true, signal: abort.signal };
  await assertRejects(() => run([APP], `${TARGET}/copied`, options), Error, "enough");
  assertEquals(inFlight, 0);
});

test("copyAll() gives results as images come, and ends when nobody asks for more", async () => {
  const { to, fetch } = await world(["a:1", "b:1"]);
  const more = Promise.withResolvers<void>();
  async function* list() {
    yield `${SOURCE}/a:1`;
    await more.promise;
    yield `${SOURCE}/b:1`;
  }
  const copied: string[] = [];
  for await (const { name } of copyAll(list(), TARGET, { fetch })) {
    copied.push(name);
    more.resolve();
    break;
  }
  assertEquals(copied, [`${SOURCE}/a:1`]);
  assertEquals(await allTags(to), ["a:1"]);
});

test("copyAll() asks a target each tag where it has no list", async () => {
  for (const status of [405, 500]) {
    let asked = 0;
    const { fetch } = await world(NAMES, {
      target: ({ path }) =>
        path.endsWith("/tags/list")
          ? { kind: "answer", answer: () => (asked++, new Response(null, { status })) }
          : undefined,
    });
    const options = { fetch, allTags: true };
    await run([APP], `${TARGET}/copied`, options);
    assertEquals(asked, 1);
    const again = await run([APP], `${TARGET}/copied`, options);
    assertEquals(told(again), NAMES.map((name) => `${name} exists`));
  }
});

test("copyAll() asks a target again whose list of tags broke off", async () => {
  let asked = 0;
  const { fetch } = await world(NAMES, {
    target: ({ path }) =>
      path.endsWith("/tags/list") && asked++ === 0 ? { kind: "refuse" } : undefined,
  });
  await run([APP], `${TARGET}/copied`, { fetch, allTags: true });
  assertEquals(asked, 2);
});

test("copyAll() leaves out what a registry lists that is no tag", async () => {
  const names = ["1.0", "../../../v2/other/manifests/1", "a b", "\u001b[31m", ""];
  const { to, reads, fetch } = await world(["team/app:1.0"], {
    source: ({ path }) =>
      path.endsWith("/tags/list")
        ? { kind: "answer", answer: () => Response.json({ name: "team/app", tags: names }) }
        : undefined,
  });
  const warnings: string[] = [];
  const onEvent: CopyAllOptions["onEvent"] = (event) =>
    void (event.type === "warning" && warnings.push(event.message));
  const results = await run([APP], `${TARGET}/copied`, { fetch, allTags: true, onEvent });
  assertEquals(told(results), ["team/app:1.0 pushed"]);
  assertEquals(await allTags(to), ["copied:1.0"]);
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0] ?? "", /"\.\.\/\.\.\/.* and 3 more, which no tag can be: left out$/);
  assert(reads.seen.every(({ path }) => path.startsWith("/v2/team/app/")));
});

test("copyAll() takes no list of tags that goes on for ever", async () => {
  for (const [tags, most] of [[[], 100_000], [["x"], 1_000_000]] as const) {
    const { fetch } = await world([], {
      source: () => ({ kind: "answer", answer: () => new Response(endlessTags()) }),
    });
    const [result] = await run([APP], `${TARGET}/copied`, { fetch, allTags: true, tags });
    assert(result?.status === "failed");
    assertMatch(`${result.error}`, new RegExp(`it has more than ${most}$`));
  }
});

test("copyAll() refuses wrong options and targets before it asks for anything", async () => {
  const fetch: FetchHandler = () => Promise.reject(new TypeError("unreachable"));
  await assertRejects(() => run([APP], TARGET, { fetch, images: 0 }), RangeError, "images 0");
  await assertRejects(() => run([APP], TARGET, { fetch, tags: ["1"] }), TypeError, "allTags");
  await assertRejects(() => run([APP], "localhost:5000/UPPER", { fetch }), SyntaxError);
  const patterns = { fetch, allTags: true, tags: ["["] };
  await assertRejects(() => run([APP], TARGET, patterns), SyntaxError, "pattern");
});
