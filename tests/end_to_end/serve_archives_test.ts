import { assertEquals, assertMatch } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { dockerSave, makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { runProcess, runProgram, temporaryFolder } from "../helpers/process.ts";
import { startTarpush } from "../helpers/server_process.ts";
import { optionalProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;
const NEEDS_SHELL = { skip: optionalProgram("sh").skip };

/** A layer of several pieces, and the archive that holds it. */
const LARGE = await makeLayer(new Uint8Array(9 * MIB).map((_, at) => (at * 7 + (at >> 12)) % 251));
const TAR = await toBlob(dockerSave([{ image: await makeImage([LARGE]), repoTags: ["large:1"] }]))
  .bytes();

test("tarpush serve ARCHIVE... sends layers whole, in parts, and several at once", async () => {
  await using folder = await temporaryFolder();
  await using server = await startTarpush(await folder.write("large.tar", TAR));
  const blob = `http://127.0.0.1:${server.port}/v2/large/blobs/${LARGE.digest}`;
  const digests = await Promise.all(
    Array.from({ length: 4 }, async () => digestBytes(await (await fetch(blob)).bytes())),
  );
  assertEquals(new Set(digests), new Set([LARGE.digest]));
  const part = await fetch(blob, { headers: { Range: `bytes=1000-${8 * MIB}` } });
  assertEquals([part.status, part.headers.get("Content-Length")], [206, `${8 * MIB - 999}`]);
  assertEquals(
    await digestBytes(await part.bytes()),
    await digestBytes(LARGE.bytes.slice(1000, 8 * MIB + 1)),
  );
  const head = await fetch(blob, { method: "HEAD" });
  assertEquals(head.headers.get("Content-Length"), `${LARGE.bytes.length}`);
  const page = await fetch(`http://127.0.0.1:${server.port}/`);
  assertMatch(await page.text(), /"registry":\{"readOnly":true,"allowDelete":false\}/);
  await server.logged('large.tar"\n');
  assertMatch(
    server.log(),
    /, kept in an archive; Ctrl-C ends it\nlarge:1 of ".*large\.tar"\n/,
  );
  await server.end();
});

test("tarpush serve ARCHIVE... answers with 500 what has changed meanwhile, and tells of it", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("large.tar", TAR);
  await using server = await startTarpush(path);
  await folder.write("large.tar", TAR.slice(0, 5 * MIB));
  const url = `http://127.0.0.1:${server.port}/v2/large/blobs/${LARGE.digest}`;
  const response = await fetch(url);
  assertEquals((await response.json()).errors[0].message, "internal error");
  assertEquals(response.status, 500);
  const line = `Cannot read ${JSON.stringify(path)}: it has changed since it was opened`;
  await server.logged(line);
});

test("tarpush serve takes folders, and names for what it serves", async () => {
  await using folder = await temporaryFolder();
  const layout = new OciLayout();
  const { digest } = await layout.image(await makeImage(["a"]));
  layout.add({ ...await layout.image(await makeImage(["a"])), digest }, { ref: "v1" });
  const tar = await folder.write("layout.tar", await toBlob(layout.entries()).bytes());
  const script =
    `mkdir '${folder.path}/my-layout' && tar -xf '${tar}' -C '${folder.path}/my-layout'`;
  await runProcess("sh", ["-c", script]);
  await using server = await startTarpush(
    `${folder.path}/my-layout`,
    `team/app=${tar}`,
    `x:2=${tar}`,
  );
  for (const name of ["my-layout/manifests/v1", "team/app/manifests/v1", "x/manifests/2"]) {
    const response = await fetch(`http://127.0.0.1:${server.port}/v2/${name}`);
    assertEquals([response.status, response.headers.get("Docker-Content-Digest")], [200, digest]);
    await response.body?.cancel();
  }
  await server.end();
}, NEEDS_SHELL);

test("tarpush serve says what to do about what it cannot serve, and ends", async () => {
  await using folder = await temporaryFolder();
  const run = async (...words: string[]) => {
    const { code, stderr } = await runProgram(["serve", "--port", "0", ...words]);
    return [code, stderr.replaceAll(folder.path, "DIR")];
  };
  const packed = await folder.write(
    "a.tar.gz",
    new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
  );
  assertEquals(await run(packed), [
    2,
    'tarpush: Cannot serve "DIR/a.tar.gz": it is compressed with gzip and can only be read from its start, ' +
    "expected a plain tar, as gzip -dk makes it\n",
  ]);
  assertEquals(await run(`${folder.path}/none.tar`), [
    1,
    'tarpush: Cannot open "DIR/none.tar": no such file\n',
  ]);
  assertEquals((await run("-"))[0], 2);
  assertEquals((await run("https://example.com/a.tar"))[0], 2);
  assertEquals((await run("--allow-delete", packed))[0], 2);
  const garbage = await folder.write("garbage.tar", "no tar at all");
  assertEquals((await run(garbage))[0], 1);
});
