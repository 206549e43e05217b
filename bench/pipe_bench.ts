import { type RegistryKind, startRealRegistry } from "../tests/helpers/real_registry.ts";
import { findProgram } from "../tests/helpers/programs.ts";
import { type ImageShape, MIB, prepareImage, streamArchive } from "./archives.ts";
import { startSink } from "./ceiling_bench.ts";
import { type Contender, contenders } from "./contenders.ts";
import {
  type BenchOptions,
  benchRow,
  formatMebibytes,
  formatPeak,
  formatSeconds,
  measurePairs,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { ONE_LARGE } from "./shapes.ts";

/** Ten times as much as fits anywhere on the way. */
const VERY_LARGE: ImageShape = { name: "1x10240", layers: 1, layerBytes: 10 * 1024 * MIB };

/**
 * Pushes from a pipe: the memory of one pass at two sizes, the archive made while it is read, and the time of one pass
 * against a push of the same archive from a file.
 */
export async function benchPipe(options: BenchOptions): Promise<void> {
  for (const contender of contenders().filter(({ isOurs }) => isOurs)) {
    for (const shape of [ONE_LARGE, VERY_LARGE]) {
      await benchRow(`pipe-memory ${shape.name} ${contender.name}`, options, async () => {
        await using sink = await startSink();
        const command = contender.push({ shape, tar: "-" }, sink.host);
        const { milliseconds, peakBytes } = await measureProcess(command, streamArchive(shape));
        return { time: formatSeconds(milliseconds), memory: formatMebibytes(peakBytes) };
      });
    }
    const kinds: RegistryKind[] = ["docker-registry", "registry"];
    for (const kind of kinds.filter((kind) => findProgram(kind))) {
      await benchRow(
        `pipe ${ONE_LARGE.name} ${kind} ${contender.name}`,
        options,
        () => comparePipe(kind, contender, options.runs),
      );
    }
  }
}

async function comparePipe(
  kind: RegistryKind,
  contender: Contender,
  runs: number,
): Promise<Record<string, string>> {
  const image = await prepareImage(ONE_LARGE);
  await warmUp([image.tar]);
  const push = async (isPipe: boolean) => {
    await using registry = await startRealRegistry(kind);
    const { shape, tar } = image;
    const command = contender.push({ shape, tar: isPipe ? "-" : tar }, registry.host);
    const input = isPipe ? (await Deno.open(tar)).readable : undefined;
    return await measureProcess(command, input);
  };
  const pairs = await measurePairs(runs, () => push(false), () => push(true));
  return {
    time: formatSeconds(median(pairs.map(([, { milliseconds }]) => milliseconds))),
    "time / file": median(pairs.map(([a, b]) => b.milliseconds / a.milliseconds)).toFixed(2),
    memory: formatPeak(pairs.map(([, ours]) => ours)),
  };
}
