import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ArchiveError, TarError } from "../../src/errors.ts";
import { emptyFile } from "../../src/archive/passing_file.ts";
import { ArchiveFiles, cleanPath, scanFiles } from "../../src/image/files.ts";
import { toBlob } from "../helpers/archives.ts";
import { assertClear } from "../helpers/expected.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const open = (entries: TarWriterEntry[]) => scanFiles(toBlob(entries));

async function textOf(entries: TarWriterEntry[], path: string): Promise<string | undefined> {
  const file = (await open(entries)).find(path);
  return file && new TextDecoder().decode(await file.bytes(1000));
}

test("cleanPath() resolves dots and drops slashes", () => {
  const cases: [string, string | undefined][] = [
    ["a/b", "a/b"],
    ["./a//b/", "a/b"],
    ["/a/./b", "a/b"],
    ["a/../b", "b"],
    ["a/b/../../c", "c"],
    [".", ""],
    ["../a", undefined],
    ["a/../../b", undefined],
    ["/../a", undefined],
    ["a..b/..c", "a..b/..c"],
  ];
  for (const [path, clean] of cases) assertEquals(cleanPath(path), clean, path);
});

test("ArchiveFiles.find() cleans the names of both sides", async () => {
  const entries = [{ path: "./a/b", body: "x" }, { path: "manifest.json", body: "[]" }];
  for (const path of ["a/b", "./a/b", "/a/b", "a//b", "a/c/../b"]) {
    assertEquals(await textOf(entries, path), "x", path);
  }
  assertEquals(await textOf(entries, "../a/b"), undefined);
});

test("ArchiveFiles.find() follows symlinks and hard links, forward and backward", async () => {
  const entries: TarWriterEntry[] = [
    { path: "before/layer.tar", linkname: "../real/layer.tar" },
    { path: "real/layer.tar", body: "x" },
    { path: "after/layer.tar", linkname: "../real/layer.tar", mode: 0 },
    { path: "hard/layer.tar", type: "link", linkname: "real/layer.tar" },
    { path: "hard/ahead.tar", type: "link", linkname: "late.tar" },
    { path: "absolute/layer.tar", linkname: "/real/layer.tar" },
    { path: "twice/layer.tar", linkname: "../hard/layer.tar" },
    { path: "late.tar", body: "late" },
  ];
  for (const folder of ["before", "real", "after", "hard", "absolute", "twice"]) {
    assertEquals(await textOf(entries, `${folder}/layer.tar`), "x", folder);
  }
  assertEquals(await textOf(entries, "hard/ahead.tar"), "late");
});

test("ArchiveFiles.find() gives nothing for a link that leads out of the archive or nowhere", async () => {
  const entries: TarWriterEntry[] = [
    { path: "a/out", linkname: "../../../etc/passwd" },
    { path: "a/hard", type: "link", linkname: "../etc/passwd" },
    { path: "a/dangling", linkname: "nothing" },
    { path: "etc/passwd", body: "root" },
  ];
  for (const path of ["a/out", "a/hard", "a/dangling"]) {
    assertEquals(await textOf(entries, path), undefined, path);
  }
});

test("ArchiveFiles.find() refuses circles of links", async () => {
  const files = await open([
    { path: "a", linkname: "b" },
    { path: "b", type: "link", linkname: "c" },
    { path: "c", linkname: "a" },
    { path: "self", linkname: "self" },
  ]);
  for (const path of ["a", "b", "c", "self"]) {
    assertClear(assertThrows(() => files.find(path), ArchiveError, "circle"));
  }
});

test("ArchiveFiles.find() follows 31 links and refuses 32", async () => {
  const chain = Array.from({ length: 40 }, (_, index) => ({
    path: `link${index}`,
    linkname: `link${index + 1}`,
  }));
  const files = await open([...chain.slice(0, 39), { path: "link39", body: "x" }]);
  assertEquals(files.find("link8")?.path, "link39");
  assertThrows(() => files.find("link7"), ArchiveError, "32 steps");
});

test("ArchiveFiles keeps the last of several entries with one path", async () => {
  assertEquals(
    await textOf([{ path: "a", body: "old" }, { path: "./a", body: "new" }], "a"),
    "new",
  );
  const linked = [{ path: "b", body: "b" }, { path: "a", body: "old" }, {
    path: "a",
    linkname: "b",
  }];
  assertEquals(await textOf(linked, "a"), "b");
});

test("ArchiveFiles takes a hard link to its own name for the file that is there", async () => {
  assertEquals(
    await textOf([{ path: "a", body: "x" }, { path: "./a", type: "link", linkname: "a" }], "a"),
    "x",
  );
});

test("ArchiveFiles leaves folders and devices out", async () => {
  const files = await open([
    { path: "dir/", type: "directory" },
    { path: "fifo", type: "6" },
    { path: "device", type: "3" },
    { path: "old-style-dir/", format: "v7" },
    { path: "contiguous", type: "7", body: "x" },
  ]);
  assertEquals([...files.files()].map(({ path }) => path), ["contiguous"]);
  assertEquals(["dir", "fifo", "device"].map((path) => files.find(path)), [
    undefined,
    undefined,
    undefined,
  ]);
});

test("ArchiveFiles.root is the one folder that holds the archive", async () => {
  const below = await open([{ path: "image/index.json", body: "{}" }, {
    path: "image/x",
    body: "",
  }]);
  assertEquals([below.root, below.find("x")?.path], ["image/", "image/x"]);
  const both = await open([{ path: "a/index.json", body: "" }, {
    path: "b/manifest.json",
    body: "",
  }]);
  assertEquals([both.root, both.find("index.json")], ["", undefined]);
  const top = await open([{ path: "a/index.json", body: "" }, { path: "manifest.json", body: "" }]);
  assertEquals(top.root, "");
  const deep = await open([{ path: "a/b/index.json", body: "" }]);
  assertEquals(deep.root, "");
  const layout = await open([
    { path: "out/x/oci-layout", body: "{}" },
    { path: "out/x/index.json", body: "{}" },
    { path: "out/x/blobs/sha256/y/manifest.json", body: "{}" },
  ]);
  assertEquals(layout.root, "out/x/");
  const two = await open([
    { path: "a/x/oci-layout", body: "{}" },
    { path: "a/y/oci-layout", body: "{}" },
  ]);
  assertEquals(two.root, "");
});

test("ArchiveFiles.root is found anew while entries come, whenever it was asked for", () => {
  const files = new ArchiveFiles();
  const add = (path: string) =>
    files.add(path, { typeflag: "0", linkname: "" }, (path) => emptyFile(path));
  add("out/layer.tar");
  assertEquals(files.root, "");
  add("out/manifest.json");
  assertEquals([files.root, files.find("layer.tar")?.path], ["out/", "out/layer.tar"]);
  add("manifest.json");
  assertEquals(files.root, "");
});

test("ArchiveFiles.find() takes a path of Windows for that of a tar, and for its own where there is one", async () => {
  const entries = [{ path: "a/layer.tar", body: "slash" }, { path: "manifest.json", body: "[]" }];
  assertEquals(await textOf(entries, "a\\layer.tar"), "slash");
  assertEquals(
    await textOf([...entries, { path: "a\\layer.tar", body: "own" }], "a\\layer.tar"),
    "own",
  );
  assertEquals(await textOf(entries, "..\\a\\layer.tar"), undefined);
});

test("ArchiveFile.bytes() refuses more than its limit without reading", async () => {
  const file = (await open([{ path: "a", body: "12345" }])).find("a");
  assertEquals((await file?.bytes(5))?.length, 5);
  const error = await assertRejects(async () => await file?.bytes(4), ArchiveError, "5 bytes");
  assertClear(error);
});

test("scanFiles() fails on what is no tar", async () => {
  assertClear(await assertRejects(() => scanFiles(new Blob(["x".repeat(2000)])), TarError));
});
