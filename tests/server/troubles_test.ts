import { assert, assertEquals, assertThrows } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";
import { bytesOf, call, codes, open, streamOf } from "./registry_calls.ts";

test("createRegistry({ rateLimit }) answers what is too much with 429 until the time is over", async () => {
  let time = 0;
  const registry = createRegistry({ rateLimit: { requests: 2, seconds: 10 }, now: () => time });
  const ask = () => call(registry, "GET", "/v2/");
  assertEquals([(await ask()).status, (await ask()).status], [200, 200]);
  time = 7500;
  const refused = await ask();
  assertEquals(refused.headers.get("Retry-After"), "3");
  assertEquals(await codes(refused, 429), ["TOOMANYREQUESTS"]);
  time = 10_000;
  assertEquals([(await ask()).status, (await ask()).status, (await ask()).status], [200, 200, 429]);
});

test("createRegistry({ latency }) takes its time", async () => {
  const registry = createRegistry({ latency: 30 });
  const start = performance.now();
  assertEquals((await call(registry, "GET", "/v2/")).status, 200);
  assert(performance.now() - start > 25);
});

test("createRegistry({ failures }) puts statuses and answers in the place of the registry's", async () => {
  const seen: string[] = [];
  const registry = createRegistry({
    failures: ({ method }, number) => {
      seen.push(`${number} ${method}`);
      if (number === 2) return 503;
      return number === 3 ? new Response("<html>", { status: 502 }) : undefined;
    },
  });
  const upload = await open(registry);
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
  assertEquals(await codes(await call(registry, "PATCH", upload, body), 503), ["UNKNOWN"]);
  assert(isCancelled);
  const page = await call(registry, "PATCH", upload, streamOf(bytesOf("x")));
  assertEquals([page.status, await page.text()], [502, "<html>"]);
  assertEquals((await call(registry, "GET", upload)).headers.get("Range"), "0-0");
  assertEquals(seen, ["1 POST", "2 PATCH", "3 PATCH", "4 GET"]);
});

test("pushImage() comes through the troubles of a registry", async () => {
  const registry = createRegistry({ failures: (_, number) => number % 3 === 0 ? 503 : undefined });
  const image = await makeImage(["a", "b"]);
  const tar = toBlob(dockerSave([{ image }]));
  await pushImage(tar, "localhost:5000/app:1", { fetch: registry, retry: { delay: 1 } });
  const read = await readBack(askingAgain(registry), "app", "1");
  assertEquals(read.config?.digest, image.configDigest);
});

/** Asks again where the registry fails. */
function askingAgain(registry: ReturnType<typeof createRegistry>): typeof registry {
  return async (request) => {
    const response = await registry(request.clone());
    return response.status === 503 ? await registry(request) : response;
  };
}

test("createRegistry() refuses a limit on requests that allows none", () => {
  const rateLimit = { requests: 0, seconds: 1 };
  assertThrows(() => createRegistry({ rateLimit }), RangeError, "requests is 0");
});
