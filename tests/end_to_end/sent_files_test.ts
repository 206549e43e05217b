import { assert, assertEquals, assertRejects } from "@std/assert";
import { ArchiveError, TimeoutError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { currentHost, openFile } from "../../src/runtime/mod.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { allTags, assertLayers } from "../helpers/expected.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve, serveRegistry } from "./registry_server.ts";

// As the program does it: by the host's own `fetch`, to which Bun gives large layers as parts of the file.

const MIB = 1024 * 1024;
const TIMEOUTS = { connect: 10_000, idle: 1_500, response: 30_000 };

/** A docker archive in a file, with layers of so many MiB. */
async function writeArchive(folder: TemporaryFolder, sizes: readonly number[]) {
  const layers = await Promise.all(sizes.map((size, seed) => {
    const body = new Uint8Array(size * MIB).map((_, at) => (at + seed) % 251);
    return makeLayer(writeTar([{ path: "x", body }]));
  }));
  const tar = toBlob(dockerSave([{ image: await makeImage(layers), repoTags: ["app:1"] }]));
  const bytes = await tar.bytes();
  return { layers, bytes, path: await folder.write("app.tar", bytes) };
}

test("pushImage() by the host's fetch sends large layers whole, and counts what goes", async () => {
  await using folder = await temporaryFolder();
  const { layers, path } = await writeArchive(folder, [9, 12, 2]);
  await using file = await openFile(path);
  await using server = await serveRegistry();
  const sent = new Map<string, number>();
  const { bytesUploaded, images } = await pushImage(file, `${server.host}/app:1`, {
    fetch: currentHost().fetchWith({}),
    onEvent(event) {
      if (event.type !== "blob-progress" || event.digest === undefined) return;
      sent.set(event.digest, Math.max(event.sent, sent.get(event.digest) ?? 0));
    },
  });
  await assertLayers(server.registry, layers);
  const blobs = images[0]?.blobs ?? [];
  assertEquals(bytesUploaded, blobs.reduce((sum, { size }) => sum + size, 0));
  for (const { digest, size } of blobs) {
    const most = sent.get(digest) ?? 0;
    assert(most > 0 && most <= size, `${most} of ${size} bytes of ${digest}`);
  }
});

test("pushImage() by the host's fetch sends a large layer again after an answer that passes", async () => {
  await using folder = await temporaryFolder();
  const { layers, path } = await writeArchive(folder, [9]);
  await using file = await openFile(path);
  let failures = 2;
  await using server = await serveRegistry(({ method, query }) => {
    if (method !== "PUT" || query.get("digest") !== layers[0]?.digest) return undefined;
    if (failures-- <= 0) return undefined;
    return { kind: "answer", readBody: true, answer: () => new Response(null, { status: 503 }) };
  });
  const fetch = currentHost().fetchWith({});
  await pushImage(file, `${server.host}/app:1`, { fetch, retry: { delay: 1 } });
  await assertLayers(server.registry, layers);
});

test("pushImage() by the host's fetch sends a large layer in chunks where it is too large for one request", async () => {
  await using folder = await temporaryFolder();
  const { layers, path } = await writeArchive(folder, [9]);
  await using file = await openFile(path);
  let refused = 0;
  await using server = await serveRegistry(({ method, query }) => {
    if (method !== "PUT" || query.get("digest") !== layers[0]?.digest || refused > 0) {
      return undefined;
    }
    refused++;
    return { kind: "answer", readBody: true, answer: () => new Response(null, { status: 413 }) };
  });
  const fetch = currentHost().fetchWith({});
  await pushImage(file, `${server.host}/app:1`, { fetch, retry: { attempts: 1 } });
  await assertLayers(server.registry, layers);
  assertEquals(refused, 1);
});

test("pushImage() by the host's fetch says so where a file shrinks while it is sent", async () => {
  await using folder = await temporaryFolder();
  const { bytes, path } = await writeArchive(folder, [48]);
  await using file = await openFile(path);
  await using server = await serveRegistry();
  await using shrinking = await serve(async (request) => {
    // Less than half of it fits into the buffers on the way.
    if (request.method === "PUT") await folder.write("app.tar", bytes.subarray(0, 30 * MIB));
    return await server.registry(request);
  });
  const fetch = currentHost().fetchWith({});
  const error = await assertRejects(
    () => pushImage(file, `${shrinking.host}/app:1`, { fetch, concurrency: 1 }),
    ArchiveError,
  );
  assert(error.message.endsWith("it has changed since it was opened"), error.message);
  assertEquals(await allTags(server.registry), []);
});

test("pushImage() by the host's fetch gives up where a registry takes nothing any more", async () => {
  await using folder = await temporaryFolder();
  const { path } = await writeArchive(folder, [32]);
  await using file = await openFile(path);
  const end = Promise.withResolvers<void>();
  await using server = await serveRegistry();
  await using stalling = await serve(async (request) => {
    if (request.method !== "PUT") return await server.registry(request);
    await end.promise;
    return new Response(null, { status: 500 });
  });
  const fetch = currentHost().fetchWith({});
  const push = pushImage(file, `${stalling.host}/app:1`, {
    fetch,
    timeouts: TIMEOUTS,
    retry: { attempts: 1 },
  });
  await assertRejects(() => push, TimeoutError, "no byte moved for 1.5 s");
  end.resolve();
});

test("pushImage() by the host's fetch is ended at once while a large layer is under way", async () => {
  await using folder = await temporaryFolder();
  const { path } = await writeArchive(folder, [32]);
  await using file = await openFile(path);
  const end = Promise.withResolvers<void>();
  const controller = new AbortController();
  await using server = await serveRegistry();
  await using stalling = await serve(async (request) => {
    if (request.method !== "PUT") return await server.registry(request);
    controller.abort(new Error("enough"));
    await end.promise;
    return new Response(null, { status: 500 });
  });
  const fetch = currentHost().fetchWith({});
  const { signal } = controller;
  await assertRejects(
    () => pushImage(file, `${stalling.host}/app:1`, { fetch, signal }),
    Error,
    "enough",
  );
  end.resolve();
});
