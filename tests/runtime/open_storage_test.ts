import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { DigestMismatchError, OciError } from "../../src/errors.ts";
import { currentHost, openStorage } from "../../src/runtime/mod.ts";
import type { FolderRegistryStorage } from "../../src/runtime/mod.ts";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import { readRange } from "../../src/source/blob_source.ts";
import type { Storage } from "../../src/storage.ts";
import { randomBytes } from "../helpers/archives.ts";
import { runProcess, type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { bytesOf, call, pushBlob, pushImage } from "../server/registry_calls.ts";

const MIB = 1024 * 1024;
const HOUR = 3600 * 1000;

async function store(storage: Storage, content: Uint8Array<ArrayBuffer>, repository: string) {
  const digest = await digestBytes(content);
  const writer = await storage.createBlob();
  for (let at = 0; at < content.length; at += 100_000) {
    await writer.write(content.subarray(at, at + 100_000));
  }
  assertEquals(writer.size, content.length);
  await writer.commit(repository, digest);
  return digest;
}

/** Names of all files in a folder, however deep. */
async function filesIn(path: string): Promise<string[]> {
  const { stdout } = await runProcess("find", [path, "-type", "f", "-printf", "%P\n"]);
  return stdout.split("\n").filter(Boolean).sort();
}

/** The same test for a storage in memory and for one in a folder. */
function testEach(name: string, body: (storage: Storage) => Promise<void>): void {
  test(`MemoryStorage ${name}`, () => body(new MemoryStorage()));
  test(`openStorage() ${name}`, async () => {
    await using folder = await temporaryFolder();
    await using storage = await openStorage(`${folder.path}/new/registry`);
    await body(storage);
  });
}

testEach("reads what was written, small or large, whole or in part", async (storage) => {
  for (const size of [0, 1, 65_535, MIB - 1, MIB, MIB + 1, 3 * MIB + 17]) {
    const content = randomBytes(size);
    const digest = await store(storage, content, "team/app");
    const blob = await storage.openBlob("team/app", digest);
    assertEquals(blob?.size, size);
    assert(blob);
    assertEquals(await digestBytes(await readRange(blob, 0, size)), digest);
    const [start, end] = [size >> 2, size >> 1];
    assertEquals(await readRange(blob, start, end), content.slice(start, end));
    assertEquals(await storage.openBlob("other", digest), undefined);
  }
});

testEach("reads what was written in pieces of any size", async (storage) => {
  for (const piece of [1, 1000, 3000, 50_000, 131_072, 131_073]) {
    const content = randomBytes(Math.min(300_000, 10 * piece));
    const digest = await digestBytes(content);
    const writer = await storage.createBlob();
    for (let at = 0; at < content.length; at += piece) {
      await writer.write(content.slice(at, at + piece));
    }
    await writer.commit("app", digest);
    const blob = await storage.openBlob("app", digest);
    assert(blob);
    assertEquals(await readRange(blob, 0, blob.size), content);
  }
});

testEach("takes blobs under sha512, and refuses wrong digests", async (storage) => {
  for (const content of [randomBytes(10), randomBytes(2 * MIB)]) {
    const digest = await digestBytes(content, "sha512");
    const writer = await storage.createBlob();
    await writer.write(content);
    await writer.commit("app", digest);
    assertEquals((await storage.openBlob("app", digest))?.size, content.length);
    const wrong = await storage.createBlob();
    await wrong.write(content);
    const other = await digestBytes(bytesOf("other"));
    await assertRejects(() => wrong.commit("app", other), DigestMismatchError, other);
    await assertRejects(() => wrong.write(content), Error, "its writer has ended");
    assertEquals(await storage.openBlob("app", other), undefined);
  }
});

testEach("mounts and deletes a blob in one repository after the other", async (storage) => {
  const digest = await store(storage, bytesOf("x"), "one");
  assertEquals(await storage.mountBlob("one", "two", digest), true);
  assertEquals(await storage.mountBlob("three", "four", digest), false);
  assertEquals(await storage.deleteBlob("one", digest), true);
  assertEquals((await storage.openBlob("two", digest))?.size, 1);
  assertEquals(await storage.deleteBlob("one", digest), false);
  assertEquals(await storage.deleteBlob("two", digest), true);
  assertEquals(await storage.mountBlob("two", "one", digest), false);
  assertEquals(await storage.deleteManifest("nothing", digest), false);
});

testEach("keeps manifests, tags and referrers", async (storage) => {
  const bytes = bytesOf("{}");
  const digest = await digestBytes(bytes);
  const subject = await digestBytes(bytesOf("subject"));
  assertEquals(await storage.listTags("app"), undefined);
  await storage.putManifest("app", { digest, mediaType: "a/b", bytes, subject }, ["one"]);
  assertEquals(await storage.getManifest("app", digest), {
    ...{ digest, mediaType: "a/b", bytes, subject },
  });
  assertEquals(await storage.listReferrers("app", subject), [digest]);
  assertEquals(await storage.listReferrers("app", digest), []);
  await storage.putManifest("app", { digest, mediaType: "a/b", bytes, subject }, ["two"]);
  assertEquals((await storage.listTags("app"))?.sort(), ["one", "two"]);
  assertEquals(await storage.getTag("app", "one"), digest);
  assertEquals(await storage.deleteTag("app", "one"), true);
  assertEquals(await storage.deleteTag("app", "one"), false);
  assertEquals(await storage.deleteManifest("app", digest), true);
  assertEquals(await storage.listTags("app"), []);
  assertEquals(await storage.getManifest("app", digest), undefined);
  assertEquals(await storage.deleteManifest("app", digest), false);
});

testEach("lets repositories have any name of the grammar at once", async (storage) => {
  const names = ["a", "a/blobs", "a/blobs/sha256", "a/index.json", "blobs", "oci-layout/x", "a/b"];
  const digest = await store(storage, bytesOf("x"), "a");
  for (const name of names) assertEquals(await storage.mountBlob("a", name, digest), true);
  assertEquals((await storage.listRepositories()).sort(), [...names].sort());
});

test("openStorage() finds everything again, and nothing of an upload that has not ended", async () => {
  await using folder = await temporaryFolder();
  const large = randomBytes(2 * MIB);
  let digest: Digest;
  let image: Digest;
  {
    await using storage = await openStorage(folder.path);
    digest = await store(storage, large, "a/b/c");
    image = await pushImage(createRegistry({ storage }), "1.0", {}, "team/app");
    const open = await storage.createBlob();
    await open.write(randomBytes(2 * MIB));
    assertEquals((await filesIn(`${folder.path}/_uploads`)).length, 1);
  }
  await folder.write("_uploads/left-by-a-crash", "half");
  await using storage = await openStorage(folder.path);
  assertEquals(await filesIn(`${folder.path}/_uploads`), []);
  assertEquals((await storage.listRepositories()).sort(), ["a/b/c", "team/app"]);
  assertEquals((await storage.openBlob("a/b/c", digest))?.size, 2 * MIB);
  assertEquals(await storage.getTag("team/app", "1.0"), image);
  const registry = createRegistry({ storage });
  const manifest = await call(registry, "GET", "/v2/team/app/manifests/1.0");
  assertEquals(await digestBytes(await manifest.bytes()), image);
  assertEquals(manifest.headers.get("Content-Type"), "application/vnd.oci.image.manifest.v1+json");
});

test("openStorage() shares the file of a blob between repositories, mounted or uploaded again", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openStorage(folder.path);
  const content = randomBytes(100_000);
  const digest = await store(storage, content, "one");
  await storage.mountBlob("one", "two", digest);
  await store(storage, content, "three");
  const { stdout } = await runProcess("du", ["-s", "--block-size=1000", folder.path]);
  assert(Number(stdout.split("\t")[0]) < 200, stdout);
  // Whoever has it last has it whole.
  for (const name of ["one", "two"]) await storage.deleteBlob(name, digest);
  const blob = await storage.openBlob("three", digest);
  assert(blob && await digestBytes(await readRange(blob, 0, blob.size)) === digest);
  await storage.deleteBlob("three", digest);
  assertEquals((await filesIn(folder.path)).filter((name) => /[0-9a-f]{64}/.test(name)), []);
});

test("openStorage() refuses a folder that another process or storage has, until that ends", async () => {
  await using folder = await temporaryFolder();
  {
    await using _storage = await openStorage(folder.path);
    const error = await assertRejects(() => openStorage(folder.path), OciError);
    assertEquals(
      error.message,
      `Cannot open "${folder.path}": another process has it, expected a folder that nobody serves`,
    );
  }
  await using _again = await openStorage(folder.path);
});

test("openStorage() leaves a folder alone that has something else in it", async () => {
  await using folder = await temporaryFolder();
  await folder.write("letter.txt", "x");
  const error = await assertRejects(() => openStorage(folder.path), OciError, "other files");
  assertEquals(error.hint, "name a folder for the registry alone");
  assertEquals(await filesIn(folder.path), ["letter.txt"]);
});

test("openStorage() leaves it alone by whatever path, one that has to be made to lead there too", async () => {
  await using folder = await temporaryFolder();
  await folder.write("precious.txt", "mine");
  const path = `${folder.path}/none/..`;
  await assertRejects(() => openStorage(path), OciError, "other files");
});

test("openStorage() takes an empty path for no folder, and not for the root of all", async () => {
  await assertRejects(() => openStorage(""), OciError, 'Cannot open "": it is no path');
});

test("openStorage() serves an OCI layout that another program put into the folder", async () => {
  await using folder = await temporaryFolder();
  const child = JSON.stringify({ schemaVersion: 2, mediaType: "child/type", layers: [] });
  const childDigest = await digestBytes(bytesOf(child));
  const index = JSON.stringify({
    manifests: [{ mediaType: "", digest: childDigest, size: child.length }],
  });
  const digest = await digestBytes(bytesOf(index));
  await openStorage(folder.path).then((storage) => storage[Symbol.asyncDispose]());
  await currentHost().makeDirectory(`${folder.path}/x/y/blobs/sha256`);
  const ref = { "org.opencontainers.image.ref.name": "v1" };
  const entry = { mediaType: "t", digest, size: index.length, annotations: ref, platform: {} };
  await folder.write("x/y/index.json", JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  await folder.write(`x/y/blobs/sha256/${digest.slice(7)}`, index);
  await folder.write(`x/y/blobs/sha256/${childDigest.slice(7)}`, child);
  await using storage = await openStorage(folder.path);
  assertEquals(await storage.listRepositories(), ["x/y"]);
  assertEquals(await storage.getTag("x/y", "v1"), digest);
  const manifest = await storage.getManifest("x/y", childDigest);
  assert(manifest);
  assertEquals(manifest.mediaType, "child/type");
  await storage.putManifest("x/y", manifest, ["v2"]);
  const saved = JSON.parse(new TextDecoder().decode(await folder.read("x/y/index.json")));
  assertEquals(saved.manifests[0], entry);
});

test("openStorage() lists no repository behind a link, which may lead anywhere, and in a circle", async () => {
  await using folder = await temporaryFolder();
  await using other = await temporaryFolder();
  await currentHost().makeDirectory(`${other.path}/app`);
  await other.write("app/index.json", JSON.stringify({ schemaVersion: 2, manifests: null }));
  await openStorage(folder.path).then((storage) => storage[Symbol.asyncDispose]());
  for (const [target, name] of [[other.path, "other"], [".", "loop"], ["/nowhere", "none"]]) {
    await runProcess("ln", ["-s", `${target}`, `${folder.path}/${name}`]);
  }
  await runProcess("cp", ["-r", `${other.path}/app`, `${folder.path}/app`]);
  await using storage = await openStorage(folder.path);
  assertEquals(await storage.listRepositories(), ["app"]);
  // Go writes an empty list as null.
  assertEquals(await storage.listTags("app"), []);
  assertEquals(await storage.listTags("other/app"), []);
});

test("openStorage() finds damage when it serves: the answer breaks off, and it is told", async () => {
  await using folder = await temporaryFolder();
  const told: string[] = [];
  const onDamage = (error: Error) => void told.push(error.message);
  await using storage = await openStorage(folder.path, { onDamage });
  const registry = createRegistry({ storage });
  for (const size of [1000, 3 * MIB]) {
    const content = randomBytes(size);
    const digest = await store(storage, content, "app");
    const path = `app/blobs/sha256/${digest.slice(7)}`;
    content[size - 1] = (content[size - 1] ?? 0) ^ 1;
    await folder.write(path, content);
    const response = await call(registry, "GET", `/v2/app/blobs/${digest}`);
    if (size === 1000) assertEquals(response.status, 500);
    else await assertRejects(() => response.bytes(), OciError, "it is damaged");
    assertEquals(told, [
      `Cannot read "${folder.path}/${path}": it is damaged, expected content of the digest in its name`,
    ]);
    told.pop();
    // A part is given out as it is: nobody can tell.
    const part = await call(registry, "GET", `/v2/app/blobs/${digest}`, null, {
      Range: "bytes=0-9",
    });
    assertEquals((await part.bytes()).length, 10);
  }
});

test("openStorage() with readOnly serves a folder to which nothing can be written", async () => {
  await using folder = await temporaryFolder();
  const registry = createRegistry({ storage: await filled(folder) });
  await using storage = await openStorage(folder.path, { readOnly: true });
  await using _second = await openStorage(folder.path, { readOnly: true });
  assertEquals(await storage.listRepositories(), ["app"]);
  const reading = createRegistry({ storage, readOnly: true });
  const before = await (await call(registry, "GET", "/v2/app/manifests/1")).text();
  assertEquals(await (await call(reading, "GET", "/v2/app/manifests/1")).text(), before);
  assertEquals((await call(reading, "HEAD", "/v2/app/manifests/1")).status, 200);
});

async function filled(folder: TemporaryFolder): Promise<FolderRegistryStorage> {
  await using storage = await openStorage(folder.path);
  await pushImage(createRegistry({ storage }), "1");
  return storage;
}

test("collect() of openStorage() removes what no tag leads to, each after its time", async () => {
  await using folder = await temporaryFolder();
  let time = Date.now();
  await using storage = await openStorage(folder.path, { now: () => time });
  const registry = createRegistry({ storage });
  const kept = await pushImage(registry, "kept");
  const moved = await pushImage(registry, "moved", { annotations: { old: "yes" } });
  const referrer = await pushImage(registry, "x", {
    subject: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: kept, size: 1 },
  });
  await storage.deleteTag("app", "x");
  await pushImage(registry, "moved");
  const loose = await pushBlob(registry, "nobody names it");
  const nothing = { manifests: 0, blobs: 0, uploads: 0, bytes: 0 };
  assertEquals(await storage.collect(), nothing);
  time += 2 * HOUR;
  assertEquals(await storage.collect(), { ...nothing, blobs: 1, bytes: 15 });
  assertEquals(await storage.openBlob("app", loose), undefined);
  assert(await storage.getManifest("app", moved));
  time += 24 * HOUR;
  assertEquals((await storage.collect({ untaggedSeconds: Infinity })).manifests, 0);
  assertEquals((await storage.collect()).manifests, 1);
  assertEquals(await storage.getManifest("app", moved), undefined);
  assert(await storage.getManifest("app", kept));
  assert(await storage.getManifest("app", referrer));
  const problems = await Array.fromAsync(storage.scrub());
  assertEquals(problems.filter(({ kind }) => kind === "damaged"), []);
});

test("collect() of openStorage() removes an image with all that it alone needs in one go", async () => {
  await using folder = await temporaryFolder();
  let time = Date.now();
  await using storage = await openStorage(folder.path, { now: () => time });
  const registry = createRegistry({ storage });
  const image = await pushImage(registry, "old");
  const size = (await storage.getManifest("app", image))?.bytes.length ?? 0;
  await storage.deleteTag("app", "old");
  // What has no repository any more, since somebody removed that by hand.
  await pushBlob(registry, "of a repository that is gone", "gone");
  await runProcess("rm", ["-r", `${folder.path}/gone`]);
  time += 25 * HOUR;
  const reason = new Error("enough");
  await assertRejects(
    () => storage.collect({ signal: AbortSignal.abort(reason) }),
    Error,
    "enough",
  );
  assert(await storage.getManifest("app", image));
  assertEquals(await storage.collect(), {
    manifests: 1,
    blobs: 3,
    uploads: 0,
    bytes: size + "{}".length + "layer".length + "of a repository that is gone".length,
  });
  assertEquals((await filesIn(folder.path)).filter((path) => path.includes("sha256/")), []);
});

test("collect() of openStorage() leaves what belongs to a manifest that a client has asked for", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openStorage(folder.path);
  const registry = createRegistry({ storage });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const image = await pushImage(registry, "x");
  const subject = { mediaType, digest: image, size: 1 };
  const referrer = await pushImage(registry, "x", { subject });
  await storage.deleteTag("app", "x");
  const age = () =>
    runProcess("find", [
      folder.path,
      "-path",
      "*sha256*",
      "-exec",
      "touch",
      "-d2 days ago",
      "{}",
      ";",
    ]);
  for (const asked of [image, referrer]) {
    await age();
    assertEquals((await call(registry, "HEAD", `/v2/app/manifests/${asked}`)).status, 200);
    assertEquals((await storage.collect()).manifests, 0);
  }
  await age();
  assertEquals((await storage.collect()).manifests, 2);
});

test("collect() of openStorage() leaves what a client was told is there, and ends idle uploads", async () => {
  await using folder = await temporaryFolder();
  let time = Date.now();
  await using storage = await openStorage(folder.path, { now: () => time });
  const registry = createRegistry({ storage });
  const digest = await pushBlob(registry, "old");
  const path = `${folder.path}/app/blobs/sha256/${digest.slice(7)}`;
  await runProcess("touch", ["-d", "2 days ago", path]);
  const upload = (await call(registry, "POST", "/v2/app/blobs/uploads/")).headers.get("Location");
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${digest}`)).status, 200);
  assertEquals((await storage.collect()).blobs, 0);
  await runProcess("touch", ["-d", "2 days ago", path]);
  assertEquals((await storage.collect()).blobs, 1);
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${digest}`)).status, 404);
  time += 25 * HOUR;
  assertEquals((await storage.collect()).uploads, 1);
  assertEquals((await call(registry, "PATCH", upload ?? "", "x")).status, 404);
});

test("scrub() of openStorage() finds all that is damaged or missing, and a push brings it again", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openStorage(folder.path);
  const registry = createRegistry({ storage });
  const image = await pushImage(registry, "1");
  const config = await digestBytes(bytesOf("{}"));
  const layer = await digestBytes(bytesOf("layer"));
  await storage.mountBlob("app", "other", layer);
  assertEquals(await Array.fromAsync(storage.scrub()), []);
  // The file of both repositories.
  await folder.write(`app/blobs/sha256/${layer.slice(7)}`, "LAYER");
  await storage.deleteBlob("app", config);
  assertEquals(await Array.fromAsync(storage.scrub()), [
    { kind: "damaged", repository: "app", digest: layer },
    { kind: "missing", repository: "app", digest: config, namedBy: image },
    { kind: "missing", repository: "app", digest: layer, namedBy: image },
    { kind: "damaged", repository: "other", digest: layer },
  ]);
  assertEquals(await storage.openBlob("other", layer), undefined);
  assertEquals((await filesIn(`${folder.path}/_damaged`)).length, 1);
  assertEquals(await pushImage(registry, "1"), image);
  assertEquals(await Array.fromAsync(storage.scrub()), []);
});
