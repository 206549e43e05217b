import { natsSkip, startNats } from "../tests/helpers/nats_server.ts";
import { findProgram } from "../tests/helpers/programs.ts";
import { startRealRegistry } from "../tests/helpers/real_registry.ts";
import { writeArchives } from "./many_archives.ts";
import { MANY, OURS } from "./many_bench.ts";
import {
  type BenchOptions,
  formatPeak,
  formatSeconds,
  type Measurement,
  measurePairs,
  measureProcess,
  median,
} from "./measure.ts";

const FLEET = decodeURIComponent(new URL("../examples/fleet", import.meta.url).pathname);
const KIND = "docker-registry";
const WORKERS = 3;
/** Of each worker. */
const UPLOADS = 3;
const ARCHIVES = 4;

/**
 * Three workers of a fleet on one machine, each run beside one of a single process with as many archives in work and uploads
 * in flight as all of them have. The queue is filled before; the time counts until the last worker has ended.
 */
export async function benchFleet({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  const wanted = [...OURS].filter(([runtime]) => isWanted(`fleet ${KIND} ${runtime}`));
  if (wanted.length === 0 || natsSkip !== undefined || !findProgram(KIND)) return;
  const folder = await Deno.makeTempDir({ prefix: "tarpush-bench-" });
  try {
    const paths = await writeArchives(folder, MANY);
    for (const [runtime, { program, main }] of wanted) {
      const pairs = await measurePairs(
        runs,
        () => measureWorkers(program, paths, folder),
        () => measureOne(`${program} '${main}'`, paths, folder),
      );
      const all = pairs.map(([workers]) => workers);
      const time = ({ milliseconds }: Measurement) => milliseconds;
      const ratios = pairs.map(([workers, one]) => time(workers) / time(one));
      onRow({
        bench: `fleet ${KIND} ${runtime}`,
        cells: {
          time: formatSeconds(median(all.map(time))),
          "time / one": median(ratios).toFixed(2),
          range: `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
          memory: formatPeak(all),
        },
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function measureOne(command: string, paths: string[], folder: string): Promise<Measurement> {
  await using registry = await startRealRegistry(KIND);
  const list = await writeList(paths, registry.host, folder);
  const limits = `--concurrency ${UPLOADS * WORKERS} --archives ${ARCHIVES * WORKERS}`;
  return await measureProcess(["sh", "-c", `${command} push -q --from '${list}' ${limits}`]);
}

async function measureWorkers(
  program: string,
  paths: string[],
  folder: string,
): Promise<Measurement> {
  await using registry = await startRealRegistry(KIND);
  await using nats = await startNats();
  const list = await writeList(paths, registry.host, folder);
  const settings = `NATS_URL=${nats.url} FLEET_ARCHIVES=${ARCHIVES} FLEET_CONCURRENCY=${UPLOADS}`;
  const run = (words: string) => `${settings} ${program} '${FLEET}'/${words}`;
  await measureProcess(["sh", "-c", run(`enqueue.ts '${list}'`)]);
  const workers = `${run("worker.ts")} & `.repeat(WORKERS);
  const measurement = await measureProcess(["sh", "-c", `${workers} wait`]);
  const { stdout } = await measureProcess(["sh", "-c", run("status.ts")]);
  if (stdout.startsWith(`${MANY.count} done`)) return measurement;
  throw new Error(`Cannot measure a fleet: not all of ${MANY.count} archives are done: ${stdout}`);
}

async function writeList(paths: string[], host: string, folder: string): Promise<string> {
  const list = `${folder}/list`;
  await Deno.writeTextFile(list, paths.map((path) => `${path} ${host}`).join("\n"));
  return list;
}
