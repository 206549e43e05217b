import { prepareImage } from "./archives.ts";
import { type Background, startBackground } from "./background.ts";
import { contenders } from "./contenders.ts";
import { pushWithCurl } from "./curl.ts";
import {
  type BenchOptions,
  benchRow,
  formatPeak,
  formatSeconds,
  measurePairs,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { MANY_SMALL, ONE_LARGE, SOME_LARGE } from "./shapes.ts";

/** A whole push into a registry that forgets everything: what the client itself costs. */
export async function benchCeiling(options: BenchOptions): Promise<void> {
  for (const shape of [ONE_LARGE, SOME_LARGE, MANY_SMALL]) {
    const wanted = contenders().filter(({ isOurs }) => isOurs)
      .map((contender) => ({ ...contender, bench: `ceiling ${shape.name} ${contender.name}` }))
      .filter(({ bench }) => options.isWanted(bench));
    if (wanted.length === 0) continue;
    const image = await prepareImage(shape);
    await warmUp([image.tar, ...image.blobs.map(({ path }) => path)]);
    await using sink = await startSink();
    for (const { bench, push } of wanted) {
      await benchRow(bench, options, async () => {
        const pairs = await measurePairs(
          options.runs,
          () => pushWithCurl(image, sink.host),
          () => measureProcess(push(image, sink.host)),
        );
        const time = median(pairs.map(([, { milliseconds }]) => milliseconds));
        return {
          time: formatSeconds(time),
          curl: formatSeconds(median(pairs.map(([milliseconds]) => milliseconds))),
          "time / curl": median(pairs.map(([a, b]) => b.milliseconds / a)).toFixed(2),
          memory: formatPeak(pairs.map(([, ours]) => ours)),
          rate: `${Math.round(image.tarBytes / time / 1000)} MB/s`,
        };
      });
    }
  }
}

export async function startSink(): Promise<Background> {
  return await startBackground("sink.ts");
}
