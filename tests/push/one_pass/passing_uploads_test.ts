import { assert, assertEquals, assertRejects } from "@std/assert";
import { ImageBlobs } from "../../../src/archive/image_blobs.ts";
import { Budget } from "../../../src/concurrency.ts";
import { createHash } from "../../../src/incremental_hash.ts";
import { PassingUploads } from "../../../src/push/one_pass/passing_uploads.ts";
import { resolveOptions } from "../../../src/push/options.ts";
import { type RegistryState, repositoryState } from "../../../src/push/repository_state.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { httpFor } from "../../../src/registry/http/request_options.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { UntarStream } from "../../../src/tar/untar_stream.ts";
import { makeLayer } from "../../helpers/archives.ts";
import { faultLayer } from "../../helpers/fault_layer.ts";
import { meeting } from "../../helpers/meeting.ts";
import { type TarWriterEntry, writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";

/** A pipeline from entries to a registry, as a push has it. */
function makePipeline(
  entries: readonly TarWriterEntry[],
  { fetch, concurrency, selective = false }: {
    fetch: FetchHandler;
    concurrency: number;
    selective?: boolean;
  },
) {
  const options = resolveOptions({ fetch, concurrency, retry: { attempts: 1 } });
  const registries = new Map<string, RegistryState>();
  const http = httpFor("http://localhost:5000", options);
  const registry = {
    http,
    repositories: new Map(),
    holders: new Map(),
    all: registries,
    sources: [],
    buffers: [],
  };
  const target = repositoryState(registry, "app");
  const budget = new Budget(1024 * 1024);
  const route = () => Promise.resolve({ target });
  const settings = {
    ...options,
    route,
    onUploaded: () => {},
    onWritten: () => {},
    budget,
    selective,
  };
  const uploads = new PassingUploads(settings);
  const blobs = new ImageBlobs({ budget, hasher: createHash, verify: false });
  const run = () =>
    new Blob([writeTar(entries)]).stream().pipeThrough(new UntarStream()).pipeThrough(blobs)
      .pipeTo(uploads.writable);
  return { target, uploads, run };
}

const layers = await Promise.all(["a", "b", "c", "d", "e"].map((text) => makeLayer(text)));
const ENTRIES = layers.map(({ bytes }, at) => ({ path: `${at}/layer.tar`, body: bytes }));

for (const concurrency of [1, 2, 4]) {
  test(`PassingUploads has at most ${concurrency} uploads in flight, and as many where it can`, async () => {
    const registry = createRegistry();
    let [inFlight, most] = [0, 0];
    const met = meeting(concurrency);
    const fetch: FetchHandler = async (request) => {
      most = Math.max(most, ++inFlight);
      // As many as may be in flight are: fewer would never come to an end. Then more have time to come.
      await met();
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
      inFlight--;
      return await registry(request);
    };
    const { run, uploads, target } = makePipeline(ENTRIES, { fetch, concurrency });
    await run();
    await uploads.settled();
    assertEquals(most, concurrency);
    assertEquals([...target.blobs.values()], layers.map(() => "pushed" as const));
  });
}

test("PassingUploads uploads equal blobs once", async () => {
  const layer = faultLayer(createRegistry());
  const twice = [
    ...ENTRIES.slice(0, 1),
    ...ENTRIES.slice(0, 1).map((entry) => ({ ...entry, path: "x/layer.tar" })),
  ];
  const { run } = makePipeline(twice, { fetch: layer.fetch, concurrency: 3 });
  await run();
  assertEquals(layer.seen.filter(({ method }) => method === "POST").length, 1);
});

test("PassingUploads leaves open what may not be needed, and cancels what was not taken", async () => {
  const layer = faultLayer(createRegistry());
  const { run, uploads, target } = makePipeline(ENTRIES, {
    fetch: layer.fetch,
    concurrency: 2,
    selective: true,
  });
  await run();
  assertEquals([...target.blobs], []);
  assertEquals(layer.seen.filter(({ method }) => method === "PUT" || method === "DELETE"), []);
  await uploads.cancelRest();
  const cancelled = layer.seen.filter(({ method }) => method === "DELETE");
  assertEquals(new Set(cancelled.map(({ path }) => path)).size, ENTRIES.length);
});

test("PassingUploads ends with its first failure, and starts nothing more", async () => {
  const failing = faultLayer(
    createRegistry(),
    ({ method }) =>
      method === "POST"
        ? { kind: "answer", answer: () => new Response(null, { status: 403 }) }
        : undefined,
  );
  const { run, uploads } = makePipeline(ENTRIES, { fetch: failing.fetch, concurrency: 1 });
  await assertRejects(run, Error, "403");
  await uploads.settled();
  const { length } = failing.seen;
  assert(length <= 4, failing.lines().join("\n"));
});
