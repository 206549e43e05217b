import { dockerSave, makeImage, makeLayer, randomBytes } from "../tests/helpers/archives.ts";
import { findProgram } from "../tests/helpers/programs.ts";
import { writeTar } from "../tests/helpers/tar_writer.ts";
import { CACHE, MIB } from "./archives.ts";

export interface ArchiveForm {
  /** Ending of the file, and what the row is called. */
  name: string;
  /** Writes it to standard output; none for the tar itself. */
  compress?: string[];
}

/** The forms that are inflated. */
export const FORMS: readonly ArchiveForm[] = [
  { name: "tar" },
  { name: "tar.gz", compress: ["gzip", "-c"] },
  { name: "tar.zst", compress: ["zstd", "-q", "-c"] },
  { name: "tar.zst-long25", compress: ["zstd", "-q", "--long=25", "-c"] },
  { name: "tar.zst-long27", compress: ["zstd", "-q", "--long=27", "-c"] },
  { name: "tar.xz", compress: ["xz", "-T0", "-c"] },
];

const FOLDER = new URL("mixed/", CACHE);
const PROGRAM_BYTES = 95 * MIB;
const TEXT_BYTES = 40 * MIB;
const RANDOM_BYTES = 10 * MIB;

/**
 * Makes an archive of 240 MiB whose content is mixed as that of images is: two programs, text, and what cannot be
 * compressed. It is taken from the cache where it is there.
 *
 * @returns Its path in that form; undefined where what compresses it is not on PATH.
 */
export async function prepareMixed({ name, compress }: ArchiveForm): Promise<string | undefined> {
  const path = decodeURIComponent(new URL(name, FOLDER).pathname);
  if (await exists(path)) return path;
  await Deno.mkdir(FOLDER, { recursive: true });
  if (!compress) {
    await Deno.writeFile(path, await mixedTar());
    return path;
  }
  const [program = "", ...args] = compress;
  const tar = await prepareMixed({ name: "tar" });
  if (!findProgram(program) || tar === undefined) return undefined;
  const child = new Deno.Command(program, { args: [...args, tar], stdout: "piped" }).spawn();
  await Deno.writeFile(`${path}.partial`, child.stdout);
  if (!(await child.status).success) throw new Error(`Cannot make ${path}: ${program} failed`);
  await Deno.rename(`${path}.partial`, path);
  return path;
}

async function mixedTar(): Promise<Uint8Array> {
  const bun = findProgram("bun");
  const contents = [
    await readStart(Deno.execPath(), PROGRAM_BYTES),
    await readStart(bun ?? Deno.execPath(), PROGRAM_BYTES),
    await readTexts(TEXT_BYTES),
    randomBytes(RANDOM_BYTES),
  ];
  const layers = [];
  for (const body of contents) layers.push(await makeLayer(writeTar([{ path: "data", body }])));
  const image = await makeImage(layers);
  return writeTar(dockerSave([{ image, repoTags: ["bench/mixed:1"] }]));
}

async function readStart(path: string, size: number): Promise<Uint8Array<ArrayBuffer>> {
  return (await Deno.readFile(await Deno.realPath(path))).subarray(0, size);
}

/** The files of the packages behind each other, and again from the beginning until there is enough. */
async function readTexts(size: number): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const before = filled;
    for await (const file of filesIn(new URL("../node_modules/.deno/", import.meta.url))) {
      const bytes = (await Deno.readFile(file)).subarray(0, size - filled);
      all.set(bytes, filled);
      filled += bytes.length;
    }
    if (filled === before) throw new Error("Cannot make the archive: run deno install first");
  }
  return all;
}

async function* filesIn(folder: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    if (isFile) yield new URL(encodeURIComponent(name), folder);
    if (isDirectory) yield* filesIn(new URL(`${encodeURIComponent(name)}/`, folder));
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
