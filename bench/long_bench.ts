/**
 * `deno task bench-long [NAME...] [--count N]`: what a process holds after hours of pushing. Each line takes minutes, some
 * half an hour; NAMEs pick them as those of `deno task bench` do, `--count` makes them shorter.
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { findProgram } from "../tests/helpers/programs.ts";
import { startServer } from "../tests/helpers/server_process.ts";
import { MIB, streamArchive } from "./archives.ts";
import { startSink } from "./ceiling_bench.ts";
import { contenders } from "./contenders.ts";
import { formatMebibytes, formatSeconds, formatTable, type Row } from "./measure.ts";

const MAIN = decodeURIComponent(new URL("../src/cli/main.ts", import.meta.url).pathname);
const SCRIPT = decodeURIComponent(new URL("long_pushes.ts", import.meta.url).pathname);
const RUNTIMES = new Map([["deno", [Deno.execPath(), "run", "-A"]], ["bun", ["bun"]]]);
const SAMPLE_MILLISECONDS = 250;

/** What is done, how often, and what it is pushed to. */
interface LongRun {
  /** Pushes; of a pipe the GiB. */
  count: number;
  /** A registry that keeps everything, or the sink. */
  keeps: boolean;
}

const RUNS = new Map<string, LongRun>([
  ["images", { count: 10_000, keeps: true }],
  // 24 minutes on two cores that have nothing else to do.
  ["cancel", { count: 40_000, keeps: false }],
  ["pipe", { count: 100, keeps: false }],
]);

/** What a process holds at a moment. */
interface Holdings {
  residentBytes: number;
  openFiles: number;
}

async function main(): Promise<void> {
  const { count, names } = parseArguments(Deno.args);
  const rows: Row[] = [];
  for (const [name, run] of RUNS) {
    for (const [runtime, command] of RUNTIMES) {
      const bench = `long ${name} ${runtime}`;
      if (!names.every((part) => bench.split(" ").includes(part))) continue;
      if (runtime !== "deno" && !findProgram(runtime)) continue;
      await using target = await (run.keeps ? startRegistry() : startSink());
      const start = performance.now();
      const samples = name === "pipe"
        ? await watchPipe(runtime, count ?? run.count, target.host)
        : await watch([...command, SCRIPT, name, target.host, `${count ?? run.count}`]);
      rows.push({ bench, cells: cellsOf(samples, performance.now() - start) });
      console.error(bench, rows.at(-1)?.cells);
    }
  }
  console.log(formatTable(rows));
}

function parseArguments(args: readonly string[]): { count: number | undefined; names: string[] } {
  const at = args.indexOf("--count");
  return {
    count: at < 0 ? undefined : Number(args[at + 1]),
    names: args.filter((_, index) => at < 0 || index < at || index > at + 1),
  };
}

async function startRegistry(): Promise<AsyncDisposable & { host: string }> {
  const listening = /http:\/\/127\.0\.0\.1:(\d+)/;
  const args = ["run", "-A", MAIN, "serve", "--port", "0"];
  const server = await startServer(Deno.execPath(), args, { listening });
  return {
    host: `127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function watchPipe(runtime: string, gibibytes: number, host: string): Promise<Holdings[]> {
  const shape = { name: "long", layers: 1, layerBytes: gibibytes * 1024 * MIB };
  const contender = contenders().find(({ name }) => name === runtime);
  if (!contender) throw new Error(`Cannot find ${runtime}`);
  return await watch(contender.push({ shape, tar: "-" }, host), streamArchive(shape));
}

/** Runs a process to its end and looks at it again and again. */
async function watch(
  [program = "", ...args]: string[],
  input?: ReadableStream<Uint8Array>,
): Promise<Holdings[]> {
  const child = new Deno.Command(program, {
    args,
    stdin: input ? "piped" : "null",
    stdout: "piped",
  }).spawn();
  const written = input?.pipeTo(child.stdin);
  const samples: Holdings[] = [];
  const timer = setInterval(() => {
    const holdings = look(child.pid);
    if (holdings) samples.push(holdings);
  }, SAMPLE_MILLISECONDS);
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) console.error(line, samples.at(-1));
  clearInterval(timer);
  const [{ success }] = await Promise.all([child.status, written]);
  if (!success) throw new Error(`Cannot finish ${program} ${args.join(" ")}: it failed`);
  return samples;
}

/** As Linux tells it; undefined when the process has ended. */
function look(pid: number): Holdings | undefined {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return {
      residentBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024,
      openFiles: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    };
  } catch {
    return undefined;
  }
}

/** The first tenth is the start; what comes later is compared with the tenth after it. */
function cellsOf(samples: readonly Holdings[], milliseconds: number): Record<string, string> {
  const most = (from: number, to: number, key: keyof Holdings) =>
    Math.max(
      ...samples.slice(samples.length * from, samples.length * to).map((each) => each[key]),
    );
  const memory = (from: number, to: number) => formatMebibytes(most(from, to, "residentBytes"));
  return {
    time: formatSeconds(milliseconds),
    "memory 10-20%": memory(0.1, 0.2),
    "50-60%": memory(0.5, 0.6),
    "90-100%": memory(0.9, 1),
    "files 10-20%": `${most(0.1, 0.2, "openFiles")}`,
    "files 90-100%": `${most(0.9, 1, "openFiles")}`,
  };
}

await main();
