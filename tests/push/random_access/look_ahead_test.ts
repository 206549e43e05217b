import { assert, assertEquals } from "@std/assert";
import { pushImage } from "../../../src/push/push.ts";
import { RegistryClient } from "../../../src/registry/client.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { layoutTar, type MadeImage, makeImage } from "../../helpers/archives.ts";
import { readBack } from "../../helpers/expected.ts";
import { sleep } from "../../../src/concurrency.ts";
import { type FaultLayer, faultLayer } from "../../helpers/fault_layer.ts";
import { test } from "../../helpers/test.ts";

// What reads an error answer is loaded before: on a busy machine that takes longer than all answers of a registry in memory.
await import("../../../src/registry/http/error_answer.ts");

const HOST = "localhost:5000";
const REPOSITORY = "team/app";
const TARGET = `${HOST}/${REPOSITORY}:1`;
const BLOBS = 61;

function manyLayers(): Promise<MadeImage> {
  return makeImage(Array.from({ length: BLOBS - 1 }, (_, at) => `layer ${at}`));
}

/** A registry that answers the question for tags as the real ones do for a repository that has none. */
function registryWithout(code: string): FaultLayer {
  return faultLayer(createRegistry(), ({ method, path }) => {
    if (method !== "GET" || !path.endsWith("/tags/list")) return undefined;
    const errors = [{ code, message: "there is none" }];
    return { kind: "answer", answer: () => Response.json({ errors }, { status: 404 }) };
  });
}

async function leaveLayer(registry: FaultLayer, image: MadeImage, at: number): Promise<void> {
  const client = new RegistryClient(HOST, { fetch: registry.fetch });
  await client.repository(REPOSITORY).blobs.push(image.layers[at]?.bytes ?? new Uint8Array());
}

function count({ seen }: FaultLayer, method: string, part: string): number {
  return seen.filter((request) => request.method === method && request.path.includes(part)).length;
}

test("pushImage() asks no more for blobs once the registry does not know the repository", async () => {
  const registry = registryWithout("NAME_UNKNOWN");
  const image = await manyLayers();
  const { images } = await pushImage(await layoutTar(image), TARGET, { fetch: registry.fetch });
  const { digest } = await readBack(registry.fetch, REPOSITORY, "1");
  assertEquals(digest, images[0]?.digest);
  assertEquals(count(registry, "GET", "/tags/list"), 1);
  assertEquals(count(registry, "PUT", "/blobs/uploads/"), BLOBS);
  const heads = count(registry, "HEAD", "/blobs/");
  assert(heads >= 8 && heads < 32, `${heads} questions`);
});

for (const way of ["file", "pipe"]) {
  test(`pushImage() uploads nothing twice that a push of a ${way} left when it was cut short`, async () => {
    const registry = registryWithout("NAME_UNKNOWN");
    const image = await manyLayers();
    // A file goes up in the order of the manifest, a pipe in that of the tar: by name.
    const names = image.layers.map(({ digest }) => digest).sort().slice(0, 6);
    const byName = image.layers.findLastIndex(({ digest }) => names.includes(digest));
    const left = way === "file" ? [2, 40] : [byName];
    for (const at of left) await leaveLayer(registry, image, at);
    const before = count(registry, "HEAD", "/blobs/");
    const { images } = await pushImage(await layoutTar(image), TARGET, { fetch: registry.fetch });
    const there = images[0]?.blobs.filter(({ status }) => status === "exists");
    assertEquals(there?.map(({ digest }) => digest), left.map((at) => image.layers[at]?.digest));
    assertEquals(count(registry, "HEAD", "/blobs/") - before, BLOBS);
    assertEquals(count(registry, "GET", "/tags/list"), 0);
  });
}

for (
  const [what, registry] of [
    ["knows the repository", () => faultLayer(createRegistry())],
    ["answers 404 with another code", () => registryWithout("UNSUPPORTED")],
  ] as const
) {
  test(`pushImage() asks for every blob where the registry ${what}`, async () => {
    const layer = registry();
    const image = await manyLayers();
    const names = image.layers.map(({ digest }) => digest).sort();
    const last = image.layers.findLastIndex(({ digest }) => names.indexOf(digest) > 16);
    await leaveLayer(layer, image, last);
    const before = count(layer, "HEAD", "/blobs/");
    const { images } = await pushImage(await layoutTar(image), TARGET, { fetch: layer.fetch });
    assertEquals(count(layer, "GET", "/tags/list"), 1);
    assertEquals(count(layer, "HEAD", "/blobs/") - before, BLOBS);
    assertEquals(images[0]?.blobs.filter(({ status }) => status === "exists").length, 1);
  });
}

test("pushImage() asks for every blob of a few, and in a dry run", async () => {
  const registry = registryWithout("NAME_UNKNOWN");
  const few = await makeImage(Array.from({ length: 40 }, (_, at) => `layer ${at}`));
  await pushImage(await layoutTar(few), TARGET, { fetch: registry.fetch });
  assertEquals(count(registry, "HEAD", "/blobs/"), 41);
  const many = await layoutTar(await manyLayers());
  await pushImage(many, `${HOST}/other:1`, { fetch: registry.fetch, dryRun: true });
  assertEquals(count(registry, "HEAD", "/other/blobs/"), BLOBS);
  assertEquals(count(registry, "GET", "/tags/list"), 0);
});

for (
  const [way, concurrency, least, greatest] of [
    ["that has them", 3, 9, 14],
    ["that has none of them", 3, 3, 5],
    ["that has them, with one upload at a time", 1, 1, 1],
  ] as const
) {
  test(`pushImage() asks a registry far away ${way} for ${least} to ${greatest} blobs at once`, async () => {
    const registry = createRegistry();
    const few = await makeImage(Array.from({ length: 30 }, (_, at) => `layer ${at}`));
    const archive = await layoutTar(few);
    if (way !== "that has none of them") await pushImage(archive, TARGET, { fetch: registry });
    let [inFlight, most] = [0, 0];
    const fetch = async (request: Request) => {
      if (request.method !== "HEAD" || !request.url.includes("/blobs/")) {
        return await registry(request);
      }
      most = Math.max(most, ++inFlight);
      await sleep(50);
      inFlight--;
      return await registry(request);
    };
    await pushImage(archive, TARGET, { fetch, concurrency });
    assert(most >= least && most <= greatest, `${most} questions at once`);
  });
}
