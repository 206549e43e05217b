import { dockerSave, makeImage, makeLayer } from "../tests/helpers/archives.ts";
import { findProgram } from "../tests/helpers/programs.ts";
import { startRealRegistry } from "../tests/helpers/real_registry.ts";
import { writeTar } from "../tests/helpers/tar_writer.ts";
import { CACHE, MIB } from "./archives.ts";
import { type Contender, contenders } from "./contenders.ts";
import {
  type BenchOptions,
  formatPeak,
  formatSeconds,
  type Measurement,
  measurePairs,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { prepareMixed } from "./mixed_archive.ts";
import { sizeOf } from "./slow_bench.ts";

const SHAPE = { name: "compress", layers: 8, layerBytes: 50 * MIB };

/** A push, and what the registry keeps of it. */
interface Run extends Measurement {
  storedBytes: number;
}

/**
 * 8 layers of 50 MiB that are not compressed, to distribution 2: ours with gzip and zstd, from a file and from a pipe, in
 * pairs with skopeo, which compresses with gzip.
 */
export async function benchCompress({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  const skopeo = contenders().find(({ name }) => name === "skopeo");
  if (!skopeo || !findProgram("docker-registry")) return;
  for (const ours of contenders().filter(({ isOurs }) => isOurs)) {
    for (const way of ["gzip", "zstd", "gzip pipe", "zstd pipe"]) {
      const bench = `compress ${way} ${ours.name}`;
      if (!isWanted(bench)) continue;
      const tar = await prepareLayers();
      await warmUp([tar]);
      const [kind = "", pipe] = way.split(" ");
      const pairs = await measurePairs(
        runs,
        () => push(ours, tar, pipe !== undefined, ["--compress", kind]),
        () => push(skopeo, tar, false, []),
      );
      onRow({ bench, cells: cellsOf(pairs) });
    }
  }
}

async function push(
  contender: Contender,
  tar: string,
  isPipe: boolean,
  args: string[],
): Promise<Run> {
  await using registry = await startRealRegistry("docker-registry");
  const image = { shape: SHAPE, tar: isPipe ? "-" : tar };
  const command = [...contender.push(image, registry.host), ...args];
  const input = isPipe ? (await Deno.open(tar)).readable : undefined;
  const measurement = await measureProcess(command, input);
  return { ...measurement, storedBytes: await sizeOf(registry.folder) };
}

function cellsOf(pairs: readonly [Run, Run][]): Record<string, string> {
  const ratio = (of: (run: Run) => number) =>
    median(pairs.map(([ours, theirs]) => of(ours) / of(theirs))).toFixed(2);
  const ours = pairs.map(([run]) => run);
  const cpuOf = ({ cpuMilliseconds = NaN }: Run) => cpuMilliseconds;
  return {
    time: formatSeconds(median(ours.map(({ milliseconds }) => milliseconds))),
    skopeo: formatSeconds(median(pairs.map(([, { milliseconds }]) => milliseconds))),
    "time / skopeo": ratio(({ milliseconds }) => milliseconds),
    cpu: formatSeconds(median(ours.map(cpuOf))),
    "cpu / skopeo": ratio(cpuOf),
    "size / skopeo": ratio(({ storedBytes }) => storedBytes),
    memory: formatPeak(ours),
  };
}

/** Layers of programs and texts, no two alike; taken from the cache where they are there. */
async function prepareLayers(): Promise<string> {
  const path = decodeURIComponent(new URL("compress.tar", CACHE).pathname);
  if (await Deno.stat(path).then(() => true, () => false)) return path;
  const mixed = await prepareMixed({ name: "tar" });
  if (mixed === undefined) throw new Error("Cannot make layers: there is no mixed archive");
  const content = await Deno.readFile(mixed);
  const layers = [];
  for (let at = 0; at < SHAPE.layers; at++) {
    const start = Math.floor(at * (content.length - SHAPE.layerBytes) / SHAPE.layers);
    const body = content.subarray(start, start + SHAPE.layerBytes);
    layers.push(await makeLayer(writeTar([{ path: `data${at}`, body }])));
  }
  const image = await makeImage(layers);
  const entries = dockerSave([{ image, repoTags: [`bench/${SHAPE.name}:1`] }]);
  await Deno.writeFile(`${path}.partial`, writeTar(entries));
  await Deno.rename(`${path}.partial`, path);
  return path;
}
