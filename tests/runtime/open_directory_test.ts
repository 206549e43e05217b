import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { openDirectory } from "../../src/runtime/mod.ts";
import type { FolderSource } from "../../src/source/blob_source.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

/** What a shell makes in a folder of its own. */
async function makeFolder(script: string) {
  const folder = await temporaryFolder();
  await runProcess("sh", ["-c", `cd '${folder.path}' && ${script}`]);
  return folder;
}

const NEEDS_SHELL = { skip: optionalProgram("sh").skip };

async function contents(folder: FolderSource): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { path, open } of folder.files()) {
    const body = await open();
    if (body) found[path] = await new Response(body.slice(0, body.size).stream()).text();
  }
  return found;
}

test("openDirectory() lists files where images have them, and no deeper", async () => {
  await using folder = await makeFolder(
    "mkdir -p layout/blobs/sha256 layout/a/b/c layout/.hidden && cd layout && " +
      "printf 1 > index.json && printf 2 > blobs/sha256/x && printf 3 > a/layer.tar && " +
      "printf 4 > a/b/deep && printf 5 > .hidden/y",
  );
  assertEquals(await contents(await openDirectory(`${folder.path}/layout`)), {
    "index.json": "1",
    "blobs/sha256/x": "2",
    "a/layer.tar": "3",
    ".hidden/y": "5",
  });
}, NEEDS_SHELL);

test("openDirectory() names files and links, and no folders", async () => {
  const script = "mkdir -p layout/a/b layout/c && cd layout && printf 1 > a/x && ln -s a/x link";
  await using folder = await makeFolder(script);
  const found: string[] = [];
  const layout = await openDirectory(`${folder.path}/layout`);
  for await (const { path } of layout.files()) found.push(path);
  assertEquals(found.sort(), ["a/x", "link"]);
}, NEEDS_SHELL);

test("openDirectory() opens files with any letters in their names", async () => {
  const script = "mkdir layout && printf 1 > 'layout/a\\b' && printf 2 > 'layout/c d?'";
  await using folder = await makeFolder(script);
  assertEquals(await contents(await openDirectory(`${folder.path}/layout`)), {
    "a\\b": "1",
    "c d?": "2",
  });
}, NEEDS_SHELL);

test("openDirectory() reads parts of files, at once and as streams", async () => {
  await using folder = await makeFolder("mkdir layout && printf 0123456789 > layout/index.json");
  for await (const { open } of (await openDirectory(`${folder.path}/layout`)).files()) {
    const body = await open();
    const slice = body?.slice(2, 5);
    assertEquals(await new Response(slice?.stream()).text(), "234");
    assertEquals(new TextDecoder().decode(await slice?.arrayBuffer?.()), "234");
    assertEquals(await new Response(body?.slice(8, 99).stream()).text(), "89");
    const buffer = new Uint8Array(3);
    if (slice?.readInto) assertEquals(slice.readInto(buffer), 3);
  }
}, NEEDS_SHELL);

test("openDirectory() follows links to files of the folder, and no others", async () => {
  await using folder = await makeFolder(
    "printf secret > outside && mkdir layout layout-twin && cd layout && printf 1 > one && mkdir a && " +
      "ln -s ../one a/inner && ln -s nowhere dangling && ln -s /dev/null device && ln -s a folder && " +
      "printf twin > ../layout-twin/x",
  );
  const layout = `${folder.path}/layout`;
  assertEquals(await contents(await openDirectory(layout)), { one: "1", "a/inner": "1" });
  for (const target of ["../outside", `${folder.path}/outside`, "../layout-twin/x"]) {
    await runProcess("ln", ["-sf", target, `${layout}/bad`]);
    const error = await assertRejects(
      async () => await contents(await openDirectory(layout)),
      OciError,
    );
    assertStringIncludes(error.message, '"bad" is a link that leads out of it');
  }
}, NEEDS_SHELL);

test("openDirectory() looks into no folder that is a link", async () => {
  await using folder = await makeFolder(
    "mkdir -p outside/sha256 layout/a twin/blobs && printf x > outside/sha256/x && printf 1 > layout/a/one && " +
      "ln -s ../outside layout/blobs && ln -s ../outside layout/b && ln -s ../../outside/sha256 twin/blobs/sha256",
  );
  assertEquals(await contents(await openDirectory(`${folder.path}/layout`)), { "a/one": "1" });
  assertEquals(await contents(await openDirectory(`${folder.path}/twin`)), {});
}, NEEDS_SHELL);

test("openDirectory() refuses what is no folder", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("file", "");
  const none = await assertRejects(() => openDirectory(`${folder.path}/none`), OciError);
  assertStringIncludes(none.message, "no such file");
  const file = await assertRejects(() => openDirectory(path), OciError);
  assertStringIncludes(file.message, "it is no folder");
});

test("openDirectory() gives files that tell of a change", async () => {
  await using folder = await makeFolder("mkdir layout && printf 1 > layout/index.json");
  const [file] = await Array.fromAsync((await openDirectory(`${folder.path}/layout`)).files());
  const slice = (await file?.open())?.slice(0, 1);
  await slice?.checkUnchanged?.();
  await folder.write("layout/index.json", "22");
  await assertRejects(
    async () => await slice?.checkUnchanged?.(),
    OciError,
    "it has changed since it was opened",
  );
}, NEEDS_SHELL);

test("openDirectory() says which file is gone", async () => {
  await using folder = await makeFolder("mkdir layout && printf 1 > layout/index.json");
  const [file] = await Array.fromAsync((await openDirectory(`${folder.path}/layout`)).files());
  const slice = (await file?.open())?.slice(0, 1);
  await runProcess("rm", [`${folder.path}/layout/index.json`]);
  for (
    const read of [
      () => new Response(slice?.stream()).text(),
      async () => await slice?.arrayBuffer?.(),
    ]
  ) await assertRejects(read, OciError, 'layout/index.json": no such file');
}, NEEDS_SHELL);
