import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { unpackTar } from "modern-tar";
import { OciError } from "../../src/errors.ts";
import { parsePax } from "../../src/tar/extensions.ts";
import { parseHeader } from "../../src/tar/header.ts";
import { formatHeader, type PackedEntry, packedSize, packTar } from "../../src/tar/pack_tar.ts";
import { scanTar } from "../../src/tar/scan.ts";
import { encode } from "../helpers/archives.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

type Body = NonNullable<PackedEntry["body"]>;

const tar = requireProgram("tar");
const LONG = `${"long-folder/".repeat(20)}name`;
const GIB = 1024 ** 3;

/** A body in pieces of one length. */
function inPieces(bytes: Uint8Array, length: number, size = bytes.length): Body {
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
  };
  return { size, open: () => ReadableStream.from(pieces()) };
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(stream).bytes();
}

const SIZES = [0, 1, 511, 512, 513, 5000];
const CONTENT = new Uint8Array(5000).map((_, at) => at * 7);
const entriesWith = (length: number): PackedEntry[] => [
  { path: "folder/" },
  { path: "document.json", body: encode("{}") },
  ...SIZES.map((size) => ({
    path: `folder/${size}`,
    body: inPieces(CONTENT.subarray(0, size), length),
  })),
  { path: LONG, body: encode("behind a long name") },
];

test("packTar() writes what another reader reads, and the same bytes whatever the pieces", async () => {
  const whole = await bytesOf(packTar(entriesWith(64 * 1024)));
  for (const length of [1, 511, 512, 513]) {
    assertEquals(await bytesOf(packTar(entriesWith(length))), whole, `${length}`);
  }
  assertEquals(packedSize(entriesWith(1)), whole.length);
  const read = await unpackTar(whole, { strict: true });
  assertEquals(read.map(({ header }) => [header.name, header.type, header.mode, header.size]), [
    ["folder/", "directory", 0o755, 0],
    ["document.json", "file", 0o644, 2],
    ...SIZES.map((size) => [`folder/${size}`, "file", 0o644, size]),
    [LONG, "file", 0o644, 18],
  ]);
  for (const { header, data } of read) {
    assertEquals(header.mtime?.getTime() ?? 0, 0);
    if (header.name.startsWith("folder/") && header.size > 0) {
      assertEquals(data, CONTENT.subarray(0, header.size));
    }
  }
});

test("packTar() writes what GNU tar lists without a complaint", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("packed.tar", await bytesOf(packTar(entriesWith(512))));
  const { code, stdout, stderr } = await runProcess(tar.path, ["-tvf", path], {
    env: { TZ: "UTC" },
  });
  assertEquals([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.length, SIZES.length + 3);
  assert(lines[0]?.startsWith("drwxr-xr-x 0/0"), lines[0]);
  assert(lines.at(-1)?.endsWith(` 1970-01-01 00:00 ${LONG}`), lines.at(-1));
}, { skip: tar.skip });

test("packTar() asks for a piece when one is wanted, and opens a body when its turn has come", async () => {
  const opened: string[] = [];
  let pulled = 0;
  const body = (name: string): Body => ({
    size: 3000,
    open: () => {
      opened.push(name);
      return new ReadableStream({
        pull: (controller) => {
          pulled++;
          controller.enqueue(new Uint8Array(1000));
          if (pulled % 3 === 0) controller.close();
        },
      }, { highWaterMark: 0 });
    },
  });
  const reader = packTar([{ path: "a", body: body("a") }, { path: "b", body: body("b") }])
    .getReader();
  assertEquals(opened, []);
  await reader.read();
  assertEquals([opened, pulled], [["a"], 0]);
  await reader.read();
  assertEquals(pulled, 1);
  for (let rest = 3; rest > 0; rest--) await reader.read();
  assertEquals([opened, pulled], [["a"], 3]);
  await reader.cancel();
});

test("packTar() hands a cancel on to the body at hand, also to one that stalls", async () => {
  const cancelled: unknown[] = [];
  const stalled: Body = {
    size: 10,
    open: () =>
      new ReadableStream({
        pull: () => new Promise(() => {}),
        cancel: (reason) => void cancelled.push(reason),
      }),
  };
  const reader = packTar([{ path: "a", body: stalled }]).getReader();
  await reader.read();
  const waiting = reader.read();
  await reader.cancel("enough");
  assertEquals(cancelled, ["enough"]);
  assertEquals((await waiting).done, true);
});

test("packTar() fails where a body fails or has another length, and writes no end", async () => {
  const broken = () =>
    ReadableStream.from((function* () {
      yield new Uint8Array(100);
      throw new Error("the source broke");
    })());
  const cases: [Body, RegExp][] = [
    [{ size: 200, open: broken }, /the source broke/],
    [inPieces(CONTENT, 700, 6000), /"layer".* has 1000 bytes less, expected 6000 bytes/],
    [inPieces(CONTENT, 700, 4999), /"layer".* has more, expected 4999 bytes/],
  ];
  for (const [body, message] of cases) {
    let last = 0;
    const entries = [{ path: "layer", body }, { path: "never" }] satisfies PackedEntry[];
    const error = await assertRejects(async () => {
      for await (const piece of packTar(entries)) last = piece.length;
    }, Error);
    assert(message.test(error.message), error.message);
    assert(last < 1024, "no end blocks");
  }
});

test("formatHeader() writes sizes from 8 GiB on in base-256 and in a PAX record", async () => {
  const last = formatHeader({ path: "layer", size: 8 * GIB - 1 });
  assertEquals([last.length, parseHeader(last, 0)?.size], [512, 8 * GIB - 1]);
  for (const size of [8 * GIB, 9 * GIB + 1, Number.MAX_SAFE_INTEGER]) {
    const bytes = formatHeader({ path: "layer", size });
    const pax = parseHeader(bytes.subarray(0, 512), 0);
    assertEquals([bytes.length, pax?.typeflag], [3 * 512, "x"]);
    assertEquals(parsePax(bytes.subarray(512, 512 + (pax?.size ?? 0)), 0), { size });
    assertEquals(parseHeader(bytes.subarray(1024), 0)?.size, size);
  }
  const header = formatHeader({ path: "layer", size: 9 * GIB });
  const source = {
    size: header.length + 9 * GIB + 1024,
    slice: (start: number, end: number) => {
      const bytes = new Uint8Array(end - start);
      bytes.set(header.subarray(start, end));
      return new Blob([bytes]);
    },
  };
  const entries = await Array.fromAsync(scanTar(source));
  assertEquals(entries.map(({ path, body }) => [path, body.size]), [["layer", 9 * GIB]]);
});

test("formatHeader() keeps whole characters of a long name in the block", () => {
  const path = `${"a".repeat(99)}é${"b".repeat(100)}`;
  const bytes = formatHeader({ path, size: 1 });
  const { size = 0 } = parseHeader(bytes.subarray(0, 512), 0) ?? {};
  assertEquals(parsePax(bytes.subarray(512, 512 + size), 0), { path });
  assertEquals(parseHeader(bytes.subarray(1024), 0)?.name, "a".repeat(99));
});

test("formatHeader() refuses sizes that are none", () => {
  for (const size of [-1, 1.5, NaN, 2 ** 53]) {
    assertThrows(() => formatHeader({ path: "a", size }), RangeError, "whole number");
  }
});

test("packTar() errors are of the family that callers catch", async () => {
  const short = packTar([{ path: "a", body: inPieces(CONTENT, 10, 9999) }]);
  await assertRejects(() => bytesOf(short), OciError);
});
