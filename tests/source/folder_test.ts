import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { checkArchive } from "../../src/archive/check_archive.ts";
import { openArchive } from "../../src/archive/open_archive.ts";
import { digestHex } from "../../src/digest.ts";
import { ArchiveError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { FolderSource } from "../../src/source/blob_source.ts";
import { type DirectoryHandle, folderTar } from "../../src/source/folder.ts";
import { scanTar } from "../../src/tar/scan.ts";
import { type Bytes, dockerSave, makeImage, OciLayout } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

type Files = Record<string, Bytes | string>;

function toFolder(files: Files): FolderSource {
  return {
    async *files() {
      for (const [path, content] of Object.entries(files)) {
        yield { path, open: () => Promise.resolve(new Blob([content])) };
      }
    },
  };
}

/** The same as a page gets it from a person. */
function toHandle(files: Files, prefix = ""): DirectoryHandle {
  return {
    kind: "directory",
    async *values() {
      const seen = new Set<string>();
      for (const [path, content] of Object.entries(files)) {
        if (!path.startsWith(prefix)) continue;
        const [name = "", ...rest] = path.slice(prefix.length).split("/");
        if (seen.has(name)) continue;
        seen.add(name);
        if (rest.length > 0) yield { name, ...toHandle(files, `${prefix}${name}/`) };
        else {
          const getFile = () => Promise.resolve(new File([content], name));
          yield { kind: "file" as const, name, getFile };
        }
      }
    },
  };
}

function filesOf(entries: readonly TarWriterEntry[]): Files {
  const files: Files = {};
  for (const { path, body } of entries) {
    if (body !== undefined) files[path] = typeof body === "string" ? body : new Uint8Array(body);
  }
  return files;
}

const image = await makeImage(["one", "two"]);
const layout = new OciLayout();
const root = await layout.image(image);
layout.add(root, { ref: "v1" });
const LAYOUT = filesOf(layout.entries());

const platforms = new OciLayout();
const children = [
  await platforms.image(await makeImage(["amd"])),
  await platforms.image(await makeImage(["arm"], { platform: "linux/arm64" })),
];
const index = await platforms.indexOf(children);

/** What `skopeo copy` writes to `dir:`. */
function dirTransport(from: OciLayout, root: string, manifests: readonly string[]): Files {
  const files: Files = { version: "Directory Transport Version: 1.1\n" };
  for (const [path, bytes] of from.blobs) {
    const digest = path.replace("blobs/sha256/", "sha256:");
    const hex = digest.slice(7);
    const name = digest === root
      ? "manifest.json"
      : manifests.includes(digest)
      ? `${hex}.manifest.json`
      : hex;
    files[name] = bytes;
  }
  return files;
}

const UNPACKED = filesOf(dockerSave([{ image, repoTags: ["app:1"] }], { repeated: "copy" }));

const FOLDERS: [what: string, files: Files, digest: string | undefined][] = [
  ["an OCI layout", LAYOUT, root.digest],
  ["dir:", dirTransport(layout, root.digest, []), root.digest],
  [
    "dir: with an index",
    dirTransport(platforms, index.digest, children.map(({ digest }) => digest)),
    index.digest,
  ],
  ["an unpacked docker save", UNPACKED, undefined],
];

for (const [what, files, digest] of FOLDERS) {
  for (
    const [kind, source] of [["folder", toFolder(files)], ["handle", toHandle(files)]] as const
  ) {
    test(`${what} is read, checked and pushed from a ${kind}`, async () => {
      const registry = createRegistry();
      const { images } = await pushImage(source, "localhost:5000/app:1", { fetch: registry });
      if (digest !== undefined) assertEquals(images[0]?.digest, digest);
      await readBack(registry, "app", "1");
      const opened = await openArchive(source);
      assertEquals(opened.images.length, 1);
      const { findings } = await checkArchive(source);
      assertEquals(findings.filter(({ severity }) => severity === "error"), []);
    });
  }
}

test("folderTar() is a tar at any offset, whatever the lengths of the files", async () => {
  const files: Files = { "manifest.json": "[]" };
  for (const length of [0, 1, 511, 512, 513, 1024, 70_000]) {
    files[`${"n".repeat(length % 200)}${length}`] = new Uint8Array(length)
      .fill(length % 251);
  }
  const tar = await folderTar(toFolder(files), new AbortController().signal);
  const whole = await new Response(tar.slice(0, tar.size).stream()).bytes();
  assertEquals(whole.length, tar.size);
  const found: Record<string, number> = {};
  for await (const { path, header } of scanTar(tar)) found[path] = header.size;
  assertEquals(
    found,
    Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path, new Blob([content]).size]),
    ),
  );
  for (const [start, end] of [[0, 1], [500, 530], [511, 2049], [1000, 1000], [100, tar.size * 2]]) {
    const slice = tar.slice(start ?? 0, end ?? 0);
    const expected = whole.slice(start, Math.max(start ?? 0, end ?? 0));
    assertEquals(await new Response(slice.stream()).bytes(), expected);
    const bytes = await slice.arrayBuffer?.();
    if (bytes) assertEquals(new Uint8Array(bytes), expected);
  }
});

test("a layout whose blobs lie elsewhere is refused with what to do", async () => {
  const layout = await OciLayout.of(await makeImage(["one"]));
  const [entry] = layout.index;
  const index = { schemaVersion: 2, manifests: [entry] };
  const folder = toFolder({ "oci-layout": "{}", "index.json": JSON.stringify(index) });
  const error = await assertRejects(() => openArchive(folder), ArchiveError);
  assertEquals(
    error.message,
    `Cannot use the image archive: index.json names ${entry?.digest}, which is not in the archive`,
  );
  assertStringIncludes(error.hint ?? "", "copy them into blobs/sha256/");
  const none = toFolder({ "oci-layout": "{}", "index.json": '{"schemaVersion":2,"manifests":[]}' });
  const empty = await assertRejects(() => openArchive(none), ArchiveError);
  assertEquals([empty.message, empty.hint], [
    "Cannot use the image archive: it names no image",
    undefined,
  ]);
});

test("a folder without an image is told by what it has, and opens nothing", async () => {
  const folder: FolderSource = {
    async *files() {
      yield { path: "README.md", open: () => Promise.reject(new Error("opened")) };
    },
  };
  const error = await assertRejects(() => openArchive(folder), ArchiveError);
  assertEquals(
    error.message,
    'Cannot use the folder as an image: it starts with "README.md", expected index.json or manifest.json in it',
  );
  assertStringIncludes(error.hint ?? "", "FOLDER/*.tar");
  assertStringIncludes(error.hint ?? "", "an image further down as the folder that it is in");
  const inside = toFolder({ "zarf.yaml": "", "images/index.json": "{}", "a b/index.json": "{}" });
  const outer = await assertRejects(() => openArchive(inside), ArchiveError);
  assertStringIncludes(outer.message, 'it starts with "a b/index.json"');
  assertEquals(outer.hint, "if the image is in the folder inside, name that: FOLDER/images");
  const empty = await assertRejects(() => openArchive(toFolder({})), ArchiveError);
  assertStringIncludes(empty.message, "it is empty");
});

test("a file whose name is not UTF-8 is left alone: it cannot be opened, and nothing can name it", async () => {
  const folder: FolderSource = {
    async *files() {
      yield { path: "caf\ufffd.txt", open: () => Promise.reject(new Error("no such file")) };
      yield* toFolder(filesOf(layout.entries())).files();
    },
  };
  assertEquals((await openArchive(folder)).images.length, 1);
});

test("a folder with files without end is refused", async () => {
  let count = 0;
  const folder: FolderSource = {
    async *files() {
      for (;;) yield { path: `${count++}`, open: () => Promise.resolve(undefined) };
    },
  };
  const error = await assertRejects(() => openArchive(folder), ArchiveError);
  assertStringIncludes(error.message, "it has more than 100000 files");
  assert(count < 100_010);
});

test("a blob that a folder lacks is told like one that an archive lacks", async () => {
  const [layer] = image.layers;
  const { [`blobs/sha256/${digestHex(layer?.digest ?? root.digest)}`]: _, ...rest } = LAYOUT;
  const error = await assertRejects(
    () => pushImage(toFolder(rest), "localhost:5000/app:1", { fetch: createRegistry() }),
    Error,
  );
  assertStringIncludes(error.message, layer?.digest ?? "");
});
