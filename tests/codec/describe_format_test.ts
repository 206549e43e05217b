import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describeFormat, FORMATS, HEAD_BYTES } from "../../src/codec/describe_format.ts";
import { encode } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

const SAVE = "docker save";
const LOST = "docker save -o FILE";
const CONVERT = "bsdtar -cf - @FILE | tarpush push - TARGET";
const FAILED = "the command that wrote it may have failed";
const DOWNLOAD = "curl --fail";

/** Beginnings of files as their programs write them, what they are called and what the hint says. */
const BEGINNINGS: readonly [beginning: string, what: string, hint: string, at?: number][] = [
  ["\x1f\x8b\x08\0\0\0\0\0\0\x03", "compressed with gzip", "gzip -dc FILE |"],
  ["\x28\xb5\x2f\xfd\x04\x58", "compressed with zstd", "zstd -dc FILE |"],
  ["BZh91AY&SY", "compressed with bzip2", "bunzip2 -c FILE |"],
  ["\xfd7zXZ\0\0\x04", "compressed with xz", "xz -dc FILE |"],
  ["\x04\x22\x4d\x18\x64\x40\xa7", "compressed with lz4", "lz4 -dc FILE |"],
  ["\x02\x21\x4c\x18\x10\0\0\0", "compressed with lz4", "lz4 -dc FILE |"],
  ["LZIP\x01\x0c", "compressed with lzip", "lzip -dc FILE |"],
  [
    "\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff",
    "compressed with lzma",
    "xz --format=lzma -dc",
  ],
  ["\x5d\0\0\0\x04\xff\xff\xff\xff", "compressed with lzma", "xz --format=lzma -dc FILE |"],
  ["\x1f\x9d\x90", "compressed with compress", "gzip -dc FILE |"],
  ["\x1f\x1e\0\0", "compressed with pack", "gzip -dc FILE |"],
  ["\x1f\xa0\0\0", "compressed with compress -H", "gzip -dc FILE |"],
  ["\x89LZO\0\r\n\x1a\n\x10\x40", "compressed with lzop", "lzop -dc FILE |"],
  ["LRZI\0\x06", "compressed with lrzip", "lrzcat FILE |"],
  ["RZIP\x02\x01", "compressed with rzip", "rzip -dk FILE"],
  ["BZ3v1\0\0\0\x01", "compressed with bzip3", "bzip3 -dc FILE |"],
  ["\xff\x06\0\0sNaPpY\0", "compressed with snappy", "snzip -dc FILE |"],
  ["bvx2\0\0", "compressed with lzfse", "lzfse -decode -i FILE |"],
  ["\x78\x9c\xed\xdd", "compressed with zlib", "pigz -dc FILE |"],
  ["\x78\xda\xed\xdd", "compressed with zlib", "pigz -dc FILE |"],
  ["\x78\x5e\xed\xdd", "compressed with zlib", "pigz -dc FILE |"],
  ["\x78\x01\xed\xdd", "compressed with zlib", "pigz -dc FILE |"],

  ["PK\x03\x04\x14\0\0\0\x08\0", "a zip archive", "unzip -p FILE | tarpush push - TARGET"],
  ["PK\x05\x06\0\0\0\0", "an empty zip archive", SAVE],
  ["PK\x07\x08PK\x03\x04", "a zip archive in several parts", "join"],
  ["7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive", "7z x -so FILE | tarpush push - TARGET"],
  ["Rar!\x1a\x07\x01\0", "a rar archive", "unrar p -inul FILE | tarpush push - TARGET"],
  ["Rar!\x1a\x07\0", "a rar archive", "unrar p -inul FILE | tarpush push - TARGET"],
  ["07070100b5c6f1000081a4", "a cpio archive", CONVERT],
  ["07070200b5c6f1000081a4", "a cpio archive", CONVERT],
  ["0707070000010000011006", "a cpio archive", CONVERT],
  ["\xc7\x71\x01\0\xa4\x81", "a cpio archive", CONVERT],
  ["\x71\xc7\0\x01\x81\xa4", "a cpio archive", CONVERT],
  ["!<arch>\ndebian-binary   1700000000  0     0     100644", "a Debian package", SAVE],
  ["!<arch>\napp.o/          0           0     0     644", "an ar archive", CONVERT],
  ["!<thin>\n/               0 ", "a thin ar archive", SAVE],
  ["xar!\0\x1c\0\x01", "a xar archive", CONVERT],
  ["MSCF\0\0\0\0", "a cabinet archive", CONVERT],
  ["\x24\x9c-lh5-\x10\0", "an lha archive", CONVERT],
  ["\x60\xea\x2b\0\x22\x0b", "an ARJ archive", CONVERT],
  ["\xed\xab\xee\xdb\x03\0", "an rpm package", SAVE],
  ["MSWIM\0\0\0\xd0\0", "a Windows image (WIM)", SAVE],
  ["XFSB\0\0\x10\0", "an XFS file system", SAVE],
  ["\0asm\x01\0\0\0", "a WebAssembly module", SAVE],
  ["SQLite format 3\0\x10\0\x01\x01", "an SQLite database", SAVE],
  [
    "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
    "a Windows installer or an Office document",
    SAVE,
  ],
  ["\x27\x05\x19\x56\xc5\x39", "an image for U-Boot", SAVE],
  ["\xd0\x0d\xfe\xed\0\0", "a device tree, or an image for U-Boot", SAVE],
  ["\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "a picture (PNG)", SAVE],
  ["\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture (JPEG)", SAVE],
  ["GIF89a\x01\0\x01\0", "a picture (GIF)", SAVE],
  ["RIFF\x1a\0\0\0WEBPVP8L", "a picture (WebP)", SAVE],

  [
    "#!/usr/bin/env run-singularity\n\0SIF_MAGIC\x0001\0",
    "a Singularity or Apptainer image (SIF)",
    "apptainer push FILE oras://HOST/REPOSITORY:TAG",
  ],
  ["hsqs\x02\0\0\0", "a squashfs file system", SAVE],
  ["sqsh\0\0\0\x02", "a squashfs file system", SAVE],
  ["\x45\x3d\xcd\x28\0\x10", "a cramfs file system", SAVE],
  ["\xe2\xe1\xf5\xe0\x1f", "an EROFS file system", SAVE, 1024],
  ["\x53\xef\x01\0\x01\0", "an ext file system", SAVE, 1080],
  ["\x01CD001\x01\0LINUX", "an ISO 9660 image", CONVERT, 32768],
  ["\0BEA01\x01\0", "a UDF image", SAVE, 32768],
  ["QFI\xfb\0\0\0\x03", "a disk image (qcow2)", SAVE],
  ["KDMV\x01\0\0\0", "a disk image (VMDK)", SAVE],
  ["vhdxfileM\0", "a disk image (VHDX)", SAVE],
  ["conectix\0\0\0\x02", "a disk image (VHD)", SAVE],
  ["LUKS\xba\xbe\0\x02", "an encrypted disk (LUKS)", SAVE],
  ["EFI PART\0\0\x01\0", "a disk image", SAVE, 512],
  ["\x55\xaa", "a disk image or another thing with a boot sector", SAVE, 510],

  ["\x7fELF\x02\x01\x01\0", "a program (ELF)", SAVE],
  ["MZ\x90\0\x03\0", "a Windows program", SAVE],
  ["\xcf\xfa\xed\xfe\x0c\0", "a macOS program", SAVE],
  ["\xca\xfe\xba\xbe\0\0", "a macOS program or a Java class", SAVE],
  ["%PDF-1.7\n%\xe2\xe3", "a PDF document", SAVE],
  ["Salted__\x8a\x11", "encrypted by openssl", "openssl enc -d"],
  ["age-encryption.org/v1\n-> X25519 ", "encrypted with age", "age -d FILE |"],
  ["-----BEGIN PGP MESSAGE-----\n\nhQ", "encrypted with PGP", "gpg -d FILE |"],

  [
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "a Git LFS pointer, not the file itself",
    "git lfs pull",
  ],
  [
    "/annex/objects/SHA256E-s1--0.tar\n",
    "a git-annex pointer, not the file itself",
    "git annex get FILE",
  ],
  ["\xff\xfem\0a\0n\0i\0", "text in UTF-16, as Windows PowerShell's > writes it", LOST],
  ["\xfe\xff\0m\0a\0n\0i", "text in UTF-16, as Windows PowerShell's > writes it", LOST],
  ["\xef\xbb\xbfmanifest.json\0\0\0", "text in UTF-8 with a byte order mark", LOST],
  ["\x1f\xef\xbf\xbd\x08\0\0", "gzip data that was decoded as text", LOST],
  ["\x1f\xc3\xaf\x08\0\0", "gzip data that was decoded as text", LOST],
  ["\x1f\xe2\x80\xb9\x08\0", "gzip data that was decoded as text", LOST],
  ["\x1f\xc2\x8b\x08\0\0", "gzip data that was decoded as text", LOST],
  ["\x28\xef\xbf\xbd\x2f\xef\xbf\xbd", "zstd data that was decoded as text", LOST],
  ["\x28\xe2\x95\xa1\x2f\xc2\xb2", "zstd data that was decoded as text", LOST],
  ["\x28\xc2\xb5\x2f\xc3\xbd", "zstd data that was decoded as text", LOST],
  ["\xef\xbf\xbd7zXZ\0", "xz data that was decoded as text", LOST],
  ["\xc2\xb27zXZ\0", "xz data that was decoded as text", LOST],
  ["\xc3\xbd7zXZ\0", "xz data that was decoded as text", LOST],
];

function bytesOf(beginning: string, at = 0): Uint8Array {
  const bytes = new Uint8Array(at + beginning.length);
  bytes.set([...beginning].map((character) => character.charCodeAt(0)), at);
  return bytes;
}

for (const [beginning, what, hint, at] of BEGINNINGS) {
  test(`describeFormat() knows ${what} by ${JSON.stringify(beginning.slice(0, 12))}`, () => {
    const bytes = bytesOf(beginning, at);
    assert(bytes.length <= HEAD_BYTES);
    for (const head of [bytes, new Uint8Array([...bytes, ...new Uint8Array(600).fill(0x81)])]) {
      const found = describeFormat(head);
      assertEquals(found?.what, what);
      assertStringIncludes(found?.hint ?? "", hint);
    }
  });
}

test("describeFormat() is tested for every format", () => {
  const untested = FORMATS.filter(({ magic, at = 0 }) =>
    !BEGINNINGS.some(([beginning, , , start = 0]) =>
      start <= at && beginning.slice(at - start).startsWith(magic)
    )
  );
  assertEquals(untested, []);
});

test("describeFormat() tells texts apart, and shows how they begin", () => {
  const LINE = "H4sIAAAAAAAAA+3OMQ6DMBBE0b3KXiDSGtv4PBYgQYEsGYPI7UNNQUX3XzPVFH+uZez9Pi";
  const cases: readonly [text: string, what: string, hint: string][] = [
    ["", "empty", FAILED],
    ["<!DOCTYPE html>\n<html>", "an HTML page", DOWNLOAD],
    ["\n  <HTML lang=en>", "an HTML page", DOWNLOAD],
    [
      "<?xml version='1.0'?>\n<Error>",
      "XML or HTML that begins with \"<?xml version='1.0'?>\"",
      DOWNLOAD,
    ],
    ['{"errors":[]}', 'JSON that begins with "{\\"errors\\":[]}"', SAVE],
    ['\ufeff[\n  {"Id":1}', 'JSON that begins with "["', SAVE],
    ["[1, 2]", 'JSON that begins with "[1, 2]"', SAVE],
    ["[2026-11-28 10:00] no", 'text that begins with "[2026-11-28 10:00] no"', FAILED],
    ["{}", 'JSON that begins with "{}"', SAVE],
    [
      "Error response from daemon: reference does not exist\n",
      'text that begins with "Error response from daemon: reference does not exist"',
      FAILED,
    ],
    ["\x1b[31mred\x1b[0m", 'text that begins with "\\u001b[31mred\\u001b[0m"', FAILED],
    ["größer " + "ü".repeat(600), `text that begins with "größer ${"ü".repeat(53)}"`, FAILED],
    [`${LINE}\n${LINE}`, "text in base64", "base64 -d FILE |"],
  ];
  for (const [text, what, hint] of cases) {
    const found = describeFormat(encode(text));
    assertEquals(found?.what, what);
    assertStringIncludes(found?.hint ?? "", hint);
  }
});

test("describeFormat() says nothing of bytes that it does not know", () => {
  for (const bytes of [new Uint8Array(600), new Uint8Array(600).fill(0x81), bytesOf("abc\0def")]) {
    assertEquals(describeFormat(bytes), undefined);
  }
});
