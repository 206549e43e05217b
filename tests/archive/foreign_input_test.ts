import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { checkArchive } from "../../src/archive/check_archive.ts";
import { openArchive } from "../../src/archive/open_archive.ts";
import { OciError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import { type Bytes, encode, gzip } from "../helpers/archives.ts";
import { inPieces } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

function filled(size: number, start: string, { at = 0, fill = 0x81 } = {}): Bytes {
  const bytes = new Uint8Array(size).fill(fill);
  bytes.set([...start].map((character) => character.charCodeAt(0)), at);
  return bytes;
}

const ISO = "\x01CD001\x01";
const INPUTS: readonly [name: string, bytes: Bytes, what: string, hint: string][] = [
  ["a short zip", filled(8, "PK\x03\x04"), "a zip archive", "unzip -p FILE |"],
  ["a long lz4", filled(100_000, "\x04\x22\x4d\x18"), "compressed with lz4", "lz4 -dc FILE |"],
  ["a lzma of 513 bytes", filled(513, "\x5d\0\0\x80\0"), "compressed with lzma", "lzma -dc FILE |"],
  [
    "an ISO behind zeros",
    filled(60_000, ISO, { at: 32768, fill: 0 }),
    "an ISO 9660 image",
    "bsdtar",
  ],
  ["an ISO behind boot code", filled(60_000, ISO, { at: 32768 }), "an ISO 9660 image", "bsdtar"],
  ["an ISO cut short", filled(32_775, ISO, { at: 32768, fill: 0 }), "an ISO 9660 image", "bsdtar"],
  ["UTF-16", filled(2048, "\xff\xfem\0a\0n\0i\0"), "text in UTF-16", "docker save -o FILE"],
  [
    "a Git LFS pointer",
    encode("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"),
    "a Git LFS pointer",
    "git lfs pull",
  ],
  ["nothing", new Uint8Array(0), "empty", "may have failed"],
  ["a message", encode("Error: no such image\n".repeat(90)), "text that begins", "may have failed"],
];

const READERS: readonly [name: string, read: (source: PushSource) => Promise<string>][] = [
  ["pushImage()", (source) => messageOf(pushImage(source, TARGET, { fetch: createRegistry() }))],
  ["openArchive()", (source) => messageOf(openArchive(source, { verify: false }))],
  ["checkArchive()", async (source) => {
    const { ok, findings } = await checkArchive(source);
    assertEquals([ok, findings.length, findings[0]?.code], [false, 1, "broken-tar"]);
    return findings[0]?.message ?? "";
  }],
];

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const { message, hint } = await assertRejects(() => promise, OciError);
  return `${message} (${hint})`;
}

for (const [reader, read] of READERS) {
  test(`${reader} says what input is that is no tar, from a file and from pipes`, async () => {
    for (const [name, bytes, what, hint] of INPUTS) {
      const sources = [
        new Blob([bytes]),
        ...[511, 512, 513, 65536].map((size) => inPieces(new Blob([bytes]), size)),
        // The same, in what was worth compressing.
        new Blob([await gzip(bytes)]),
      ];
      for (const source of sources) {
        const message = await read(source);
        assertStringIncludes(message, `input is not a tar archive, it is ${what}`, name);
        assertStringIncludes(message, hint, name);
      }
    }
  });
}

test("a zstd archive with a window of 2 GiB is refused with the command that reads it", async () => {
  // Magic, a descriptor without a content size, and the window of --long=31.
  const zstd = filled(600, "\x28\xb5\x2f\xfd\x04\xa8");
  for (const [, read] of READERS) {
    for (const source of [new Blob([zstd]), inPieces(new Blob([zstd]), 7)]) {
      const message = await read(source);
      assertStringIncludes(message, "a zstd frame needs a window of 2147483648 bytes");
      assertStringIncludes(message, "zstd -dc --long=31 FILE | tarpush push - TARGET");
    }
  }
});

test("an empty tar with padding is empty, and what follows it stays a finding of its own", async () => {
  const padded = new Uint8Array(102_400);
  const followed = filled(102_400, "something", { at: 40_000, fill: 0 });
  for (const bytes of [padded, followed]) {
    for (const source of [() => new Blob([bytes]), () => inPieces(new Blob([bytes]), 513)]) {
      assertStringIncludes(await messageOf(openArchive(source())), "it is empty");
      const { findings } = await checkArchive(source());
      assert(findings.some(({ code }) => code === "no-image"));
      const trailing = findings.find(({ code }) => code === "trailing-data")?.message ?? "";
      assertEquals(trailing.includes("at byte 40000"), bytes === followed);
    }
  }
});
