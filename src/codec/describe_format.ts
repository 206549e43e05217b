import { quoteName } from "../quote_name.ts";
import { type Compression, hasMagic, MAGIC } from "./magic.ts";

/** What content is that is no tar, and what helps. */
export interface FormatDescription {
  /** Goes on from "it is". */
  what: string;
  hint: string;
}

/** One format, told by bytes at a place. */
interface Format extends FormatDescription {
  /** Latin-1: one character a byte. */
  magic: string;
  /** @default {0} */
  at?: number;
  /** Set for those that layers come in. */
  compression?: Compression;
}

/** Bytes from the first that tell every format known: an ISO image tells at the end of its first 32 KiB. */
export const HEAD_BYTES = 32 * 1024 + 512;

const SAVE = "make one with docker save, podman save, or skopeo copy ... oci-archive:FILE";
const DECODED =
  "a shell decoded it as text and its bytes are lost: write it with docker save -o FILE APP";
const DOWNLOAD = "a server answered with it: look at the address, and download with curl --fail";
const PICTURE = "an image for containers is meant: " + SAVE;
const UNPACK = "if a tar is in it";
const CONVERT = "if the files of an image are in it: bsdtar -cf - @FILE | tarpush push - TARGET";

function compressed(name: string, command: string): FormatDescription {
  const hint = `pipe it through ${name}: ${command} FILE | tarpush push - TARGET`;
  return { what: `compressed with ${name}`, hint };
}

/** One format that is told by any of several beginnings. */
function each(magics: readonly string[], description: FormatDescription): Format[] {
  return magics.map((magic) => ({ magic, ...description }));
}

function other(what: string, hint: string = SAVE): FormatDescription {
  return { what, hint };
}

/** Every format that is told by fixed bytes; of several that match, the first counts. */
export const FORMATS: readonly Format[] = [
  { magic: MAGIC.gzip, compression: "gzip", ...compressed("gzip", "gzip -dc") },
  { magic: MAGIC.zstd, compression: "zstd", ...compressed("zstd", "zstd -dc") },
  { magic: MAGIC.bzip2, compression: "bzip2", ...compressed("bzip2", "bunzip2 -c") },
  { magic: MAGIC.xz, compression: "xz", ...compressed("xz", "xz -dc") },
  ...each(["\x04\x22\x4d\x18", "\x02\x21\x4c\x18"], compressed("lz4", "lz4 -dc")),
  { magic: "LZIP", ...compressed("lzip", "lzip -dc") },
  { magic: "\x5d\0\0", ...compressed("lzma", "xz --format=lzma -dc") },
  { magic: "\x1f\x9d", ...compressed("compress", "gzip -dc") },
  { magic: "\x1f\x1e", ...compressed("pack", "gzip -dc") },
  { magic: "\x1f\xa0", ...compressed("compress -H", "gzip -dc") },
  { magic: "\x89LZO\0\r\n\x1a\n", ...compressed("lzop", "lzop -dc") },
  { magic: "LRZI", ...compressed("lrzip", "lrzcat") },
  { magic: "RZIP", ...other("compressed with rzip", `unpack it first: rzip -dk FILE`) },
  { magic: "BZ3v1", ...compressed("bzip3", "bzip3 -dc") },
  { magic: "\xff\x06\0\0sNaPpY", ...compressed("snappy", "snzip -dc") },
  { magic: "bvx", ...compressed("lzfse", "lzfse -decode -i") },
  ...each(["\x78\x9c", "\x78\xda", "\x78\x5e", "\x78\x01"], compressed("zlib", "pigz -dc")),

  {
    magic: "PK\x03\x04",
    ...other("a zip archive", `${UNPACK}: unzip -p FILE | tarpush push - TARGET`),
  },
  { magic: "PK\x05\x06", ...other("an empty zip archive") },
  { magic: "PK\x07\x08", ...other("a zip archive in several parts", "join its parts first") },
  {
    magic: "7z\xbc\xaf\x27\x1c",
    ...other("a 7z archive", `${UNPACK}: 7z x -so FILE | tarpush push - TARGET`),
  },
  {
    magic: "Rar!\x1a\x07",
    ...other("a rar archive", `${UNPACK}: unrar p -inul FILE | tarpush push - TARGET`),
  },
  ...each(
    ["070701", "070702", "070707", "\xc7\x71", "\x71\xc7"],
    other("a cpio archive", CONVERT),
  ),
  { magic: "!<arch>\ndebian-binary", ...other("a Debian package") },
  { magic: "!<arch>\n", ...other("an ar archive", CONVERT) },
  { magic: "!<thin>\n", ...other("a thin ar archive") },
  { magic: "xar!", ...other("a xar archive", CONVERT) },
  { magic: "MSCF", ...other("a cabinet archive", CONVERT) },
  { magic: "-lh", at: 2, ...other("an lha archive", CONVERT) },
  { magic: "\x60\xea", ...other("an ARJ archive", CONVERT) },
  { magic: "\xed\xab\xee\xdb", ...other("an rpm package") },
  { magic: "MSWIM\0\0\0", ...other("a Windows image (WIM)") },

  {
    magic: "SIF_MAGIC",
    at: 32,
    ...other(
      "a Singularity or Apptainer image (SIF)",
      "push it as it is with apptainer push FILE oras://HOST/REPOSITORY:TAG",
    ),
  },
  ...each(["hsqs", "sqsh"], other("a squashfs file system")),
  { magic: "\x45\x3d\xcd\x28", ...other("a cramfs file system") },
  { magic: "\xe2\xe1\xf5\xe0", at: 1024, ...other("an EROFS file system") },
  { magic: "\x53\xef", at: 1080, ...other("an ext file system") },
  { magic: "XFSB", ...other("an XFS file system") },
  { magic: "CD001", at: 32769, ...other("an ISO 9660 image", CONVERT) },
  { magic: "BEA01", at: 32769, ...other("a UDF image") },
  { magic: "QFI\xfb", ...other("a disk image (qcow2)") },
  { magic: "KDMV", ...other("a disk image (VMDK)") },
  { magic: "vhdxfile", ...other("a disk image (VHDX)") },
  { magic: "conectix", ...other("a disk image (VHD)") },
  { magic: "LUKS\xba\xbe", ...other("an encrypted disk (LUKS)") },
  { magic: "EFI PART", at: 512, ...other("a disk image") },
  { magic: "\x55\xaa", at: 510, ...other("a disk image or another thing with a boot sector") },

  { magic: "\x7fELF", ...other("a program (ELF)") },
  { magic: "MZ", ...other("a Windows program") },
  { magic: "\xcf\xfa\xed\xfe", ...other("a macOS program") },
  { magic: "\xca\xfe\xba\xbe", ...other("a macOS program or a Java class") },
  { magic: "\0asm", ...other("a WebAssembly module") },
  { magic: "SQLite format 3\0", ...other("an SQLite database") },
  {
    magic: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ...other("a Windows installer or an Office document"),
  },
  { magic: "\x27\x05\x19\x56", ...other("an image for U-Boot") },
  { magic: "\xd0\x0d\xfe\xed", ...other("a device tree, or an image for U-Boot") },
  { magic: "\x89PNG\r\n\x1a\n", ...other("a picture (PNG)", PICTURE) },
  { magic: "\xff\xd8\xff", ...other("a picture (JPEG)", PICTURE) },
  { magic: "GIF8", ...other("a picture (GIF)", PICTURE) },
  { magic: "WEBP", at: 8, ...other("a picture (WebP)", PICTURE) },
  { magic: "%PDF-", ...other("a PDF document") },
  { magic: "Salted__", ...other("encrypted by openssl", "decrypt it first: openssl enc -d") },
  {
    magic: "age-encryption.org/",
    ...other("encrypted with age", "pipe it through age: age -d FILE | tarpush push - TARGET"),
  },
  {
    magic: "-----BEGIN PGP MESSAGE",
    ...other("encrypted with PGP", "pipe it through gpg: gpg -d FILE | tarpush push - TARGET"),
  },

  {
    magic: "version https://git-lfs.github.com/spec/",
    ...other("a Git LFS pointer, not the file itself", "fetch the file first: git lfs pull"),
  },
  {
    magic: "/annex/objects/",
    ...other(
      "a git-annex pointer, not the file itself",
      "fetch the file first: git annex get FILE",
    ),
  },
  ...each(
    ["\xff\xfe", "\xfe\xff"],
    other("text in UTF-16, as Windows PowerShell's > writes it", DECODED),
  ),
  // What 8b, b5 and fd of the magics above become where UTF-8, code page 437 or Windows-1252 is read and UTF-8 written.
  ...each(
    ["\x1f\xef\xbf\xbd\x08", "\x1f\xc3\xaf\x08", "\x1f\xe2\x80\xb9\x08", "\x1f\xc2\x8b\x08"],
    other("gzip data that was decoded as text", DECODED),
  ),
  ...each(
    ["\x28\xef\xbf\xbd\x2f", "\x28\xe2\x95\xa1\x2f", "\x28\xc2\xb5\x2f"],
    other("zstd data that was decoded as text", DECODED),
  ),
  ...each(
    ["\xef\xbf\xbd7zXZ", "\xc2\xb27zXZ", "\xc3\xbd7zXZ"],
    other("xz data that was decoded as text", DECODED),
  ),
];

/**
 * Tells what content is that was expected to be a tar.
 *
 * @param head Its first bytes; {@linkcode HEAD_BYTES} tell every format, 512 all but a few.
 * @returns What it is and what helps; undefined for what is not known.
 */
export function describeFormat(head: Uint8Array): FormatDescription | undefined {
  if (head.length === 0) {
    return other("empty", "the command that wrote it may have failed");
  }
  return FORMATS.find(({ magic, at }) => hasMagic(head, magic, at)) ?? describeText(head);
}

/** Bytes that decide whether content is text. */
const TEXT_BYTES = 512;
const SHOWN_CHARACTERS = 60;

function describeText(head: Uint8Array): FormatDescription | undefined {
  // A character may be cut at the end, hence a stream.
  const text = new TextDecoder().decode(head.subarray(0, TEXT_BYTES), { stream: true });
  const isMarked = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf;
  // deno-lint-ignore no-control-regex -- these are what text has not
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]/.test(text)) {
    return isMarked ? other("text in UTF-8 with a byte order mark", DECODED) : undefined;
  }
  const start = text.trimStart();
  const begin = quoteName(start.slice(0, SHOWN_CHARACTERS).split(/[\r\n]/)[0] ?? "");
  if (/^<(?:!doctype html|html|head|body)\b/i.test(start)) return other("an HTML page", DOWNLOAD);
  if (start.startsWith("<")) return other(`XML or HTML that begins with ${begin}`, DOWNLOAD);
  if (/^(?:\{\s*["}]|\[\s*(?:[\]{["]|-?\d+\s*[,\]]))/.test(start)) {
    return other(`JSON that begins with ${begin}`);
  }
  if (/^[A-Za-z0-9+/=\r\n]{64,}$/.test(start)) {
    return other(
      "text in base64",
      "pipe it through base64: base64 -d FILE | tarpush push - TARGET",
    );
  }
  return other(`text that begins with ${begin}`, "the command that wrote it may have failed");
}
