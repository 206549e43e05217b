import { assert, assertEquals } from "@std/assert";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage } from "../../src/push/push.ts";
import { pushAll } from "../../src/push/push_all.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import { dockerSave, makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { watchUploads } from "../helpers/watched_uploads.ts";

const MEMORY_BUDGET = 1024 * 1024;
/** More than is held of a pipe, so that it is sent as it passes. */
const large = await makeLayer(writeTar([{ path: "large", body: new Uint8Array(MEMORY_BUDGET) }]));
const IMAGE = await makeImage(["a", large, "b"]);
const DOCKER = toBlob(dockerSave([{ image: IMAGE, repoTags: ["team/app:1"] }]));

async function makeIndex(): Promise<Blob> {
  const layout = new OciLayout();
  const children = [await layout.image(IMAGE), await layout.image(await makeImage(["c"]))];
  layout.add(await layout.indexOf(children), { ref: "1" });
  return toBlob(layout.entries());
}

const INDEX = await makeIndex();

/** Two repositories with a layer in common, which is mounted. */
const SEVERAL = toBlob(dockerSave([
  { image: IMAGE, repoTags: ["team/app:1"] },
  { image: await makeImage(["a", "d"]), repoTags: ["team/other:1"] },
]));

/** A pipe that has layers of these. */
const PIPED = toBlob(dockerSave([{ image: await makeImage(["a", large, "e"]), repoTags: [] }]));

/** A registry that begins an upload where it is asked for a mount. */
function createUnsharing(): FetchHandler {
  const registry = createRegistry();
  return (request) => {
    const url = new URL(request.url);
    const isMount = url.searchParams.has("mount");
    url.search = isMount ? "" : url.search;
    return registry(isMount ? new Request(url, { method: "POST" }) : request);
  };
}

const APP = "localhost:5000/team/app:1";
const CASES: Record<string, { source: () => PushSource; target?: string; options?: PushOptions }> =
  {
    "a docker archive": { source: () => DOCKER },
    "a docker archive in chunks": { source: () => DOCKER, options: { chunkSize: 400_000 } },
    "a docker archive that passes": { source: () => DOCKER.stream() },
    "a docker archive that passes in chunks": {
      source: () => DOCKER.stream(),
      options: { chunkSize: 400_000 },
    },
    "an index": { source: () => INDEX },
    "an index that passes": { source: () => INDEX.stream() },
    "two repositories": { source: () => SEVERAL, target: "localhost:5000" },
  };

/** When the caller loses patience. */
const MOMENTS = ["before it is handled", "while it is handled", "when it was answered"] as const;

interface Case {
  push: (options: PushOptions) => Promise<unknown>;
  makeRegistry?: () => FetchHandler;
}

/** Gives up at each request of a push in turn: nothing is left open, no tag is incomplete, nothing is asked afterwards. */
async function abortAtEach(moment: typeof MOMENTS[number], { push, makeRegistry }: Case) {
  const reason = new Error("enough");
  for (let at = 1, isOver = false; !isOver; at++) {
    assert(at < 200, "a push has fewer requests");
    const registry = (makeRegistry ?? createRegistry)();
    const { fetch, open } = watchUploads(registry);
    const controller = new AbortController();
    const late: string[] = [];
    let count = 0;
    let isSettled = false;
    const faulty: FetchHandler = async (request) => {
      if (isSettled) late.push(`${request.method} ${request.url}`);
      const isTheOne = ++count === at;
      if (isTheOne && moment === "before it is handled") controller.abort(reason);
      const pending = fetch(request);
      if (isTheOne && moment === "while it is handled") controller.abort(reason);
      const response = await pending;
      if (isTheOne && moment === "when it was answered") controller.abort(reason);
      return response;
    };
    const thrown: unknown = await push({
      fetch: faulty,
      memoryBudget: MEMORY_BUDGET,
      signal: controller.signal,
      retry: { delay: 0 },
    }).then(() => undefined, (error) => error);
    isSettled = true;
    isOver = count < at;
    const what = `request ${at} of ${count}`;
    // One that comes too late may find the push done.
    if (!isOver && thrown !== undefined) assertEquals(thrown, reason, what);
    else if (!isOver) assert((await allTags(registry)).includes("team/app:1"), what);
    else assertEquals(thrown, undefined);
    assertEquals(await open(), [], `${what}: uploads are left open`);
    for (const tag of await allTags(registry)) {
      await readBack(registry, ...tag.split(":") as [string, string]);
    }
    assertEquals(late, [], `${what}: requests after the end`);
  }
}

for (const moment of MOMENTS) {
  for (const concurrency of [1, 3]) {
    const how = `${concurrency} at a time, aborted at any request ${moment}`;
    for (const [name, { source, target = APP, options }] of Object.entries(CASES)) {
      test(`pushImage() of ${name}, ${how}`, async () => {
        const push = (given: PushOptions) =>
          pushImage(source(), target, { ...options, concurrency, ...given });
        await abortAtEach(moment, { push });
      });
    }

    test(`pushAll() of what is not mounted, ${how}`, async () => {
      const push = async (given: PushOptions) => {
        const pipe = { source: PIPED.stream(), target: "localhost:5000/team/piped:1" };
        const sources = [{ source: SEVERAL, target: "localhost:5000" }, pipe];
        const all = pushAll(sources, undefined, { concurrency, failFast: true, ...given });
        for await (const result of all) if (result.status === "failed") throw result.error;
      };
      await abortAtEach(moment, { push, makeRegistry: createUnsharing });
    });
  }
}
