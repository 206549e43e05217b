import { type RegistryKind, startRealRegistry } from "../tests/helpers/real_registry.ts";
import { findProgram } from "../tests/helpers/programs.ts";
import { type PreparedImage, prepareImage } from "./archives.ts";
import { type Contender, contenders } from "./contenders.ts";
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

/** A whole push to a real registry that starts empty, each run paired with one of curl. */
export async function benchPush(options: BenchOptions): Promise<void> {
  const kinds: RegistryKind[] = ["docker-registry", "registry"];
  for (const shape of [ONE_LARGE, SOME_LARGE, MANY_SMALL]) {
    const wanted = kinds.filter((kind) => findProgram(kind)).flatMap((kind) =>
      contenders().map((contender) => ({
        kind,
        contender,
        name: nameOf(shape.name, kind, contender),
      }))
    ).filter(({ name }) => options.isWanted(name));
    if (wanted.length === 0) continue;
    const image = await prepareImage(shape);
    await warmUp([image.tar, ...image.blobs.map(({ path }) => path)]);
    for (const { kind, contender, name } of wanted) {
      await benchRow(name, options, () => benchPair(image, kind, contender, options.runs));
    }
  }
}

function nameOf(shape: string, kind: RegistryKind, contender: Contender): string {
  return `push ${shape} ${kind} ${contender.name}`;
}

async function benchPair(
  image: PreparedImage,
  kind: RegistryKind,
  contender: Contender,
  runs: number,
): Promise<Record<string, string>> {
  const pairs = await measurePairs(
    runs,
    () => withRegistry(kind, (host) => pushWithCurl(image, host)),
    () => withRegistry(kind, (host) => measureProcess(contender.push(image, host))),
  );
  const ratios = pairs.map(([a, b]) => b.milliseconds / a);
  return {
    time: formatSeconds(median(pairs.map(([, { milliseconds }]) => milliseconds))),
    curl: formatSeconds(median(pairs.map(([milliseconds]) => milliseconds))),
    "time / curl": median(ratios).toFixed(2),
    range: `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
    memory: formatPeak(pairs.map(([, ours]) => ours)),
  };
}

// A new registry each time: blobs of the run before must not be found, and its files go at once.
async function withRegistry<T>(kind: RegistryKind, use: (host: string) => Promise<T>): Promise<T> {
  await using registry = await startRealRegistry(kind);
  return await use(registry.host);
}
