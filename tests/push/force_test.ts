import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PushError } from "../../src/errors.ts";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  encode,
  flipByte,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
} from "../helpers/archives.ts";
import { type BadDisk, badDisk } from "../helpers/bad_disk.ts";
import { busyWhileTaking } from "../helpers/busy_registry.ts";
import { readBack } from "../helpers/expected.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const FAST = { retry: { attempts: 2, delay: 0 } };

const image = await makeImage(["one", "two"]);
const layout = new OciLayout();
const root = await layout.image(image);
layout.add(root, { ref: "1" });
const tar = toBlob(layout.entries());
const docker = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
const [layer, other] = image.layers;
assert(layer && other);

const SOURCES: [what: string, open: () => Blob | ReadableStream<Uint8Array>][] = [
  ["a file", () => tar],
  ["a pipe", () => tar.stream()],
  ["a docker save", () => docker],
  ["a docker save that comes once", () => docker.stream()],
];

async function push(
  disk: BadDisk,
  source: Blob | ReadableStream<Uint8Array>,
  options: PushOptions,
) {
  disk.requests.length = 0;
  return await pushImage(source, TARGET, { fetch: disk.fetch, ...FAST, ...options });
}

for (const [what, open] of SOURCES) {
  test(`pushImage() with force sends all of ${what} again, and reads it back`, async () => {
    const disk = badDisk();
    const { images: [first] } = await push(disk, open(), {});
    assert(first);
    disk.lose(layer.digest, { isRemembered: true });
    disk.lose(first.digest);
    const plain = await push(disk, open(), {});
    assertEquals(plain.bytesUploaded, 0, "the registry says that it has them");
    disk.lose(first.digest);
    const { images, bytesUploaded } = await push(disk, open(), { force: true });
    const blobs = images[0]?.blobs ?? [];
    assertEquals(blobs.map(({ status }) => status), ["pushed", "pushed", "pushed"]);
    assertEquals(bytesUploaded, blobs.reduce((sum, { size }) => sum + size, 0));
    for (const { digest } of blobs) {
      assert(disk.requests.includes(`GET /v2/app/blobs/${digest}`), digest);
    }
    assertEquals((await readBack(disk.fetch, "app", "1")).digest, first.digest);
  });

  test(`pushImage() with force tells that a registry keeps a damaged blob of ${what}`, async () => {
    for (const bytes of [flipByte(layer.bytes, 600), layer.bytes.slice(0, 100), encode("")]) {
      const disk = badDisk();
      await push(disk, open(), {});
      disk.damage(layer.digest, bytes);
      const error = await assertRejects(() => push(disk, open(), { force: true }), PushError);
      assertStringIncludes(
        error.message,
        `Cannot push blob ${layer.digest} to localhost:5000/app:`,
      );
      assertStringIncludes(error.message, "the registry took it, and does not send it back");
      assertStringIncludes(error.hint ?? "", `blobs/sha256/${layer.digest.slice(7, 9)}/`);
    }
  });

  test(`pushImage() of ${what} trusts no registry that keeps a blob of another length`, async () => {
    const disk = badDisk();
    await push(disk, open(), {});
    disk.damage(layer.digest, layer.bytes.slice(0, 100));
    await assertRejects(
      () => push(disk, open(), {}),
      PushError,
      "the registry took it, and does not send it back",
    );
    assertEquals(disk.requests.some((request) => request.startsWith("PUT /v2/app/manif")), false);
  });
}

test("pushImage() with force tells that a registry keeps a damaged manifest, before the tag", async () => {
  const disk = badDisk();
  await push(disk, tar, {});
  disk.damage(root.digest, encode("{}"));
  const error = await assertRejects(() => push(disk, tar, { force: true }), PushError);
  assertStringIncludes(error.message, `Cannot push manifest ${root.digest} to localhost:5000/app:`);
  assertEquals(disk.requests.includes("PUT /v2/app/manifests/1"), false);
});

test("pushImage() reads back a manifest that the registry failed to tell of, force or not", async () => {
  const disk = badDisk();
  const { images: [first] } = await push(disk, tar, {});
  assert(first);
  disk.spoil(first.digest);
  const error = await assertRejects(() => push(disk, tar, {}), PushError);
  assertEquals([error.step, error.origin, error.digest], ["manifest", "registry", first.digest]);
  assert(!disk.requests.includes("PUT /v2/app/manifests/1"), "before the tag");
  let failures = 0;
  const fetch: BadDisk["fetch"] = async (request) => {
    const isAsked = request.method === "HEAD" && request.url.includes("/manifests/");
    if (isAsked) failures++;
    return isAsked ? new Response(null, { status: 500 }) : await fine.fetch(request);
  };
  const fine = badDisk();
  await push(fine, tar, {});
  await push(fine, tar, { fetch });
  assert(failures > 0);
});

test("pushImage() with force reads back what it sent of a pipe before it knew what is needed", async () => {
  const body = new Uint8Array(2 * 1024 * 1024).fill(7);
  const large = await makeLayer(writeTar([{ path: "large", body }]));
  const tar = toBlob(dockerSave([
    { image: await makeImage([large]), repoTags: ["app:1"] },
    { image: await makeImage(["other"]), repoTags: ["other:1"] },
  ]));
  const disk = badDisk();
  const options = { images: ["app:1"], memoryBudget: 1024 * 1024, concurrency: 1 };
  await push(disk, tar.stream(), { ...options, force: true });
  assert(disk.requests.includes(`GET /v2/app/blobs/${large.digest}`));
});

test("pushImage() with force mounts nothing from where it may be damaged", async () => {
  const disk = badDisk();
  await pushImage(tar, "localhost:5000/base:1", { fetch: disk.fetch });
  const { images } = await push(disk, tar, { force: true, mountFrom: ["base"] });
  assertEquals(new Set(images[0]?.blobs.map(({ status }) => status)), new Set(["pushed"]));
});

test("pushImage() with force reads a passed layer back before it sends it on", async () => {
  const body = new Uint8Array(2 * 1024 * 1024).fill(7);
  const large = await makeLayer(writeTar([{ path: "large", body }]));
  const pipe = toBlob(dockerSave([{ image: await makeImage([large]), repoTags: ["app:1"] }]));
  const registry = createRegistry();
  const { fetch, refused } = busyWhileTaking(registry);
  const targets = [TARGET, "localhost:5000/other:1"];
  await pushImage(pipe.stream(), targets, { fetch, force: true, concurrency: 1 });
  assertEquals(refused, []);
  for (const name of ["app", "other"]) await readBack(registry, name, "1");
});
