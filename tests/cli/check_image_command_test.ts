import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { pushImage } from "../../src/push/push.ts";
import { flipByte, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { type BadDisk, badDisk } from "../helpers/bad_disk.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, runFake } from "./fake_host.ts";

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
  return await runFake(args, { registry: disk.fetch });
}

test("run() check says of an image in a registry that it is whole", async () => {
  const disk = await pushed();
  const { code, stdout, stderr } = await runWith(disk, "check", TARGET);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^localhost:5000\/app:1: ok \(1 manifest, 3 blobs, [\d.]+ k?B\)\n$/);
  const quick = await runWith(disk, "check", "--quick", TARGET);
  assertMatch(quick.stdout, /: ok \(1 manifest, 3 blobs, [\d.]+ k?B not read\)\n$/);
});

test("run() check --all-tags checks every tag of a repository", async () => {
  const disk = await pushed();
  const { code, stdout } = await runWith(disk, "check", "--all-tags", "localhost:5000/app");
  assertEquals(code, 0);
  assertMatch(stdout, /^localhost:5000\/app: ok \(1 manifest, 3 blobs, /);
  const { code: wrong, stderr } = await runWith(disk, "check", "--all-tags", TARGET);
  assertEquals(wrong, 2);
  assertStringIncludes(stderr, "it names one image, expected HOST[:PORT]/REPOSITORY");
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
  for (const [option, place] of [["--quick", "REPOSITORY:TAG"], ["--all-tags", "REPOSITORY"]]) {
    const wrong = await runWith(disk, "check", `${option}`, TAR);
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, `${option} is for an image in a registry`);
    assertStringIncludes(wrong.stderr, `hint: tarpush check ${option} HOST/${place}\n`);
  }
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

test("run() check --repair sends what is broken, says what became of it, and checks again", async () => {
  await using folder = await temporaryFolder();
  const tar = await folder.write("app.tar", await toBlob(layout.entries()).bytes());
  const disk = await pushed();
  const well = await runWith(disk, "check", "--repair", tar, TARGET);
  assertMatch(well.stdout, /^localhost:5000\/app:1: ok \(/);
  disk.lose(digest);
  const { code, stdout, stderr } = await runWith(disk, "check", "--repair", tar, TARGET);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(
    stdout,
    /^error {4}missing-blob {2}blob .*\nsent {5}sha256:\w+\nlocalhost:5000\/app:1: ok \(/,
  );
  disk.lose(digest);
  const json = JSON.parse((await runWith(disk, "check", "--json", "--repair", tar, TARGET)).stdout);
  assertEquals([json.ok, json.findings, json.repair.sent], [true, [], [digest]]);
  assertEquals(json.repair.findings[0].code, "missing-blob");
});

test("run() check --repair says what the archive lacks and what the registry keeps", async () => {
  await using folder = await temporaryFolder();
  const tar = await folder.write("app.tar", await toBlob(layout.entries()).bytes());
  const disk = await pushed();
  disk.lose(digest);
  const absent = await runWith(disk, "check", "--repair", TAR, TARGET);
  assertEquals(absent.code, 1);
  assertStringIncludes(absent.stdout, `absent   ${digest}, which ${TAR} does not have\n`);
  const damaged = await pushed();
  damaged.damage(digest, flipByte(layer?.bytes ?? new Uint8Array(), 600));
  const { code, stdout } = await runWith(damaged, "check", "--repair", tar, TARGET);
  assertEquals(code, 1);
  assertMatch(
    stdout,
    /\nfailed {3}Cannot push blob sha256:.*\nhint: {4}it may keep .*\n.*: broken, 1 error/,
  );
  const lost = await pushed();
  lost.lose(root.digest);
  const untold = await runWith(lost, "check", "--repair", tar, "--all-tags", "localhost:5000/app");
  assertMatch(
    untold.stdout,
    /^error.*\nhint: {4}nothing is sent, for nobody can tell what belongs/,
  );
});
