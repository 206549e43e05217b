import { assert, assertEquals } from "@std/assert";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { openStorage } from "../../src/runtime/mod.ts";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import type { Storage } from "../../src/storage.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { bytesOf, call, makeManifest, pushBlob, pushImage, putManifest } from "./registry_calls.ts";
import type { Registry } from "./registry_calls.ts";

const MIB = 1024 * 1024;
const HOUR = 3600 * 1000;

/** A manifest whose config and layer are blobs of the registry. */
function imageOf(layer: Digest, size: number, extra: Record<string, unknown> = {}) {
  const config = { mediaType: OCI_CONFIG, digest: layer, size };
  const layers = [{ mediaType: OCI_LAYER, digest: layer, size }];
  return { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, ...extra };
}

/** What of some blobs a storage has. */
async function present(storage: Storage, digests: readonly Digest[]): Promise<number> {
  const found = await Promise.all(digests.map((digest) => storage.openBlob("app", digest)));
  return found.filter((blob) => blob !== undefined).length;
}

test("MemoryStorage frees what a tag has moved away from, and keeps what tags lead to", async () => {
  let time = 0;
  const storage = new MemoryStorage({ collectAboveBytes: 4 * MIB, now: () => time });
  const registry = createRegistry({ storage });
  const kept = await pushImage(registry, "kept");
  const layers: Digest[] = [];
  for (let turn = 0; turn < 40; turn++) {
    time += HOUR / 100;
    const layer = await pushBlob(registry, new Uint8Array(MIB).fill(turn));
    layers.push(layer);
    assertEquals((await putManifest(registry, "moving", imageOf(layer, MIB))).status, 201);
    assert(await present(storage, layers) <= 7, `${await present(storage, layers)} blobs`);
  }
  assertEquals(await present(storage, layers.slice(-1)), 1);
  const pulled = await call(registry, "GET", `/v2/app/manifests/${kept}`);
  assertEquals(pulled.status, 200);
});

test("MemoryStorage keeps for an hour what a client was told is there, and what is not yet named", async () => {
  let time = 0;
  const storage = new MemoryStorage({ collectAboveBytes: 1, now: () => time });
  const registry = createRegistry({ storage });
  const sent = await pushBlob(registry, "sent");
  const asked = await pushBlob(registry, "asked");
  const manifest = await putManifest(registry, "moving", imageOf(asked, 5));
  const old = manifest.headers.get("Docker-Content-Digest");
  time += HOUR / 2;
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${asked}`)).status, 200);
  await pushImage(registry, "moving");
  time += HOUR / 4;
  await pushBlob(registry, new Uint8Array(1000));
  assertEquals(await present(storage, [sent, asked]), 2);
  assertEquals((await call(registry, "GET", `/v2/app/manifests/${old}`)).status, 404);
  time += HOUR / 2;
  await pushBlob(registry, new Uint8Array(10_000));
  assertEquals(await present(storage, [sent, asked]), 1);
  time += HOUR / 2;
  await pushBlob(registry, new Uint8Array(100_000));
  assertEquals(await present(storage, [sent, asked]), 0);
});

test("MemoryStorage keeps children, referrers and subjects of what a tag leads to", async () => {
  let time = 0;
  const storage = new MemoryStorage({ collectAboveBytes: 1, now: () => time });
  const registry = createRegistry({ storage });
  const image = await pushImage(registry, "x", { annotations: { name: "child" } });
  const child = { mediaType: OCI_MANIFEST, digest: image, size: await sizeOf(storage, image) };
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const index = { schemaVersion: 2, mediaType, manifests: [child] };
  assertEquals((await putManifest(registry, "index", index)).status, 201);
  const referrer = { ...await makeManifest(registry), subject: child };
  const digest = await digestBytes(bytesOf(JSON.stringify(referrer)));
  assertEquals((await putManifest(registry, digest, referrer)).status, 201);
  await storage.deleteTag("app", "x");
  time += 2 * HOUR;
  await pushBlob(registry, "what makes it collect");
  for (const kept of [image, digest]) assert(await storage.getManifest("app", kept), kept);
  await storage.deleteTag("app", "index");
  await pushBlob(registry, "what makes it collect again");
  for (const gone of [image, digest]) {
    assertEquals(await storage.getManifest("app", gone), undefined);
  }
});

async function sizeOf(storage: Storage, digest: Digest): Promise<number> {
  return (await storage.getManifest("app", digest))?.bytes.length ?? 0;
}

/**
 * Four clients that push, again and again, what the registry may be about to remove.
 *
 * @param registry Where they push to.
 * @param rounds How often each.
 * @param wait What a client waits for that was told what is there; what comes in between must not take it away again.
 * @param onRound Told what they have pushed, which is out of use from then on.
 * @returns How many blobs they sent; were nothing removed, it would be twelve.
 */
async function pushTogether(
  registry: Registry,
  rounds: number,
  wait: (client: number) => Promise<unknown>,
  onRound: (digests: Digest[]) => unknown,
): Promise<number> {
  let sent = 0;
  for (let round = 0; round < rounds; round++) {
    const pushed = await Promise.all([0, 1, 2, 3].map(async (client) => {
      const content = bytesOf(`layer ${client} ${round % 3}`.repeat(1000));
      const digest = await digestBytes(content);
      const head = await call(registry, "HEAD", `/v2/app/blobs/${digest}`);
      if (head.status === 404) {
        await pushBlob(registry, content);
        sent++;
      }
      await wait(client);
      const image = imageOf(digest, content.length, { annotations: { by: `${client} ${round}` } });
      const put = await putManifest(registry, `tag-${round % 3}`, image);
      assertEquals(put.status, 201, await put.text());
      return [digest, await digestBytes(bytesOf(JSON.stringify(image)))];
    }));
    await onRound(pushed.flat());
  }
  return sent;
}

test("MemoryStorage never takes away what a push counts on, whatever is collected meanwhile", async () => {
  let time = 0;
  const storage = new MemoryStorage({ collectAboveBytes: 1, now: () => time });
  const registry = createRegistry({ storage });
  let others = 0;
  // The later a client goes on, the more tags have moved on meanwhile, and each blob may make the storage collect.
  const wait = async (client: number) => {
    for (let left = 2 * client; left > 0; left--) {
      await pushBlob(registry, bytesOf(`other ${others++}`.repeat(10_000)));
    }
  };
  const sent = await pushTogether(registry, 30, wait, () => time += HOUR);
  assert(sent > 12, "nothing was removed meanwhile");
});

test("openStorage() never takes away what a push counts on, whatever is collected meanwhile", async () => {
  await using folder = await temporaryFolder();
  // For its clock, what has just been used is young enough, and what is said to be of yesterday is not.
  await using storage = await openStorage(folder.path, { now: () => Date.now() + HOUR });
  let isPushing = true;
  let passes = 0;
  let passed = Promise.withResolvers<void>();
  const collecting = (async () => {
    for (; isPushing; passes++) {
      await storage.collect({ untaggedSeconds: 3600 });
      passed.resolve();
      passed = Promise.withResolvers();
    }
  })();
  // The later a client goes on, the more tags have moved on meanwhile.
  const wait = async (client: number) => {
    for (const last = passes + 2 * client; passes <= last;) {
      await Promise.race([passed.promise, collecting]);
    }
  };
  const age = (digests: Digest[]) => {
    const paths = digests.map((digest) => `${folder.path}/app/blobs/sha256/${digest.slice(7)}`);
    return runProcess("touch", ["-c", "-d", "1 day ago", ...paths]);
  };
  try {
    const sent = await pushTogether(createRegistry({ storage }), 12, wait, age);
    assert(sent > 12, "nothing was removed meanwhile");
  } finally {
    isPushing = false;
    await collecting;
  }
  const problems = await Array.fromAsync(storage.scrub());
  assertEquals(problems, []);
});
