import { assertEquals, assertRejects } from "@std/assert";
import { TimeoutError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { serve, serveRegistry } from "../end_to_end/registry_server.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { startSlowProxy } from "../helpers/slow_proxy.ts";
import { test } from "../helpers/test.ts";

const LAYER = await makeLayer(new Uint8Array(8 * 1024 * 1024));
const IMAGE = await makeImage([LAYER]);
const TAR = toBlob(dockerSave([{ image: IMAGE }]));

// The whole takes longer than a connection may be silent for: slow is not dead. What the buffers of a system let out
// before they take more (a third of 4 MiB) takes less.
const BYTES_PER_SECOND = 2 * 1024 * 1024;
const TIMEOUTS = { connect: 10_000, idle: 3_000, response: 30_000 };

// All at once: each waits for a line of its own.
test("pushImage() of a file and of a pipe, and blobs.get(), take their time over a line that is slow", async () => {
  await Promise.all([pushSlowly(TAR), pushSlowly(TAR.stream()), getSlowly()]);
});

async function pushSlowly(source: Blob | ReadableStream<Uint8Array>): Promise<void> {
  await using server = await serveRegistry();
  await using proxy = await startSlowProxy(server.host, BYTES_PER_SECOND);
  await pushImage(source, `${proxy.host}/app:1`, {
    timeouts: TIMEOUTS,
    retry: { attempts: 1 },
    // The pipe's layer does not fit: it is sent as it passes.
    memoryBudget: 4 * 1024 * 1024,
  });
  assertEquals((await readBack(server.registry, "app", "1")).config?.digest, IMAGE.configDigest);
}

async function getSlowly(): Promise<void> {
  await using server = await serveRegistry();
  await pushImage(TAR, `${server.host}/app:1`);
  await using proxy = await startSlowProxy(server.host, BYTES_PER_SECOND);
  await using client = new RegistryClient(proxy.host, { timeouts: TIMEOUTS });
  const { body } = await client.repository("app").blobs.get(LAYER.digest);
  let size = 0;
  for await (const piece of body) size += piece.length;
  assertEquals(size, LAYER.bytes.length);
}

test("pushImage() gives up where a registry takes nothing any more", async () => {
  const end = Promise.withResolvers<void>();
  await using server = await serveRegistry();
  await using stalling = await serve(async (request) => {
    if (request.method !== "PUT") return await server.registry(request);
    await end.promise;
    return new Response(null, { status: 500 });
  });
  // More than all buffers on the way take.
  const large = await makeImage([await makeLayer(new Uint8Array(32 * 1024 * 1024))]);
  const push = pushImage(toBlob(dockerSave([{ image: large }])), `${stalling.host}/app:1`, {
    timeouts: TIMEOUTS,
    retry: { attempts: 1 },
  });
  const error = await assertRejects(() => push, TimeoutError, "no byte moved for 3 s");
  end.resolve();
  assertEquals(error.retryable, true);
});
