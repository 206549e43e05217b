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

/** Longest time for all tests on one runtime: a test that hangs is a failure, not a job that never ends. */
const RUN_MILLISECONDS = 30 * 60_000;

/** How the tests are run on one runtime. */
interface Runtime {
  name: string;
  /** The command line without the files, and the report that it writes. */
  command: string[];
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
  const reports = await Deno.makeTempDir({ prefix: "tarpush-reports-" });
  const deno: Runtime = {
    name: "Deno",
    command: [
      ...[Deno.execPath(), "test", "-A", "--permit-no-files", ...(check ? [] : ["--no-check"])],
      `--junit-path=${reports}/deno.xml`,
    ],
    report: `${reports}/deno.xml`,
    only: (names) => `--filter=/${patternOf(names)}/`,
    env: coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage },
  };
  const bun: Runtime = {
    name: "Bun",
    command: [
      ...[...bunCommand(), "test", "--pass-with-no-tests"],
      ...["--reporter=junit", `--reporter-outfile=${reports}/bun.xml`],
    ],
    report: `${reports}/bun.xml`,
    only: (names) => `--test-name-pattern=${patternOf(names)}`,
  };
  try {
    // Bun reads what Deno would install when it starts.
    await run([Deno.execPath(), "install", "--quiet"]);
    // Each keeps about one processor busy, and waits now and then: together they take little longer than one.
    const held = new HeldOutput();
    const besides = runTests(bun, places, held);
    console.log("\n== Deno");
    const denoResults = await runTests(deno, places);
    console.log("\n== Bun");
    const bunResults = await besides;
    await held.show();
    return sumOf(
      await lastResults(deno, places, denoResults),
      await lastResults(bun, places, bunResults),
    );
  } finally {
    await Deno.remove(reports, { recursive: true });
  }
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
  const code = await run([...command, ...places.map((path) => `./${path}`)], env, output);
  const results = readReport(await Deno.readTextFile(report).catch(() => ""));
  // A file that does not load, a type error or a crash is in no report, but it is a failure.
  if (code === 0 || results.failed > 0) return results;
  const text = `Failed outside of any test: ${command[0]} ended with exit code ${code}`;
  return { ...results, failed: 1, failures: [{ name: "", text }] };
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
