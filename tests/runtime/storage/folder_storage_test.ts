import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestBytes } from "../../../src/digest.ts";
import { DigestMismatchError, DiskError, OciError } from "../../../src/errors.ts";
import { OCI_MANIFEST } from "../../../src/media_types.ts";
import { openFolder } from "../../../src/runtime/storage/open_storage.ts";
import type { StorageFiles } from "../../../src/runtime/storage/storage_files.ts";
import { UploadWriter } from "../../../src/runtime/storage/upload_writer.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { readRange } from "../../../src/source/blob_source.ts";
import type { Storage } from "../../../src/storage.ts";
import { encode } from "../../helpers/archives.ts";
import { runProcess, type TemporaryFolder, temporaryFolder } from "../../helpers/process.ts";
import { requireProgram } from "../../helpers/programs.ts";
import { test } from "../../helpers/test.ts";
import { call, pushBlob, pushImage } from "../../server/registry_calls.ts";

const MIB = 1024 * 1024;

/** The files of this runtime. */
const files: StorageFiles = "Deno" in globalThis
  ? (await import("../../../src/runtime/storage/deno_files.ts")).denoStorageFiles
  : (await import("../../../src/runtime/storage/bun_files.ts")).bunStorageFiles;

/** The same on a disk that is full whenever it is said to be. */
function fillableDisk() {
  const disk = { isFull: false };
  const fail = () =>
    Promise.reject(new DiskError("Cannot write: the disk is full", { state: "the disk is full" }));
  const full: StorageFiles = {
    ...files,
    create: (path) => disk.isFull ? fail() : files.create(path),
    sync: (paths) => disk.isFull ? fail() : files.sync(paths),
  };
  return { disk, full };
}

async function uploads({ path }: TemporaryFolder): Promise<string> {
  return (await runProcess("ls", [`${path}/_uploads`])).stdout;
}

/** Gives a manifest of the repository "app" one more tag. */
async function putTag(storage: Storage, tag: string, digest: Digest): Promise<void> {
  const manifest = await storage.getManifest("app", digest);
  assert(manifest);
  await storage.putManifest("app", manifest, [tag]);
}

async function contentOf(storage: Storage, repository: string, digest: Digest): Promise<string> {
  const blob = await storage.openBlob(repository, digest);
  assert(blob);
  return new TextDecoder().decode(await readRange(blob, 0, blob.size));
}

test("a folder storage copies where the file system has no hard links", async () => {
  await using folder = await temporaryFolder();
  const unlinked = { ...files, link: () => Promise.resolve(false) };
  await using storage = await openFolder(folder.path, unlinked, {});
  assertEquals(storage.sharesFiles, false);
  const digest = await pushBlob(createRegistry({ storage }), "hello", "one");
  assertEquals(await storage.mountBlob("one", "two", digest), true);
  assertEquals(await storage.mountBlob("one", "two", digest), true);
  assertEquals(await storage.mountBlob("none", "two", digest), false);
  await storage.deleteBlob("one", digest);
  assertEquals(await contentOf(storage, "two", digest), "hello");
});

test("a folder storage has not what it could not save", async () => {
  await using folder = await temporaryFolder();
  const { disk, full } = fillableDisk();
  const digest = await (async () => {
    await using storage = await openFolder(folder.path, full, {});
    const registry = createRegistry({ storage });
    const image = await pushImage(registry, "1");
    disk.isFull = true;
    // Some are made while others are being saved: those fail for the same reason.
    const changes = Array.from({ length: 40 }, (_, n) => putTag(storage, `new-${n}`, image));
    for (const change of await Promise.allSettled(changes)) {
      assert(change.status === "rejected" && change.reason instanceof DiskError);
    }
    assertEquals(await storage.listTags("app"), ["1"]);
    await assertRejects(() => storage.deleteTag("app", "1"), OciError);
    await assertRejects(() => pushBlob(registry, "new"));
    await assertRejects(() => pushBlob(registry, "new", "new-repository"));
    disk.isFull = false;
    assertEquals(await storage.getTag("app", "1"), image);
    await putTag(storage, "4", image);
    return image;
  })();
  assertEquals(await uploads(folder), "");
  await using storage = await openFolder(folder.path, full, {});
  assertEquals((await storage.listTags("app"))?.sort(), ["1", "4"]);
  assertEquals(await storage.getTag("app", "4"), digest);
});

test("a folder storage waits for the disk also where another request has asked for the same", async () => {
  await using folder = await temporaryFolder();
  const { disk, full } = fillableDisk();
  await using storage = await openFolder(folder.path, full, {});
  const image = await pushImage(createRegistry({ storage }), "1");
  disk.isFull = true;
  const both = [putTag(storage, "2", image), putTag(storage, "2", image)];
  const results = await Promise.allSettled(both);
  assertEquals(results.map(({ status }) => status), ["rejected", "rejected"]);
  disk.isFull = false;
  assertEquals(await storage.getTag("app", "2"), undefined);
});

test("a folder storage drops an upload that cannot be written, large or small", async () => {
  await using folder = await temporaryFolder();
  const { disk, full } = fillableDisk();
  await using storage = await openFolder(folder.path, full, {});
  for (const size of [10, 20 * MIB]) {
    const content = new Uint8Array(size);
    const digest = await digestBytes(content);
    const writer = await storage.createBlob();
    await writer.write(content.slice());
    disk.isFull = true;
    await assertRejects(() => writer.commit("app", digest), OciError, "the disk is full");
    disk.isFull = false;
    assertEquals(writer.isEnded, true);
    assertEquals([await storage.openBlob("app", digest), await uploads(folder)], [undefined, ""]);
    const again = await storage.createBlob();
    await again.write(content.slice());
    await again.commit("app", digest);
    assertEquals((await storage.openBlob("app", digest))?.size, size);
  }
});

test("a folder storage keeps nothing under a digest that it does not have", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  for (const algorithm of ["sha256", "sha512"] as const) {
    for (const size of [10, 3 * MIB]) {
      const content = new Uint8Array(size);
      const [expected, actual] = await Promise.all([
        digestBytes(new Uint8Array(size + 1), algorithm),
        digestBytes(content, algorithm),
      ]);
      const writer = await storage.createBlob();
      await writer.write(content);
      const error = await assertRejects(() => writer.commit("app", expected), DigestMismatchError);
      assertEquals([error.expected, error.actual], [expected, actual]);
      assertEquals(await storage.openBlob("app", expected), undefined);
      assertEquals(await uploads(folder), "");
    }
  }
});

test("a folder storage has the bytes of a blob on the disk before it names it", async () => {
  await using folder = await temporaryFolder();
  const done: string[] = [];
  const isUpload = (path: string) => path.includes("/_uploads/");
  const noted: StorageFiles = {
    ...files,
    async create(path) {
      const file = await files.create(path);
      let writing = 0;
      return {
        async write(bytes) {
          writing++;
          await new Promise((resolve) => setTimeout(resolve));
          await file.write(bytes);
          writing--;
        },
        async close() {
          assertEquals(writing, 0);
          await file.close();
          if (isUpload(path)) done.push("close");
        },
      };
    },
    async sync(paths) {
      await files.sync(paths);
      done.push(...paths.map((path) => isUpload(path) ? "bytes" : "name"));
    },
    async rename(from, to) {
      await files.rename(from, to);
      if (isUpload(from)) done.push("rename");
    },
  };
  await using storage = await openFolder(folder.path, noted, {});
  await pushBlob(createRegistry({ storage }), "what makes the repository");
  for (const size of [1000, 3 * MIB]) {
    const content = new Uint8Array(size);
    const digest = await digestBytes(content);
    const writer = await storage.createBlob();
    await writer.write(content);
    done.length = 0;
    await writer.commit("app", digest);
    assertEquals(done, ["close", "bytes", "rename", "name"]);
    await pushBlob(createRegistry({ storage }), `${size}`, "other");
    done.length = 0;
    await storage.mountBlob("app", "other", digest);
    assertEquals(done, ["name"]);
  }
  const bytes = encode("{}");
  const digest = await digestBytes(bytes);
  done.length = 0;
  await storage.putManifest("app", { digest, mediaType: OCI_MANIFEST, bytes, subject: undefined });
  assertEquals(done.slice(0, 4), ["close", "bytes", "rename", "name"]);
});

/** Has all content of a folder look as if nobody had used it since the day before yesterday. */
async function age({ path }: TemporaryFolder): Promise<void> {
  const touch = ["-exec", "touch", "-d2 days ago", "{}", ";"];
  await runProcess("find", [path, "-path", "*sha256*", ...touch]);
}

test("a folder storage takes a blob that is mounted or sent again for new, and keeps nothing else of it", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  const registry = createRegistry({ storage });
  const digest = await pushBlob(registry, "hello", "one");
  const ways: [string, () => Promise<unknown>][] = [
    ["one", () => pushBlob(registry, "hello", "one")],
    ["two", () => storage.mountBlob("one", "two", digest)],
    ["two", () => storage.mountBlob("one", "two", digest)],
  ];
  for (const [repository, bring] of ways) {
    await age(folder);
    await bring();
    await storage.collect();
    assertEquals(await contentOf(storage, repository, digest), "hello");
    assertEquals(await uploads(folder), "");
  }
});

test("a folder storage takes a manifest that is put again for new", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  const image = await pushImage(createRegistry({ storage }), "1");
  await storage.deleteTag("app", "1");
  const manifest = await storage.getManifest("app", image);
  assert(manifest);
  await age(folder);
  await storage.putManifest("app", manifest);
  assertEquals((await storage.collect()).manifests, 0);
});

test("a folder storage holds few bytes of small uploads in memory, however many there are", async () => {
  await using folder = await temporaryFolder();
  let created = 0;
  const counted: StorageFiles = { ...files, create: (path) => (created++, files.create(path)) };
  await using storage = await openFolder(folder.path, counted, {});
  const before = created;
  const beginSome = async (count: number) => {
    const writers = await Promise.all(Array.from({ length: count }, () => storage.createBlob()));
    for (const writer of writers) await writer.write(new Uint8Array(MIB / 16));
    return writers;
  };
  // 16 MiB of them wait.
  const writers = await beginSome(256 + 10);
  assertEquals(created - before, 10);
  await Promise.all(writers.map((writer) => writer.discard()));
  await beginSome(256);
  assertEquals(created - before, 10);
});

test("a folder storage ends no upload that somebody goes on with", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  const writers = [await storage.createBlob(), await storage.createBlob()];
  for (const writer of writers) {
    assert(writer instanceof UploadWriter);
    writer.touched = 0;
  }
  await writers[0]?.write(new Uint8Array(1));
  assertEquals((await storage.collect({ idleSeconds: 3600 })).uploads, 1);
  assertEquals(writers.map(({ isEnded }) => isEnded), [false, true]);
});

test("a folder storage drops an upload when the disk fails in the middle of it", async () => {
  await using folder = await temporaryFolder();
  const open = new Set<string>();
  const failing: StorageFiles = {
    ...files,
    async create(path) {
      const file = await files.create(path);
      open.add(path);
      let pieces = 0;
      return {
        write: (bytes) =>
          ++pieces < 3 ? file.write(bytes) : Promise.reject(new OciError("the disk is gone")),
        close: () => file.close().then(() => void open.delete(path)),
      };
    },
  };
  await using storage = await openFolder(folder.path, failing, {});
  const writer = await storage.createBlob();
  await assertRejects(() => writer.write(new Uint8Array(MIB)), OciError, "the disk is gone");
  assertEquals([writer.isEnded, open.size, await uploads(folder)], [true, 0, ""]);
});

test("a folder storage takes no more of an upload that was given up, and none of it", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  for (const size of [0, 10, 3 * MIB]) {
    const content = new Uint8Array(size);
    const digest = await digestBytes(content);
    const writer = await storage.createBlob();
    await writer.write(content);
    await writer.discard();
    await assertRejects(() => writer.commit("app", digest), OciError, "Cannot commit blob");
    await assertRejects(() => writer.write(new Uint8Array(1)), OciError, "Cannot write blob");
    await writer.discard();
    assertEquals([await storage.openBlob("app", digest), await uploads(folder)], [undefined, ""]);
  }
});

test("a folder storage has nothing of an upload that was given up while it was hashed", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  for (const size of [1000, 3 * MIB]) {
    const content = new Uint8Array(size);
    const digest = await digestBytes(content);
    const writer = await storage.createBlob();
    await writer.write(content);
    const commit = assertRejects(() => writer.commit("app", digest), OciError);
    await writer.discard();
    await commit;
    assertEquals([await storage.openBlob("app", digest), await uploads(folder)], [undefined, ""]);
  }
});

test("a folder storage has nothing of an upload that was given up while it was brought to the disk", async () => {
  await using folder = await temporaryFolder();
  let discard: (() => Promise<void>) | undefined;
  const slow: StorageFiles = {
    ...files,
    async sync(paths) {
      await discard?.();
      await files.sync(paths);
    },
  };
  await using storage = await openFolder(folder.path, slow, {});
  for (const size of [3 * MIB, 1000]) {
    const digest = await digestBytes(new Uint8Array(size));
    const writer = await storage.createBlob();
    await writer.write(new Uint8Array(size));
    discard = () => writer.discard();
    await assertRejects(() => writer.commit("app", digest), OciError);
    discard = undefined;
    assertEquals([await storage.openBlob("app", digest), await uploads(folder)], [undefined, ""]);
  }
});

test("a folder storage on a full disk collects what takes no room to remove, and the rest afterwards", async () => {
  await using folder = await temporaryFolder();
  let time = Date.now();
  const { disk, full } = fillableDisk();
  await using storage = await openFolder(folder.path, full, { now: () => time });
  const registry = createRegistry({ storage });
  await pushImage(registry, "1", { annotations: { old: "yes" } });
  const image = await pushImage(registry, "1");
  await pushBlob(registry, "nobody names it");
  time += 48 * 3600 * 1000;
  disk.isFull = true;
  const { manifests, blobs } = await storage.collect();
  assertEquals([manifests, blobs], [0, 1]);
  disk.isFull = false;
  assertEquals((await storage.collect()).manifests, 1);
  assertEquals(await storage.getTag("app", "1"), image);
});

test("a folder storage says which of its documents is damaged, and collects nothing there", async () => {
  await using folder = await temporaryFolder();
  let time = Date.now();
  const image = await (async () => {
    await using storage = await openFolder(folder.path, files, { now: () => time });
    const digest = await pushImage(createRegistry({ storage }), "1");
    const loose = await pushBlob(createRegistry({ storage }), "named by what is damaged, perhaps");
    await folder.write(`app/blobs/sha256/${digest.slice(7)}`, "{}");
    await assertRejects(() => storage.getManifest("app", digest), OciError, "it is damaged");
    time += 48 * 3600 * 1000;
    assertEquals((await storage.collect()).blobs, 0);
    assert(await storage.openBlob("app", loose));
    return digest;
  })();
  await folder.write("app/index.json", "not JSON");
  await using storage = await openFolder(folder.path, files, {});
  await assertRejects(
    () => storage.getTag("app", "1"),
    OciError,
    `Cannot read "${folder.path}/app/index.json": `,
  );
  await folder.write("app/index.json", '{"manifests": 1}');
  await assertRejects(() => storage.getManifest("app", image), OciError, "no list of manifests");
});

test("a folder storage deletes no manifest as a blob", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  const image = await pushImage(createRegistry({ storage }), "1");
  assertEquals(await storage.deleteBlob("app", image), false);
  assertEquals(await storage.deleteBlob("none", image), false);
});

test("a folder storage has a manifest with its tags or neither, whoever deletes it meanwhile", async () => {
  await using folder = await temporaryFolder();
  let onSave = () => {};
  const watched: StorageFiles = {
    ...files,
    rename: (from, to) => {
      if (to.endsWith("/index.json")) onSave();
      return files.rename(from, to);
    },
  };
  await using storage = await openFolder(folder.path, watched, {});
  const registry = createRegistry({ storage, allowDelete: true });
  const image = await pushImage(registry, "1");
  const remove = () => call(registry, "DELETE", `/v2/app/manifests/${image}`);
  assertEquals((await remove()).status, 202);
  let removal: Promise<Response> | undefined;
  onSave = () => removal ??= remove();
  assertEquals(await pushImage(registry, "2"), image);
  assertEquals((await removal)?.status, 202);
  assertEquals(await storage.getManifest("app", image), undefined);
  assertEquals(await storage.listTags("app"), []);
});

test("a folder storage ends the hash of a blob when its reader has gone", async () => {
  await using folder = await temporaryFolder();
  const signals: (AbortSignal | undefined)[] = [];
  const watched: StorageFiles = {
    ...files,
    hashWhole: (path, algorithm, signal) => {
      signals.push(signal);
      return files.hashWhole(path, algorithm, signal);
    },
  };
  await using storage = await openFolder(folder.path, watched, {});
  const digest = await pushBlob(createRegistry({ storage }), "x".repeat(3 * MIB));
  const blob = await storage.openBlob("app", digest);
  const reader = blob?.slice(0, 3 * MIB).stream().getReader();
  await reader?.read();
  assertEquals(signals.map((signal) => signal?.aborted), [false]);
  await reader?.cancel();
  assertEquals(signals.map((signal) => signal?.aborted), [true]);
});

test("a folder storage takes what is sent in the place of what is damaged, and shares that", async () => {
  await using folder = await temporaryFolder();
  await using storage = await openFolder(folder.path, files, {});
  const registry = createRegistry({ storage });
  for (const size of [100, 2 * MIB]) {
    const content = "x".repeat(size);
    const digest = await pushBlob(registry, content, "one");
    await storage.mountBlob("one", "two", digest);
    const pathIn = (name: string) => `${name}/blobs/sha256/${digest.slice(7)}`;
    await folder.write(pathIn("one"), "y".repeat(size));
    const names = ["three", "one", "two"];
    for (const name of names) await pushBlob(registry, content, name);
    for (const name of names) assertEquals(await contentOf(storage, name, digest), content);
    const found = [...names, "_shared"].map((name) => files.stat(`${folder.path}/${pathIn(name)}`));
    assertEquals(new Set((await Promise.all(found)).map((file) => file?.id)).size, 1);
  }
  assertEquals(await uploads(folder), "");
  assertEquals(await Array.fromAsync(storage.scrub()), []);
});

test("a folder storage writes nothing any more when it has lost its lock", async () => {
  await using folder = await temporaryFolder();
  let isHeld = true;
  const losing: StorageFiles = {
    ...files,
    lock: async (path) => {
      const lock = await files.lock(path);
      return lock &&
        { isHeld: () => isHeld, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() };
    },
  };
  await using storage = await openFolder(folder.path, losing, {});
  const registry = createRegistry({ storage });
  const image = await pushImage(registry, "1");
  const begun = await storage.createBlob();
  await begun.write(new Uint8Array(2 * MIB));
  isHeld = false;
  const lost = "the lock on it is lost, another process may have it";
  const digest = await digestBytes(new Uint8Array(2 * MIB));
  await assertRejects(() => begun.commit("app", digest), OciError, lost);
  await assertRejects(() => putTag(storage, "2", image), OciError, lost);
  await assertRejects(() => storage.deleteTag("app", "1"), OciError, lost);
  await assertRejects(() => pushBlob(registry, "new"));
  assertEquals(await storage.listTags("app"), ["1"]);
});

test("a storage's files say at once where nothing can be brought to the disk", async () => {
  await using folder = await temporaryFolder();
  const broken = { ...files, sync: () => Promise.reject(new OciError("Cannot write to the disk")) };
  await assertRejects(() => openFolder(folder.path, broken, {}), OciError, "write to the disk");
  await using _storage = await openFolder(folder.path, files, {});
});

test(
  "a storage's lock outlives a signal for all processes, and says when what held it was ended",
  async () => {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/lock`;
    await using lock = await files.lock(path);
    assert(lock);
    const { stdout } = await runProcess("pgrep", ["-f", `flock -n ${path}`]);
    const signal = (name: string) => runProcess("sh", ["-c", `kill -${name} ${stdout.trim()}`]);
    await signal("TERM");
    assertEquals([lock.isHeld(), await files.lock(path)], [true, undefined]);
    await signal("KILL");
    while (lock.isHeld()) await new Promise((resolve) => setTimeout(resolve, 5));
  },
  { skip: "Deno" in globalThis ? "no program holds it" : requireProgram("pgrep").skip },
);

test("a storage's files are told apart from what is not there", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("file", "content");
  assertEquals((await files.stat(path))?.size, 7);
  for (const absent of [`${folder.path}/absent`, `${path}/below`]) {
    assertEquals(await files.stat(absent), undefined);
  }
  assertEquals(await files.link(path, `${folder.path}/name`), true);
  assertEquals(await files.link(path, `${folder.path}/name`), true);
  assertEquals((await files.stat(path))?.links, 2);
  assertEquals(await files.link(`${folder.path}/absent`, `${folder.path}/other`), false);
  assertEquals(await files.link(folder.path, `${folder.path}/other`), false);
  await assertRejects(() => files.remove(folder.path), OciError);
  assertEquals(await files.remove(`${folder.path}/absent`), false);
  assertEquals(await files.touch(`${folder.path}/absent`), false);
  assertEquals(await files.list(`${folder.path}/absent`), []);
  await assertRejects(() => files.read(folder.path), OciError);
  await assertRejects(() => files.sync([`${folder.path}/absent`]), OciError);
  await assertRejects(() => files.create(`${folder.path}/absent/file`), OciError);
  await assertRejects(() => files.rename(`${folder.path}/absent`, path), OciError);
  await files.writeBack([path, `${folder.path}/absent`]);
});
