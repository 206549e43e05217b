import { TextLineStream } from "@std/streams/text-line-stream";
import { prepareImage } from "./archives.ts";
import { contenders } from "./contenders.ts";
import { pushWithCurl } from "./curl.ts";
import {
  type BenchOptions,
  formatPeak,
  formatSeconds,
  measurePairs,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { MANY_SMALL, ONE_LARGE, SOME_LARGE } from "./shapes.ts";

const SINK = decodeURIComponent(new URL("sink.ts", import.meta.url).pathname);

/** A whole push into a registry that forgets everything: what the client itself costs. */
export async function benchCeiling({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  for (const shape of [ONE_LARGE, SOME_LARGE, MANY_SMALL]) {
    const wanted = contenders().filter(({ isOurs }) => isOurs)
      .map((contender) => ({ ...contender, bench: `ceiling ${shape.name} ${contender.name}` }))
      .filter(({ bench }) => isWanted(bench));
    if (wanted.length === 0) continue;
    const image = await prepareImage(shape);
    await warmUp([image.tar, ...image.blobs.map(({ path }) => path)]);
    await using sink = await startSink();
    for (const { bench, push } of wanted) {
      try {
        const pairs = await measurePairs(
          runs,
          () => pushWithCurl(image, sink.host),
          () => measureProcess(push(image, sink.host)),
        );
        const time = median(pairs.map(([, { milliseconds }]) => milliseconds));
        onRow({
          bench,
          cells: {
            time: formatSeconds(time),
            curl: formatSeconds(median(pairs.map(([milliseconds]) => milliseconds))),
            "time / curl": median(pairs.map(([a, b]) => b.milliseconds / a)).toFixed(2),
            memory: formatPeak(pairs.map(([, ours]) => ours)),
            rate: `${Math.round(image.tarBytes / time / 1000)} MB/s`,
          },
        });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        onRow({ bench, cells: { time: `failed: ${message}` } });
      }
    }
  }
}

/** Starts the sink as a process of its own: what it costs must not be done by the one that measures. */
export async function startSink(): Promise<AsyncDisposable & { host: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", SINK],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const { value } = await reader.read();
  return {
    host: `127.0.0.1:${value}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await Promise.all([reader.cancel(), child.status]);
    },
  };
}
