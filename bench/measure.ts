import { findProgram } from "../tests/helpers/programs.ts";

/** A process that has been measured. */
export interface Measurement {
  milliseconds: number;
  /** Largest resident set; undefined without GNU time. */
  peakBytes: number | undefined;
  /** Time on all cores, its own and the system's; undefined without GNU time. */
  cpuMilliseconds: number | undefined;
  stdout: string;
}

/** A line of the result: what was measured and the cells by column. */
export interface Row {
  bench: string;
  cells: Record<string, string>;
}

/** What a bench is told. */
export interface BenchOptions {
  /** Pairs of runs; medians are taken over them. */
  runs: number;
  /** Whether a bench, or a line of it, is wanted. */
  isWanted(name: string): boolean;
  /** Called with each line as soon as it stands. */
  onRow(row: Row): void;
}

const GNU_TIME = "/usr/bin/time";

/**
 * Runs a process to its end. Its time counts from before its start until it has been waited for.
 *
 * @param command Program and arguments.
 * @param input What it reads from a pipe, nothing unless given.
 */
export async function measureProcess(
  [command = "", ...args]: string[],
  input?: ReadableStream<Uint8Array>,
): Promise<Measurement> {
  const report = await Deno.makeTempFile({ prefix: "tarpush-bench-" });
  try {
    const hasTime = findProgram("time") === GNU_TIME;
    const prefix = hasTime ? [GNU_TIME, "-q", "-f", "%M %U %S", "-o", report] : [];
    const [first = "", ...rest] = [...prefix, command, ...args];
    const start = performance.now();
    const child = new Deno.Command(first, {
      args: rest,
      stdin: input ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    // A process may end before it has read everything; its exit code says whether that is well.
    const written = input?.pipeTo(child.stdin).catch(() => {});
    const [output] = await Promise.all([child.output(), written]);
    const milliseconds = performance.now() - start;
    if (output.code !== 0) throw new Error(lastLines(output.stderr));
    const [kibibytes = 0, user = 0, system = 0] = (await Deno.readTextFile(report)).split(" ")
      .map(Number);
    return {
      milliseconds,
      peakBytes: hasTime ? kibibytes * 1024 : undefined,
      cpuMilliseconds: hasTime ? (user + system) * 1000 : undefined,
      stdout: new TextDecoder().decode(output.stdout),
    };
  } finally {
    await Deno.remove(report);
  }
}

/** Runs `a` and `b` after each other `runs` times, the one that comes first alternating. */
export async function measurePairs<A, B>(
  runs: number,
  a: () => Promise<A>,
  b: () => Promise<B>,
): Promise<[A, B][]> {
  const pairs: [A, B][] = [];
  for (let run = 0; run < runs; run++) {
    if (run % 2 === 0) pairs.push([await a(), await b()]);
    else {
      const second = await b();
      pairs.push([await a(), second]);
    }
  }
  return pairs;
}

/** The middle of the values, or the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const high = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? (high + (sorted[middle - 1] ?? NaN)) / 2 : high;
}

/** Reads files once, so that every run finds them in memory. */
export async function warmUp(paths: string[]): Promise<void> {
  for (const path of paths) {
    using file = await Deno.open(path);
    const buffer = new Uint8Array(1024 * 1024);
    while (await file.read(buffer) !== null);
  }
}

export function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

export function formatMebibytes(bytes: number | undefined): string {
  return bytes === undefined ? "-" : `${Math.round(bytes / 1024 / 1024)} MiB`;
}

/** The most memory of several runs. */
export function formatPeak(all: readonly Measurement[]): string {
  const peaks = all.flatMap(({ peakBytes }) => peakBytes ?? []);
  return formatMebibytes(peaks.length > 0 ? Math.max(...peaks) : undefined);
}

/** The usual time of several runs, and their most memory. */
export function usualCells(all: readonly Measurement[]): Record<string, string> {
  return {
    time: formatSeconds(median(all.map(({ milliseconds }) => milliseconds))),
    memory: formatPeak(all),
  };
}

/** Measures a line, where it is wanted; it says so where that fails. */
export async function benchRow(
  bench: string,
  { isWanted, onRow }: BenchOptions,
  measure: () => Promise<Row["cells"]>,
): Promise<void> {
  if (!isWanted(bench)) return;
  try {
    onRow({ bench, cells: await measure() });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    onRow({ bench, cells: { time: `failed: ${message}` } });
  }
}

/** A table in Markdown; its columns are those of all rows. */
export function formatTable(rows: Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.cells)))];
  const lines = rows.map((
    { bench, cells },
  ) => [bench, ...columns.map((name) => cells[name] ?? "")]);
  return [["bench", ...columns], ["---", ...columns.map(() => "---:")], ...lines].map((line) =>
    `| ${line.join(" | ")} |`
  ).join("\n");
}

function lastLines(stderr: Uint8Array): string {
  return new TextDecoder().decode(stderr).trim().split("\n").slice(-3).join(" / ").slice(0, 300);
}
