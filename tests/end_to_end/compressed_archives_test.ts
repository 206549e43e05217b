import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Bytes, concat } from "../../src/bytes.ts";
import { dockerSave, flipByte, gzip, makeImage } from "../helpers/archives.ts";
import { xzStream, zstdFrame } from "../helpers/compressed.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { type ProcessResult, runProgram, temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve, serveRegistry } from "./registry_server.ts";

const IMAGE = await makeImage(["a", "b"]);
const TAR = writeTar(dockerSave([{ image: IMAGE, repoTags: ["team/app:1.0"] }]));

const GZIP = await gzip(TAR);
const ZSTD = await zstdFrame(TAR);
const XZ = xzStream(TAR, { blockSize: 5000 });
const GOOD = { gzip: GZIP, zstd: ZSTD, xz: XZ };

const ZSTD_DAMAGED = "a zstd frame is damaged: its blocks, size or checksum do not match";
const XZ_DAMAGED = "an xz stream is damaged: its blocks, sizes or checksums do not match";

/** What is wrong, and what is said of it behind "Cannot inflate the archive: ". */
const BAD: Record<string, [data: Bytes, message: string]> = {
  "a checksum of gzip": [
    flipByte(GZIP, GZIP.length - 5),
    `gzip member 1 is damaged, ends early or has a wrong checksum (found after reading ${GZIP.length} bytes)`,
  ],
  "a checksum of zstd": [flipByte(ZSTD, ZSTD.length - 1), ZSTD_DAMAGED],
  "a content size of zstd": [
    await zstdFrame(TAR, { contentSize: TAR.length + 512, checksum: null }),
    ZSTD_DAMAGED,
  ],
  "a byte of the tar's end in zstd": [flipByte(ZSTD, ZSTD.length - 100), ZSTD_DAMAGED],
  "a zstd frame that is cut": [
    ZSTD.slice(0, -2),
    `the data ends inside a checksum of zstd frame 1 (found after reading ${
      ZSTD.length - 2
    } bytes)`,
  ],
  "garbage behind zstd": [
    concat([ZSTD, TAR.slice(0, 600)], ZSTD.length + 600),
    "something else follows the last zstd frame",
  ],
  "a byte of the tar's end in xz": [flipByte(XZ, XZ.length - 100), XZ_DAMAGED],
  "the index of xz": [flipByte(XZ, XZ.length - 20), XZ_DAMAGED],
  "an xz stream that is cut": [
    XZ.slice(0, -1),
    `the data ends inside an xz stream (found after reading ${XZ.length - 1} bytes)`,
  ],
};

for (const [kind, data] of Object.entries(GOOD)) {
  test(`tarpush pushes, inspects and checks an archive in ${kind}, from a file, a pipe and a URL`, async () => {
    await using server = await serveRegistry();
    await using place = await placeOf(data);
    for (const [tag, source] of Object.entries(place.sources)) {
      const target = `${server.host}/team/app:${tag}`;
      const pushed = await place.tarpush(`push ${source} ${target}`);
      assertEquals(pushed.code, 0, pushed.stderr);
      assertEquals(
        (await readBack(server.registry, "team/app", tag)).config?.digest,
        IMAGE.configDigest,
      );
    }
    for (const source of [place.sources.file, place.sources.pipe]) {
      for (const command of ["inspect", "check"]) {
        const { code, stdout, stderr } = await place.tarpush(`${command} ${source}`);
        assertEquals(code, 0, stderr);
        if (command === "inspect") assertStringIncludes(stdout, "team/app:1.0");
      }
    }
  });
}

for (const [what, [data, message]] of Object.entries(BAD)) {
  test(`tarpush pushes nothing of an archive with a fault in ${what}, and a check tells it`, async () => {
    await using server = await serveRegistry();
    await using place = await placeOf(data);
    const expected = `Cannot inflate the archive: ${message}\n`;
    const target = `${server.host}/team/app:1.0`;
    for (const source of Object.values(place.sources)) {
      const pushed = await place.tarpush(`push ${source} ${target}`);
      assertEquals([pushed.code, pushed.stdout], [1, ""], source);
      assertStringIncludes(pushed.stderr, `tarpush: ${expected}`);
    }
    const verified = await place.tarpush(`push ${place.sources.file} ${target} --verify`);
    assertEquals(verified.code, 1);
    assertStringIncludes(verified.stderr, `tarpush: ${expected}`);
    assertEquals(await allTags(server.registry), []);
    const checked = await place.tarpush(`check ${place.sources.file}`);
    assertEquals(checked.code, 1);
    assertStringIncludes(checked.stdout, expected);
  });
}

interface Place extends AsyncDisposable {
  sources: { file: string; pipe: string; url: string };
  /** Runs the program where the archive is; it may read it from a pipe. */
  tarpush(args: string): Promise<ProcessResult>;
}

async function placeOf(archive: Bytes): Promise<Place> {
  const folder = await temporaryFolder();
  await folder.write("image.tar", archive);
  const web = await serve(() => Promise.resolve(new Response(archive)));
  return {
    sources: { file: "image.tar", pipe: "-", url: `http://${web.host}/image.tar` },
    tarpush(args) {
      const words = args.split(" ");
      const stdin = words.includes("-") ? archive : undefined;
      return runProgram(words, { cwd: folder.path, stdin });
    },
    async [Symbol.asyncDispose]() {
      await web[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
