import { findProgram } from "../tests/helpers/programs.ts";
import { type RegistryKind, startRealRegistry } from "../tests/helpers/real_registry.ts";
import { type PreparedImage, prepareImage, prepareLayout } from "./archives.ts";
import { startSink } from "./ceiling_bench.ts";
import { type Contender, contenders, pushWithOras } from "./contenders.ts";
import {
  type BenchOptions,
  benchRow,
  formatPeak,
  formatSeconds,
  type Measurement,
  measurePairs,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { MANY_SMALL, ONE_LARGE, SOME_MIDDLING } from "./shapes.ts";

/** Where the images go. */
interface Place {
  name: string;
  start(): Promise<AsyncDisposable & { host: string }>;
}

const KINDS: readonly RegistryKind[] = ["docker-registry", "registry"];

/** A whole push beside one by oras, the fastest of the peers, which is given the same plain layers as an OCI archive. */
export async function benchOras(options: BenchOptions): Promise<void> {
  if (!findProgram("oras")) return;
  const ours = contenders().filter(({ isOurs }) => isOurs);
  const places: Place[] = [
    ...KINDS.filter((kind) => findProgram(kind)).map((kind) => ({
      name: kind,
      start: () => startRealRegistry(kind),
    })),
    { name: "sink", start: startSink },
  ];
  for (const shape of [SOME_MIDDLING, MANY_SMALL, ONE_LARGE]) {
    const wanted = places.flatMap((place) =>
      ours.map((contender) => ({
        place,
        contender,
        bench: `oras ${shape.name} ${place.name} ${contender.name}`,
      }))
    ).filter(({ bench }) => options.isWanted(bench));
    if (wanted.length === 0) continue;
    const image = await prepareImage(shape);
    const layout = await prepareLayout(image);
    await warmUp([image.tar, layout]);
    for (const { bench, place, contender } of wanted) {
      await benchRow(
        bench,
        options,
        () => cellsOf(place, contender, image, layout, options.runs),
      );
    }
  }
}

async function cellsOf(
  place: Place,
  contender: Contender,
  image: PreparedImage,
  layout: string,
  runs: number,
): Promise<Record<string, string>> {
  const pairs = await measurePairs(
    runs,
    () => measureAt(place, (host) => pushWithOras(layout, image, host)),
    () => measureAt(place, (host) => contender.push(image, host)),
  );
  const [oras, ours] = [pairs.map(([oras]) => oras), pairs.map(([, ours]) => ours)];
  const time = ({ milliseconds }: Measurement) => milliseconds;
  const cpu = ({ cpuMilliseconds = NaN }: Measurement) => cpuMilliseconds;
  return {
    time: formatSeconds(median(ours.map(time))),
    oras: formatSeconds(median(oras.map(time))),
    "time / oras": median(pairs.map(([oras, ours]) => time(ours) / time(oras))).toFixed(2),
    cpu: formatSeconds(median(ours.map(cpu))),
    "cpu of oras": formatSeconds(median(oras.map(cpu))),
    memory: formatPeak(ours),
  };
}

// A new one each time: what the run before pushed must not be found.
async function measureAt(
  { start }: Place,
  command: (host: string) => string[],
): Promise<Measurement> {
  await using target = await start();
  return await measureProcess(command(target.host));
}
