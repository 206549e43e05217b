import { assertEquals, assertRejects } from "@std/assert";
import {
  checkArchive,
  checkImage,
  copyImage,
  joinParts,
  pullImage,
  pushAll,
  pushImage,
  RegistryError,
  repairImage,
} from "../mod.ts";
import { createRegistry } from "../src/server/mod.ts";
import { platformLayout, toBlob } from "./helpers/archives.ts";
import { withValue } from "./helpers/globals.ts";
import { test } from "./helpers/test.ts";

/** What Node.js 20 lacks of what the other runtimes have, and a library is easily written with. */
const LACKING: readonly [object: object, names: PropertyKey[]][] = [
  [Promise, ["withResolvers", "try"]],
  [Array, ["fromAsync"]],
  [Object, ["groupBy"]],
  [Map, ["groupBy"]],
  [ArrayBuffer.prototype, ["transfer", "transferToFixedLength"]],
  [Set.prototype, ["union", "intersection", "difference", "symmetricDifference", "isSubsetOf"]],
  [Iterator.prototype, ["map", "filter", "some", "every", "find", "take", "drop", "toArray"]],
];

/** What Safari lacks of streams. */
const LACKING_IN_SAFARI: typeof LACKING = [
  [ReadableStream.prototype, [Symbol.asyncIterator]],
  [ReadableStream, ["from"]],
  [URL, ["parse", "canParse"]],
];

/** Runs a job without all that. */
function asOnNode20<T>(job: () => Promise<T>): Promise<T> {
  return without(LACKING, job);
}

function without<T>(lacking: typeof LACKING, job: () => Promise<T>): Promise<T> {
  return lacking.flatMap(([object, names]) => names.map((name) => [object, name] as const))
    .reduce((inner, [object, name]) => () => withValue(object, name, undefined, inner), job)();
}

async function archive(): Promise<Blob> {
  const { layout } = await platformLayout((platform) => [platform]);
  return toBlob(layout.entries());
}

for (const [name, lacking] of [["Node.js 20", LACKING], ["Safari", LACKING_IN_SAFARI]] as const) {
  test(`the library does without what ${name} lacks`, async () => {
    const tar = await archive();
    await without(lacking, () => useLibrary(tar));
  });
}

/** Takes an image through all that the library does with one. */
async function useLibrary(tar: Blob): Promise<void> {
  const fetch = createRegistry();
  await pushImage(tar, "localhost:5000/file:1", { fetch });
  await pushImage(tar.stream(), "localhost:5000/pipe:1", { fetch });
  const gzipped = tar.stream().pipeThrough(new CompressionStream("gzip"));
  await pushImage(gzipped, "localhost:5000/gzip:1", { fetch, compression: "gzip" });
  const sources = [1, 2].map((at) => ({ source: tar, target: `localhost:5000/all${at}:1` }));
  const statuses = [];
  for await (const { status } of pushAll(sources, undefined, { fetch })) statuses.push(status);
  assertEquals(statuses, ["pushed", "pushed"]);
  const saved = await new Response(pullImage("localhost:5000/file:1", { fetch })).blob();
  assertEquals((await checkArchive(saved)).ok, true);
  assertEquals((await checkArchive(saved.stream())).ok, true);
  await copyImage("localhost:5000/file:1", "localhost:5000/copied:1", { fetch });
  const parts = [tar.slice(0, 3000), tar.slice(3000)].map((source, at) => ({
    name: `app.tar.00${at + 1}`,
    source,
  }));
  await pushImage(await joinParts(parts), "localhost:5000/joined:1", { fetch });
  assertEquals((await checkImage("localhost:5000/joined:1", { fetch })).ok, true);
  assertEquals((await repairImage("localhost:5000/new:1", tar, { fetch })).after.ok, true);
  await pushImage(tar, "localhost:5000/file:1", { fetch, force: true });
}

test("a registry that has moved and fails is told of without what Node.js 20 lacks", async () => {
  const registry = createRegistry();
  const tar = await archive();
  const fetch = (request: Request) => {
    const url = new URL(request.url);
    if (url.protocol === "https:") {
      return request.method === "PUT"
        ? Promise.resolve(new Response(null, { status: 403 }))
        : registry(request);
    }
    const location = `https://${url.host}${url.pathname}${url.search}`;
    return Promise.resolve(new Response(null, { status: 301, headers: { location } }));
  };
  await asOnNode20(() =>
    assertRejects(
      () => pushImage(tar, "http://registry.test/app:1", { fetch, retry: { attempts: 1 } }),
      RegistryError,
      "answered 403 Forbidden",
    )
  );
});
