/**
 * `deno task bench [NAME...] [--runs N]`: measures and prints tables. NAME picks the benches whose name holds it,
 * several NAMEs those that hold all of them (`deno task bench push 1x1024 deno`).
 */
import { benchCeiling } from "./ceiling_bench.ts";
import { benchCompress } from "./compress_bench.ts";
import { benchFleet } from "./fleet_bench.ts";
import { type BenchOptions, formatTable, type Row } from "./measure.ts";
import { benchMany } from "./many_bench.ts";
import { benchOras } from "./oras_bench.ts";
import { benchPeers } from "./peers_bench.ts";
import { benchInflate } from "./inflate_bench.ts";
import { benchPipe } from "./pipe_bench.ts";
import { benchPush } from "./push_bench.ts";
import { benchRepush } from "./repush_bench.ts";
import { benchSave } from "./save_bench.ts";
import { benchServe } from "./serve_bench.ts";
import { benchSlow } from "./slow_bench.ts";
import { benchStd } from "./std_bench.ts";

const DEFAULT_RUNS = 5;

/** What has to fit beside the archives in memory for registries to keep their data there. */
const MEMORY_FOLDER = "/dev/shm";
const MEMORY_NEEDED_BYTES = 14 * 1024 ** 3;

const { filters, runs } = parseArguments(Deno.args);
const storage = chooseStorage();
const rows: Row[] = [];
const options: BenchOptions = {
  runs,
  isWanted: (name) => filters.every((filter) => name.split(" ").includes(filter)),
  onRow(row) {
    rows.push(row);
    console.error(row.bench, Object.entries(row.cells).map(([key, value]) => `${key} ${value}`));
  },
};
console.error(
  `Deno ${Deno.version.deno}; ${runs} runs each; registries keep their data in ${storage}`,
);
await benchPush(options);
await benchOras(options);
await benchRepush(options);
await benchCeiling(options);
await benchPipe(options);
await benchMany(options);
await benchFleet(options);
await benchSave(options);
await benchPeers(options);
await benchCompress(options);
await benchSlow(options);
await benchStd(options);
await benchInflate(options);
await benchServe(options);
console.log(formatTable(rows));
Deno.exit(rows.some(({ cells }) => cells.time?.startsWith("failed")) ? 1 : 0);

function parseArguments(args: readonly string[]): { filters: string[]; runs: number } {
  const at = args.indexOf("--runs");
  const runs = at < 0 ? DEFAULT_RUNS : Number(args[at + 1]);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new RangeError(`Cannot read --runs: ${args[at + 1]}, expected a whole number`);
  }
  return { filters: args.filter((_, index) => at < 0 || index < at || index > at + 1), runs };
}

// Writing to a disk goes on after a run and slows the next one down; memory has no such echo.
function chooseStorage(): string {
  try {
    if (Deno.statSync(MEMORY_FOLDER) && Deno.systemMemoryInfo().available > MEMORY_NEEDED_BYTES) {
      Deno.env.set("TMPDIR", MEMORY_FOLDER);
      return MEMORY_FOLDER;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return Deno.env.get("TMPDIR") ?? "the folder for temporary files";
}
