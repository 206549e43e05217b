import { findProgram } from "../tests/helpers/programs.ts";
import { startRealRegistry } from "../tests/helpers/real_registry.ts";
import { startBackground } from "./background.ts";
import { type Contender, contenders } from "./contenders.ts";
import {
  type BenchOptions,
  formatMebibytes,
  type Measurement,
  measureProcess,
  usualCells,
  warmUp,
} from "./measure.ts";
import { prepareMixed } from "./mixed_archive.ts";

/** Megabits a second, and milliseconds there and back. */
const LINK = ["100", "20"];

/** A way to push over the link. */
interface Way {
  name: string;
  contender: Contender;
  /** Further arguments. */
  args: string[];
}

/**
 * A usual image over a link of 100 Mbit/s and 20 ms: who compresses, and how well, decides. Each round goes through all
 * ways, each with a registry of its own.
 */
export async function benchSlow({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  const wanted = ways().filter(({ name }) => isWanted(`slow ${name}`));
  if (wanted.length === 0 || !findProgram("registry")) return;
  const tar = await prepareMixed({ name: "tar" });
  if (tar === undefined) return;
  await warmUp([tar]);
  const measured = new Map<Way, Run[]>(wanted.map((way) => [way, []]));
  for (let round = 0; round < runs; round++) {
    for (const [way, all] of measured) all.push(await pushOver(way, tar));
  }
  for (const [{ name }, all] of measured) {
    const stored = formatMebibytes(all[0]?.storedBytes);
    onRow({ bench: `slow ${name}`, cells: { ...usualCells(all), stored } });
  }
}

interface Run extends Measurement {
  /** What the registry keeps. */
  storedBytes: number;
}

function ways(): Way[] {
  return contenders().flatMap((contender) => {
    if (!contender.isOurs) return { name: contender.name, contender, args: [] };
    return ["keep", "gzip", "zstd", "auto"].map((compression) => ({
      name: `${contender.name} ${compression}`,
      contender,
      args: ["--compress", compression],
    }));
  });
}

async function pushOver({ contender, args }: Way, tar: string): Promise<Run> {
  await using registry = await startRealRegistry("registry");
  await using link = await startBackground("slow_link.ts", registry.host, ...LINK);
  const image = { shape: { name: "mixed", layers: 4, layerBytes: 0 }, tar };
  const measurement = await measureProcess([...contender.push(image, link.host), ...args]);
  return { ...measurement, storedBytes: await sizeOf(registry.folder) };
}

/** Bytes of all files below a folder. */
export async function sizeOf(folder: string): Promise<number> {
  let total = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    total += isDirectory ? await sizeOf(path) : (await Deno.stat(path)).size;
  }
  return total;
}
