import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RegistryError } from "../../../src/errors.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage } from "../../../src/push/push.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { dockerSave, layoutTar, makeImage, makeLayer, toBlob } from "../../helpers/archives.ts";
import { readBack } from "../../helpers/expected.ts";
import { type Fault, faultLayer, type SeenRequest } from "../../helpers/fault_layer.ts";
import { connectionReset } from "../../helpers/scripted_fetch.ts";
import { writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";
import { watchUploads } from "../../helpers/watched_uploads.ts";

const TARGET = "localhost:5000/app:1";
const MIB = 1024 * 1024;
/** More than is held, so that it passes as a stream; the window is a quarter of it. */
const OPTIONS: PushOptions = {
  memoryBudget: MIB,
  concurrency: 1,
  retry: { delay: 0 },
  timeouts: { response: 5000 },
};

const large = await makeLayer(writeTar([{ path: "x", body: new Uint8Array(2 * MIB).fill(7) }]));
const image = await makeImage([large]);

const ARCHIVES = {
  "with its digest as name": { tar: await layoutTar(image) },
  "without a digest": {
    tar: toBlob(dockerSave([{ image, repoTags: ["app:1"] }])),
  },
} as const;

const gateway = (status: number) => () => new Response(null, { status });

/** What goes wrong with the body of the large layer, the first time that it is sent. */
function atLarge(fault: Fault) {
  let failures = 1;
  return (request: SeenRequest) =>
    request.method === "PATCH" && request.path.includes("/uploads/") && failures-- > 0
      ? fault
      : undefined;
}

for (const [what, { tar }] of Object.entries(ARCHIVES)) {
  for (const status of [502, 503, 504]) {
    test(`pushImage() of a pipe sends a large layer ${what} once where a ${status} hides that it arrived`, async () => {
      const registry = createRegistry();
      const change = gateway(status);
      const layer = faultLayer(registry, atLarge({ kind: "change-response", change }));
      await pushImage(tar.stream(), TARGET, { ...OPTIONS, fetch: layer.fetch });
      await readBack(registry, "app", "1");
      const lines = layer.lines().filter((line) => line.includes("uploads"));
      assertEquals(lines.filter((line) => line.startsWith("POST")).length, 2);
      assertEquals(lines.filter((line) => line.startsWith("DELETE")).length, 0);
    });
  }

  for (const [status, why] of [[411, "for want of a length"], [413, "for its length"]] as const) {
    test(`pushImage() of a pipe says what to do where a large layer ${what} is refused ${why}, and gone`, async () => {
      const answer = gateway(status);
      const layer = faultLayer(
        createRegistry(),
        atLarge({ kind: "answer", answer, readBody: true }),
      );
      const error = await assertRejects(
        () => pushImage(tar.stream(), TARGET, { ...OPTIONS, fetch: layer.fetch }),
        RegistryError,
        `answered ${status}`,
      );
      assertMatch(error.message, /comes only once$/);
      assertMatch(error.hint ?? "", /file first and push that, or try --chunk-size/);
    });
  }

  test(`pushImage() of a pipe sends a large layer ${what} in chunks where a request that is refused is read on`, async () => {
    const registry = createRegistry();
    const fault: Fault = { kind: "answer", answer: gateway(413), readBody: "after" };
    const { fetch } = faultLayer(registry, atLarge(fault));
    await pushImage(tar.stream(), TARGET, { ...OPTIONS, fetch });
    await readBack(registry, "app", "1");
  });

  test(`pushImage() of a pipe sends a large layer ${what} with its length where one without is refused at once`, async () => {
    const registry = createRegistry();
    const layer = faultLayer(registry, atLarge({ kind: "answer", answer: gateway(411) }));
    const options = { ...OPTIONS, retry: { attempts: 1 }, fetch: layer.fetch };
    await pushImage(tar.stream(), TARGET, options);
    await readBack(registry, "app", "1");
    const ranges = layer.seen.map(({ headers }) => headers.get("content-range"));
    assertEquals(ranges.filter(Boolean), [`0-${large.bytes.length - 1}`]);
  });
}

test("pushImage() of a pipe tells the length of what is sent where a proxy drops what tells none", async () => {
  const registry = createRegistry();
  let dropped = 0;
  const fetch = async (request: Request) => {
    const { method, headers, body, url } = request;
    if (method !== "PATCH" || headers.has("content-length")) return await registry(request);
    dropped++;
    // As Perlbal, whose registry got the request alone.
    await body?.cancel();
    return new Response(null, {
      status: 202,
      headers: { location: new URL(url).pathname, range: "0-0" },
    });
  };
  const { tar } = ARCHIVES["without a digest"];
  await pushImage(tar.stream(), TARGET, { ...OPTIONS, fetch });
  await readBack(registry, "app", "1");
  assertEquals(dropped, 1);
});

test("pushImage() of a pipe sends no more of a large layer that somebody else has brought when its connection breaks", async () => {
  const { tar } = ARCHIVES["with its digest as name"];
  const registry = createRegistry();
  let isBroken = false;
  const layer = faultLayer(async (request) => {
    if (request.method !== "PATCH" || isBroken) return await registry(request);
    isBroken = true;
    await request.body?.cancel();
    await pushImage(tar, "localhost:5000/app:other", { fetch: registry });
    throw connectionReset();
  });
  await pushImage(tar.stream(), TARGET, { ...OPTIONS, fetch: layer.fetch });
  await readBack(registry, "app", "1");
  assertEquals(layer.seen.filter(({ method }) => method === "PATCH").length, 1);
});

test("pushImage() of a pipe cancels an upload that broke where somebody else has brought the blob", async () => {
  const tar = await layoutTar(image);
  const registry = createRegistry();
  const { fetch, open } = watchUploads(registry);
  let isBroken = false;
  const layer = faultLayer(fetch, ({ method, path }) => {
    if (method === "POST") {
      const run = async () =>
        void await pushImage(tar, "localhost:5000/app:0", { fetch: registry });
      return { kind: "before", run };
    }
    if (isBroken || method !== "PATCH" || !path.includes("/uploads/")) return undefined;
    isBroken = true;
    return { kind: "refuse" };
  });
  const options = { memoryBudget: MIB, concurrency: 1, retry: { delay: 0 }, fetch: layer.fetch };
  await pushImage(tar.stream(), "localhost:5000/app:1", options);
  assert(isBroken);
  assertEquals(await open(), []);
});
