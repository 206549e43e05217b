/**
 * `deno task encoders LIBDEFLATE ZSTD`: compiles the encoders of libdeflate and libzstd to WebAssembly and writes them to
 * `src/codec/`. The two folders hold the sources of one release each; needed is clang with wasm-ld.
 *
 * No package carries encoders that are as fast: docs/decisions/encoders.md has the figures and the versions.
 */
import { ROOT, run, writeFile } from "./project.ts";
import { BSD, MIT, moduleText, packSmall } from "./wasm.ts";

/** An encoder that is made here. */
interface Encoder {
  /** The file that is written. */
  path: string;
  what: string;
  notices: string[];
  /** C around it, beside memory.c. */
  wrapper: string;
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
  ...["start", "result", "encode"].map((name) => `-Wl,--export=${name}`),
];

const GZIP: Encoder = {
  path: "src/codec/gzip_encoder_wasm.ts",
  what: "The gzip encoder of libdeflate",
  notices: ["Copyright 2016 Eric Biggers\nCopyright 2024 Google LLC", MIT],
  wrapper: "gzip.c",
  files: ["deflate_compress", "gzip_compress", "crc32", "utils"].map((name) => `${name}.c`),
  flags: ["-Os", "-msimd128"],
  header: "libdeflate.h",
  version: /LIBDEFLATE_VERSION_STRING\s+"([\d.]+)"/,
};

const ZSTD: Encoder = {
  path: "src/codec/zstd_encoder_wasm.ts",
  what: "The encoder of libzstd, levels 1 to 12",
  notices: ["Copyright (c) Meta Platforms, Inc. and affiliates. All rights reserved.", BSD],
  wrapper: "zstd.c",
  files: [
    ...["debug", "entropy_common", "error_private", "fse_decompress", "xxhash", "zstd_common"],
    ...["fse_compress", "hist", "huf_compress", "zstd_compress", "zstd_compress_literals"],
    ...["zstd_compress_sequences", "zstd_compress_superblock", "zstd_double_fast", "zstd_fast"],
    ...["zstd_lazy", "zstd_ldm", "zstd_opt", "zstd_preSplit"],
  ].map((name) => `${name}.c`),
  flags: [
    "-Os",
    ...["BTLAZY2", "BTOPT", "BTULTRA"].map((name) => `-DZSTD_EXCLUDE_${name}_BLOCK_COMPRESSOR`),
    ...["-DZSTD_DISABLE_ASM", "-DZSTD_NO_TRACE", "-DZSTD_STRIP_ERROR_STRINGS"],
  ],
  header: "zstd.h",
  version: /VERSION_MAJOR +(\d+)[^]*VERSION_MINOR +(\d+)[^]*VERSION_RELEASE +(\d+)/,
};

async function makeModule(encoder: Encoder, source: string): Promise<string> {
  const { what, notices, wrapper, files, flags, header, version } = encoder;
  const sources = await findFiles(source);
  const numbers = version.exec(await Deno.readTextFile(pathOf(sources, header)))?.slice(1) ?? [];
  const folders = new Set([...sources.values()].flat().map((path) => path.replace(/\/[^/]+$/, "")));
  const made = await Deno.makeTempFile({ suffix: ".wasm" });
  try {
    await run("clang", [
      ...[...FLAGS, ...flags, `-I${HERE}/include`, ...[...folders].map((path) => `-I${path}`)],
      ...["-o", made, `${HERE}/memory.c`, `${HERE}/${wrapper}`],
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
    if (isDirectory && /^(?:lib|common|compress)$/.test(name)) {
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

const [libdeflate, zstd] = Deno.args;
if (!libdeflate || !zstd) throw new Error("Usage: deno task encoders LIBDEFLATE ZSTD");
for (const [encoder, source] of [[GZIP, libdeflate], [ZSTD, zstd]] as const) {
  await writeFile(ROOT + encoder.path, await makeModule(encoder, source));
  console.log(encoder.path);
}
