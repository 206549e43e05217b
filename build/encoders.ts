/**
 * `deno task encoders LIBDEFLATE ZSTD`: compiles the encoders of libdeflate and libzstd, and the decoder of the latter, to
 * WebAssembly and writes them to `src/codec/`. The two folders hold the sources of one release each; needed is clang with
 * wasm-ld.
 *
 * No package carries any as fast and small: docs/decisions/ has the figures and the versions.
 */
import { ROOT, run, writeFile } from "./project.ts";
import { BSD, MIT, moduleText, packSmall } from "./wasm.ts";

/** An encoder or decoder that is made here. */
interface Codec {
  /** The file that is written. */
  path: string;
  what: string;
  notices: string[];
  /** C around it, beside memory.c, where it has any. */
  wrapper?: string;
  /** Functions that are called from outside. */
  exports: string[];
  /** Of its own sources. */
  files: string[];
  flags: string[];
  /** Where its version stands, and how. */
  header: string;
  version: RegExp;
}

const HERE = `${ROOT}build/encoders`;

const FLAGS = [
  ...["--target=wasm32", "-nostdlib", "-mbulk-memory", "-DNDEBUG"],
  ...["-ffunction-sections", "-Wl,--gc-sections", "-Wl,--strip-all", "-Wl,--no-entry"],
];

/** What each wrapper of an encoder has. */
const ENCODING = ["start", "result", "encode"];

const ZSTD_FLAGS = ["-DZSTD_DISABLE_ASM", "-DZSTD_NO_TRACE", "-DZSTD_STRIP_ERROR_STRINGS"];
const ZSTD_HEADER = "zstd.h";
const ZSTD_VERSION = /VERSION_MAJOR +(\d+)[^]*VERSION_MINOR +(\d+)[^]*VERSION_RELEASE +(\d+)/;
/** What its two halves share. */
const ZSTD_FILES = [
  ...["debug", "entropy_common", "error_private", "fse_decompress", "xxhash", "zstd_common"],
];

const GZIP: Codec = {
  path: "src/codec/gzip_encoder_wasm.ts",
  what: "The gzip encoder of libdeflate",
  notices: ["Copyright 2016 Eric Biggers\nCopyright 2024 Google LLC", MIT],
  wrapper: "gzip.c",
  exports: ENCODING,
  files: ["deflate_compress", "gzip_compress", "crc32", "utils"].map((name) => `${name}.c`),
  flags: ["-Os", "-msimd128"],
  header: "libdeflate.h",
  version: /LIBDEFLATE_VERSION_STRING\s+"([\d.]+)"/,
};

const ZSTD: Codec = {
  path: "src/codec/zstd_encoder_wasm.ts",
  what: "The encoder of libzstd, levels 1 to 12",
  notices: ["Copyright (c) Meta Platforms, Inc. and affiliates. All rights reserved.", BSD],
  wrapper: "zstd.c",
  exports: ENCODING,
  files: [
    ...ZSTD_FILES,
    ...["fse_compress", "hist", "huf_compress", "zstd_compress", "zstd_compress_literals"],
    ...["zstd_compress_sequences", "zstd_compress_superblock", "zstd_double_fast", "zstd_fast"],
    ...["zstd_lazy", "zstd_ldm", "zstd_opt", "zstd_preSplit"],
  ].map((name) => `${name}.c`),
  flags: [
    // What is left out is for levels above 12 alone, however short a block is.
    "-Os",
    "-DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR",
    ...ZSTD_FLAGS,
  ],
  header: ZSTD_HEADER,
  version: ZSTD_VERSION,
};

const UNZSTD: Codec = {
  path: "src/codec/zstd_wasm.ts",
  what: "The decoder of libzstd",
  notices: ["Copyright (c) Meta Platforms, Inc. and affiliates. All rights reserved.", BSD],
  exports: ["ZSTD_createDCtx", "ZSTD_decompressStream", "malloc"],
  files: [
    ...ZSTD_FILES,
    ...["huf_decompress", "zstd_ddict", "zstd_decompress", "zstd_decompress_block"],
  ].map((name) => `${name}.c`),
  // One way to decode each thing instead of two or three: half the size, and faster as WebAssembly, which has to be compiled first.
  flags: [
    ...["-Oz", "-msimd128", ...ZSTD_FLAGS, "-include", "wide_bits.h"],
    ...["-DHUF_FORCE_DECOMPRESS_X1", "-DHUF_DISABLE_FAST_DECODE"],
    "-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT",
  ],
  header: ZSTD_HEADER,
  version: ZSTD_VERSION,
};

async function makeModule(codec: Codec, source: string): Promise<string> {
  const { what, notices, wrapper, files, flags, header, version } = codec;
  const sources = await findFiles(source);
  const numbers = version.exec(await Deno.readTextFile(pathOf(sources, header)))?.slice(1) ?? [];
  const folders = new Set([...sources.values()].flat().map((path) => path.replace(/\/[^/]+$/, "")));
  const made = await Deno.makeTempFile({ suffix: ".wasm" });
  try {
    await run("clang", [
      ...[...FLAGS, ...flags, `-I${HERE}/include`, ...[...folders].map((path) => `-I${path}`)],
      ...codec.exports.map((name) => `-Wl,--export=${name}`),
      ...["-o", made, `${HERE}/memory.c`, ...wrapper ? [`${HERE}/${wrapper}`] : []],
      ...files.map((file) => pathOf(sources, file)),
    ]);
    const bytes = await Deno.readFile(made);
    const name = `${what}, compiled from its release ${numbers.join(".")}`;
    return moduleText(await packSmall(bytes), name, notices, "encoders");
  } finally {
    await Deno.remove(made);
  }
}

/** C files and headers by name, tests and tools left out: the files of a release may lie in folders or in one. */
async function findFiles(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && /^(?:lib|common|(?:de)?compress)$/.test(name)) {
      for (const [file, at] of await findFiles(path)) found.set(file, at);
    } else if (/\.[ch]$/.test(name)) found.set(name, path);
  }
  return found;
}

function pathOf(sources: ReadonlyMap<string, string>, file: string): string {
  const path = sources.get(file.replace(/^.*\//, ""));
  if (path) return path;
  throw new Error(`Cannot make an encoder: its sources lack ${file}, expected those of a release`);
}

/** Says in one line what is missing, before anything is written. */
async function requireTools(): Promise<void> {
  for (const tool of ["clang", "wasm-ld"]) {
    await run(tool, ["--version"]).catch(() =>
      fail(`Cannot make the encoders: there is no ${tool}, expected clang and lld to be installed`)
    );
  }
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}

const [libdeflate, zstd] = Deno.args;
if (!libdeflate || !zstd) fail("Usage: deno task encoders LIBDEFLATE ZSTD");
await requireTools();
for (const [codec, source] of [[GZIP, libdeflate], [ZSTD, zstd], [UNZSTD, zstd]] as const) {
  await writeFile(ROOT + codec.path, await makeModule(codec, source));
  console.log(codec.path);
}
