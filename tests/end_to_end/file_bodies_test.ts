import { assert, assertEquals, assertRejects } from "@std/assert";
import { ArchiveError, OciError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { allTags, assertLayers } from "../helpers/expected.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve, serveRegistry } from "./registry_server.ts";

/** A docker archive whose layers are sent in one piece each. */
async function smallArchive() {
  const layers = await Promise.all([1, 2, 3].map((seed) => {
    const body = new Uint8Array(seed * 100_000).map((_, at) => (at * seed) % 251);
    return makeLayer(writeTar([{ path: `file${seed}`, body }]));
  }));
  const tar = toBlob(dockerSave([{ image: await makeImage(layers), repoTags: ["app:1"] }]));
  return { layers, bytes: await tar.bytes() };
}

test("pushImage() sends small blobs of a file whole, and counts what was read", async () => {
  await using folder = await temporaryFolder();
  const { layers, bytes } = await smallArchive();
  await using file = await openFile(await folder.write("app.tar", bytes));
  const registry = createRegistry();
  const lengths: (string | null)[] = [];
  await using server = await serve((request) => {
    const { searchParams } = new URL(request.url);
    const isLayer = layers.some(({ digest }) => digest === searchParams.get("digest"));
    if (isLayer) lengths.push(request.headers.get("content-length"));
    return registry(request);
  });
  const { bytesRead, bytesUploaded } = await pushImage(file, `${server.host}/app:1`, {
    concurrency: 1,
  });
  await assertLayers(registry, layers);
  // Deno streams the larger two, and tells no length then.
  const [small, ...larger] = layers.map(({ bytes }) => String(bytes.length));
  // The largest goes first.
  assertEquals(lengths.pop(), small);
  assertEquals(lengths.reverse().map((length, at) => length ?? larger[at]), larger);
  assert(bytesRead >= bytesUploaded && bytesRead < bytes.length + 200_000, `${bytesRead} read`);
});

test("pushImage() sends a small blob of a file again, whole, after a broken answer", async () => {
  await using folder = await temporaryFolder();
  const { layers, bytes } = await smallArchive();
  await using file = await openFile(await folder.write("app.tar", bytes));
  let failures = 2;
  await using server = await serveRegistry(({ method, query }) => {
    if (method !== "PUT" || query.get("digest") !== layers[2]?.digest) return undefined;
    if (failures-- <= 0) return undefined;
    return { kind: "answer", readBody: true, answer: () => new Response(null, { status: 503 }) };
  });
  await pushImage(file, `${server.host}/app:1`, { retry: { delay: 1 } });
  await assertLayers(server.registry, layers);
});

test("pushImage() tells the length of small blobs", async () => {
  await using folder = await temporaryFolder();
  const { layers, bytes } = await smallArchive();
  await using file = await openFile(await folder.write("app.tar", bytes));
  const registry = createRegistry();
  let refused = 0;
  await using server = await serve(async (request) => {
    if (request.method !== "PUT" || request.headers.has("content-length")) {
      return await registry(request);
    }
    refused++;
    await request.body?.cancel();
    return new Response(null, { status: 411 });
  });
  await pushImage(file, `${server.host}/app:1`, { concurrency: 1, retry: { attempts: 1 } });
  await assertLayers(registry, layers);
  assertEquals(refused, 0);
});

test("pushImage() sends small blobs of a file on to where the registry redirects them", async () => {
  await using folder = await temporaryFolder();
  const { layers, bytes } = await smallArchive();
  await using file = await openFile(await folder.write("app.tar", bytes));
  await using server = await serveRegistry(({ method, query }) => {
    if (method !== "PUT" || !query.has("digest") || query.has("again")) return undefined;
    const location = `?${query}&again=1`;
    return {
      kind: "answer",
      readBody: true,
      answer: () => new Response(null, { status: 307, headers: { location } }),
    };
  });
  await pushImage(file, `${server.host}/app:1`, { retry: { attempts: 1 } });
  await assertLayers(server.registry, layers);
});

for (const size of [200_000, 3_000_000]) {
  test(`pushImage() of a file with a layer of ${size} bytes that is gone says so, at once`, async () => {
    await using folder = await temporaryFolder();
    const image = await makeImage([await makeLayer(new Uint8Array(size).fill(7))]);
    const tar = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
    const path = await folder.write("app.tar", await tar.bytes());
    await using file = await openFile(path);
    await using server = await serveRegistry();
    const retries: string[] = [];
    const pushed = pushImage(file, `${server.host}/app:1`, {
      onEvent: async (event) => {
        if (event.type === "plan") await runProcess("rm", [path]);
        if (event.type === "retry") retries.push(event.reason);
      },
    });
    // Deno keeps the file open for small reads.
    if ("Deno" in globalThis && size < 1_000_000) await pushed;
    else {
      await assertRejects(() => pushed, OciError, `app.tar": no such file`);
      assertEquals(await allTags(server.registry), []);
    }
    assertEquals(retries, []);
  });
}

for (const left of [400_000, 0]) {
  test(`pushImage() of a file that shrinks to ${left} bytes says so and writes no tag`, async () => {
    await using folder = await temporaryFolder();
    const { bytes } = await smallArchive();
    await using file = await openFile(await folder.write("app.tar", bytes));
    await using server = await serveRegistry();
    const error = await assertRejects(
      () =>
        pushImage(file, `${server.host}/app:1`, {
          onEvent: async ({ type }) => {
            if (type === "plan") await folder.write("app.tar", bytes.subarray(0, left));
          },
        }),
      OciError,
    );
    assert(error instanceof ArchiveError, error.message);
    assert(error.message.endsWith("it has changed since it was opened"), error.message);
    assertEquals(await allTags(server.registry), []);
  });
}
