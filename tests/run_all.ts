/**
 * `deno task test`: every test on Deno and, beside it, on Bun, whose output follows that of Deno. The last line is the
 * counts of both.
 *
 * Paths narrow it down (`deno task test tests/tar`); `--coverage=DIR` collects coverage of the Deno run and of the
 * Deno processes that its tests start; `--no-check` leaves types to `deno check`.
 */
import { findProgram } from "./helpers/programs.ts";
import {
  formatCounts,
  formatResults,
  patternOf,
  readReport,
  sumOf,
  type TestResults,
  tryAgain,
} from "./helpers/test_results.ts";

/** Options for {@linkcode runAllTests}. */
export interface RunAllOptions {
  /** Files and folders to look for tests in; all of them when empty. */
  paths?: readonly string[];
  /** Folder for the coverage data of the Deno run. */
  coverage?: string | undefined;
  /**
   * Check the types of the tests.
   * @default {true}
   */
  check?: boolean;
}

/** No test at all. */
const NOTHING: TestResults = { passed: 0, failed: 0, skipped: 0, failures: [] };

/** Longest time for all tests of one process: a test that hangs is a failure, not a job that never ends. */
const RUN_MILLISECONDS = 30 * 60_000;

/** How the tests are run on one runtime. */
interface Runtime {
  name: string;
  /** The command line without the report and the files. */
  command: string[];
  /** The option that writes a report to a file. */
  report: string;
  /** The option that runs tests by their names alone. */
  only: (names: readonly string[]) => string;
  env?: Record<string, string>;
}

/** Runs the tests on both runtimes, their output going where that of this process goes. */
export async function runAllTests(
  { paths = [], coverage, check = true }: RunAllOptions = {},
): Promise<TestResults> {
  const places = paths.length > 0 ? paths : ["tests"];
  const deno: Runtime = {
    name: "Deno",
    command: [Deno.execPath(), "test", "-A", "--no-check", "--permit-no-files"],
    report: "--junit-path=",
    only: (names) => `--filter=/${patternOf(names)}/`,
    env: coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage },
  };
  const bun: Runtime = {
    name: "Bun",
    command: [...bunCommand(), "test", "--pass-with-no-tests", "--reporter=junit"],
    report: "--reporter-outfile=",
    only: (names) => `--test-name-pattern=${patternOf(names)}`,
  };
  // Bun reads what Deno would install when it starts.
  await run([Deno.execPath(), "install", "--quiet"]);
  const files = (await Promise.all(places.map(listTests))).flat();
  if (check && await run([Deno.execPath(), "check", "--quiet", ...files]) !== 0) {
    const text = "Failed outside of any test: the types of the tests";
    return { passed: 0, failed: 1, skipped: 0, failures: [{ name: "", text }] };
  }

  // A process keeps about one processor busy, and waits now and then. Deno takes more than twice the time of Bun, so
  // what runs beside it is Bun, and then parts of its own.
  const parts = partsOf(files);
  async function takeParts(output?: HeldOutput): Promise<TestResults> {
    let sum = NOTHING;
    for (let part = parts.shift(); part; part = parts.shift()) {
      sum = sumOf(sum, await runTests(deno, part, output));
    }
    return sum;
  }
  const held = new HeldOutput();
  const besides = runTests(bun, places, held).then(async (results) => ({
    bun: results,
    deno: await takeParts(held),
  }));
  console.log("\n== Deno");
  const denoResults = await takeParts();
  const others = await besides;
  console.log("\n== Bun, and the rest on Deno");
  await held.show();
  return sumOf(
    await lastResults(deno, places, sumOf(denoResults, others.deno)),
    await lastResults(bun, places, others.bun),
  );
}

/** The test files of a file or a folder. */
async function listTests(place: string): Promise<string[]> {
  const info = await Deno.stat(place).catch(() => undefined);
  if (!info?.isDirectory) return [place];
  const entries = await Array.fromAsync(Deno.readDir(place));
  const found = await Promise.all(entries.map(({ name, isDirectory }) => {
    if (isDirectory) return listTests(`${place}/${name}`);
    return name.endsWith("_test.ts") ? [`${place}/${name}`] : [];
  }));
  return found.flat().sort();
}

/** What takes longest for a file: packages are built and installed. */
const BUILD = "tests/build/";

/** Parts by the folder in `tests/`, those that take longest first: what builds the same files is in one folder. */
function partsOf(files: readonly string[]): string[][] {
  const parts = Map.groupBy(files, (path) => /^tests\/[^/]+\//.exec(path)?.[0]);
  const weight = ([folder, { length }]: [string | undefined, string[]]) =>
    folder === BUILD ? Infinity : length;
  return [...parts].sort((a, b) => weight(b) - weight(a)).map(([, part]) => part);
}

/** Results of a runtime when both are through, and it has the machine for itself. */
async function lastResults(
  runtime: Runtime,
  places: readonly string[],
  first: TestResults,
): Promise<TestResults> {
  const { results, passedAlone } = await tryAgain(first, (names) => {
    return runTests({ ...runtime, command: [...runtime.command, runtime.only(names)] }, places);
  });
  for (const { text } of passedAlone) {
    console.log(`Failed beside all others, and passed alone: ${text}`);
  }
  console.log(`${runtime.name}: ${formatCounts(results)}`);
  return results;
}

async function runTests(
  { command, report, env }: Runtime,
  places: readonly string[],
  output?: HeldOutput,
): Promise<TestResults> {
  const file = await Deno.makeTempFile({ prefix: "tarpush-report-", suffix: ".xml" });
  try {
    const paths = places.map((path) => `./${path}`);
    const code = await run([...command, report + file, ...paths], env, output);
    const results = readReport(await Deno.readTextFile(file));
    // A file that does not load or a crash is in no report, but it is a failure.
    if (code === 0 || results.failed > 0) return results;
    const text = `Failed outside of any test: ${command[0]} ended with exit code ${code}`;
    return { ...results, failed: 1, failures: [{ name: "", text }] };
  } finally {
    await Deno.remove(file);
  }
}

/** Runs a command to its end, its output going where that of this process goes or being held. */
async function run(
  [command = "", ...args]: string[],
  env: Record<string, string> = {},
  output?: HeldOutput,
): Promise<number> {
  const signal = AbortSignal.timeout(RUN_MILLISECONDS);
  try {
    const to = output ? "piped" : "inherit";
    const options = { args, env, stdin: "null", stdout: to, stderr: to, signal } as const;
    const child = new Deno.Command(command, options).spawn();
    const [{ code }] = await Promise.all([
      child.status,
      output?.hold(child.stdout, signal),
      output?.hold(child.stderr, signal),
    ]);
    if (!signal.aborted) return code;
  } catch (error) {
    if (!signal.aborted) {
      console.error(`Cannot run ${command}: ${error}`);
      return 1;
    }
  }
  console.error(`Ended ${command}: still running after ${RUN_MILLISECONDS / 60_000} minutes`);
  return 1;
}

/** What a process has written to its two streams, in the order in which it came. */
class HeldOutput {
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];

  /** Keeps what a stream has to the end, or to a signal: a process that is ended may leave others that write to it. */
  async hold(stream: ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): Promise<void> {
    const write = (piece: Uint8Array<ArrayBuffer>) => void this.#pieces.push(piece);
    await stream.pipeTo(new WritableStream({ write }), { signal });
  }

  /** Writes it where the output of this process goes. */
  async show(): Promise<void> {
    await new Blob(this.#pieces).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
  }
}

function bunCommand(): string[] {
  const bun = findProgram("bun");
  return bun ? [bun] : [Deno.build.os === "windows" ? "npx.cmd" : "npx", "-y", "bun@1"];
}

if (import.meta.main) {
  const flags = Deno.args.filter((argument) => argument.startsWith("--"));
  const results = await runAllTests({
    paths: Deno.args.filter((argument) => !argument.startsWith("--")),
    coverage: flags.find((flag) => flag.startsWith("--coverage="))?.slice("--coverage=".length),
    check: !flags.includes("--no-check"),
  });
  console.log(`\n${formatResults(results)}`);
  Deno.exit(results.failed > 0 ? 1 : 0);
}
