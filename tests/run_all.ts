/**
 * `deno task test`: every test on Deno, then on Bun. The last line is the counts of both.
 *
 * Paths narrow it down (`deno task test tests/tar`); `--coverage=DIR` collects coverage of the Deno run and of the
 * Deno processes that its tests start; `--no-check` leaves types to `deno check`.
 */
import { findProgram } from "./helpers/programs.ts";

/** What became of the tests. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

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

/** Longest time for one test on Bun, whose own limit of 5 s is too short for pushes to real registries. */
const BUN_TEST_MILLISECONDS = 120_000;

/** Longest time for all tests on one runtime: a test that hangs is a failure, not a job that never ends. */
const RUN_MILLISECONDS = 20 * 60_000;

/** Runs the tests on both runtimes, their output going where that of this process goes. */
export async function runAllTests(
  { paths = [], coverage, check = true }: RunAllOptions = {},
): Promise<Counts> {
  const places = paths.length > 0 ? paths.map((path) => `./${path}`) : ["./tests"];
  const reports = await Deno.makeTempDir({ prefix: "tarpush-reports-" });
  try {
    // Deno first: it also installs node_modules, from which Bun reads.
    const deno = await runRuntime(
      "Deno",
      [Deno.execPath(), "test", "-A", "--permit-no-files", ...(check ? [] : ["--no-check"])],
      [`--junit-path=${reports}/deno.xml`, ...places],
      `${reports}/deno.xml`,
      coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage },
    );
    const bun = await runRuntime(
      "Bun",
      [...bunCommand(), "test", "--pass-with-no-tests", `--timeout=${BUN_TEST_MILLISECONDS}`],
      ["--reporter=junit", `--reporter-outfile=${reports}/bun.xml`, ...places],
      `${reports}/bun.xml`,
    );
    return sum(deno, bun);
  } finally {
    await Deno.remove(reports, { recursive: true });
  }
}

/** The last line of a run. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

async function runRuntime(
  name: string,
  [command = "", ...first]: string[],
  last: string[],
  report: string,
  env: Record<string, string> = {},
): Promise<Counts> {
  console.log(`\n== ${name}`);
  const code = await run(command, [...first, ...last], env);
  const counts = countReport(await Deno.readTextFile(report).catch(() => ""));
  // A file that does not load, a type error or a crash is in no report, but it is a failure.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  console.log(`${name}: ${formatCounts(counts)}`);
  return counts;
}

async function run(
  command: string,
  args: string[],
  env: Record<string, string>,
): Promise<number> {
  try {
    const signal = AbortSignal.timeout(RUN_MILLISECONDS);
    const child = new Deno.Command(command, { args, env, stdin: "null", signal }).spawn();
    const { code } = await child.status;
    if (signal.aborted) {
      console.error(`Ended ${command}: still running after ${RUN_MILLISECONDS / 60_000} minutes`);
    }
    return code;
  } catch (error) {
    console.error(`Cannot run ${command}: ${error}`);
    return 1;
  }
}

function bunCommand(): string[] {
  const bun = findProgram("bun");
  return bun ? [bun] : [Deno.build.os === "windows" ? "npx.cmd" : "npx", "-y", "bun@1"];
}

// Text in the report is escaped, so a tag is never part of a name or a message.
function countReport(xml: string): Counts {
  const cases = xml.split("<testcase ").slice(1);
  const failed = cases.filter((text) => /<(failure|error)\b/.test(text)).length;
  const skipped = cases.filter((text) => /<skipped\b/.test(text)).length;
  return { passed: cases.length - failed - skipped, failed, skipped };
}

function sum(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

if (import.meta.main) {
  const flags = Deno.args.filter((argument) => argument.startsWith("--"));
  const counts = await runAllTests({
    paths: Deno.args.filter((argument) => !argument.startsWith("--")),
    coverage: flags.find((flag) => flag.startsWith("--coverage="))?.slice("--coverage=".length),
    check: !flags.includes("--no-check"),
  });
  console.log(`\n${formatCounts(counts)}`);
  Deno.exit(counts.failed > 0 ? 1 : 0);
}
