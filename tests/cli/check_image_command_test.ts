import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { pushImage } from "../../src/push/push.ts";
import { flipByte, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { type BadDisk, badDisk } from "../helpers/bad_disk.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

const TARGET = "localhost:5000/app:1";
const image = await makeImage(["one", "two"]);
const layout = new OciLayout();
const root = await layout.image(image);
layout.add(root, { ref: "1" });
const [layer] = image.layers;
const digest = layer?.digest ?? "";
const TAR = "tests/fixtures/docker29-single.tar";

async function pushed(): Promise<BadDisk> {
  const disk = badDisk();
  await pushImage(toBlob(layout.entries()), TARGET, { fetch: disk.fetch });
  return disk;
}

async function runWith(disk: BadDisk, ...args: string[]) {
  const host = fakeHost(args, { overrides: { fetchWith: () => disk.fetch } });
  return { code: await run(host), ...host.written };
}

test("run() check says of an image in a registry that it is whole", async () => {
  const disk = await pushed();
  const { code, stdout, stderr } = await runWith(disk, "check", TARGET);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^localhost:5000\/app:1: ok \(1 manifest, 3 blobs, [\d.]+ k?B\)\n$/);
  const quick = await runWith(disk, "check", "--quick", TARGET);
  assertMatch(quick.stdout, /: ok \(1 manifest, 3 blobs, [\d.]+ k?B not read\)\n$/);
});

test("run() check prints what is wrong with an image, and exits with 1", async () => {
  const disk = await pushed();
  disk.damage(digest, flipByte(layer?.bytes ?? new Uint8Array(), 600));
  const { code, stdout, stderr } = await runWith(disk, "check", TARGET);
  assertEquals([code, stderr], [1, ""]);
  assertMatch(
    stdout,
    /^error {4}wrong-digest {2}blob sha256:\w+ of localhost:5000\/app \(sha256:\w+ names it\) has digest .*\nlocalhost:5000\/app:1: broken, 1 error \(/,
  );
  const json = JSON.parse((await runWith(disk, "check", "--json", TARGET)).stdout);
  assertEquals([json.ok, json.digest, json.findings[0].code], [false, root.digest, "wrong-digest"]);
});

test("run() check tells an image from an archive", async () => {
  const disk = await pushed();
  // A file wins; so does what is called like one.
  assertMatch((await runWith(disk, "check", TAR)).stdout, /archive, /);
  for (const path of ["nowhere/app.tar", "./nowhere/app:1", "image.tar.gz", "nowhere"]) {
    const { code, stderr } = await runWith(disk, "check", path);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot open");
  }
  for (const reference of [`http://${TARGET}`, `http://localhost:5000/app@${root.digest}`]) {
    assertEquals((await runWith(disk, "check", reference)).code, 0, reference);
  }
  const asked = disk.requests.length;
  await runWith(disk, "check", "http://localhost:5000/app.tar");
  await runWith(disk, "check", "http://localhost:5000/app");
  assertEquals(disk.requests.slice(asked), ["GET /app.tar", "GET /app"]);
  const wrong = await runWith(disk, "check", "--quick", TAR);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "--quick is for an image in a registry");
});

test("run() check says what the registry does not have, and when there is none", async () => {
  const disk = await pushed();
  const { code, stdout } = await runWith(disk, "check", "localhost:5000/app:2");
  assertEquals(code, 1);
  assertMatch(stdout, /^error {4}missing-manifest {2}manifest 2 is not in localhost:5000\/app\n/);
  const host = fakeHost(["check", TARGET, "--json"], {
    overrides: { fetchWith: () => () => Promise.resolve(new Response(null, { status: 401 })) },
  });
  assertEquals(await run(host), 1);
  assertEquals(Object.keys(JSON.parse(host.written.stdout)), ["error"]);
});
