/**
 * `deno task test`: every test on Deno and, beside it, on Bun, whose output follows that of Deno. The last line is the
 * counts of both.
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
  /** What failed: where, by which name, and why. */
  failures: readonly string[];
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

/** Lines shown of why a test failed. */
const MAX_REASON_LINES = 12;

/** A test run of one runtime. */
interface RuntimeRun {
  /** The command line, and the report that it writes. */
  command: string[];
  report: string;
  env?: Record<string, string>;
}

/** Runs the tests on both runtimes, their output going where that of this process goes. */
export async function runAllTests(
  { paths = [], coverage, check = true }: RunAllOptions = {},
): Promise<Counts> {
  const places = paths.length > 0 ? paths.map((path) => `./${path}`) : ["./tests"];
  const reports = await Deno.makeTempDir({ prefix: "tarpush-reports-" });
  const deno: RuntimeRun = {
    command: [
      ...[Deno.execPath(), "test", "-A", "--permit-no-files", ...(check ? [] : ["--no-check"])],
      ...[`--junit-path=${reports}/deno.xml`, ...places],
    ],
    report: `${reports}/deno.xml`,
    env: coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage },
  };
  const bun: RuntimeRun = {
    command: [
      ...[...bunCommand(), "test", "--pass-with-no-tests", `--timeout=${BUN_TEST_MILLISECONDS}`],
      ...["--reporter=junit", `--reporter-outfile=${reports}/bun.xml`, ...places],
    ],
    report: `${reports}/bun.xml`,
  };
  try {
    // Bun reads what Deno would install when it starts.
    await run([Deno.execPath(), "install", "--quiet"]);
    // Each keeps about one processor busy, and waits now and then: together they take little longer than one.
    const held = new HeldOutput();
    const besides = runRuntime(bun, held);
    console.log("\n== Deno");
    const denoCounts = await runRuntime(deno);
    console.log(`Deno: ${formatCounts(denoCounts)}\n\n== Bun`);
    const bunCounts = await besides;
    await held.show();
    console.log(`Bun: ${formatCounts(bunCounts)}`);
    return sum(denoCounts, bunCounts);
  } finally {
    await Deno.remove(reports, { recursive: true });
  }
}

/** What failed, so that the end of a long output tells it, and the last line of a run. */
export function formatResult({ failures, ...counts }: Counts): string {
  return [...failures, formatCounts(counts)].join("\n");
}

/** The last line of a run. */
export function formatCounts({ passed, failed, skipped }: Omit<Counts, "failures">): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

async function runRuntime(
  { command, report, env }: RuntimeRun,
  output?: HeldOutput,
): Promise<Counts> {
  const code = await run(command, env, output);
  const counts = countReport(await Deno.readTextFile(report).catch(() => ""));
  // A file that does not load, a type error or a crash is in no report, but it is a failure.
  if (code !== 0 && counts.failed === 0) {
    const failure = `Failed outside of any test: ${command[0]} ended with exit code ${code}`;
    console.error(failure);
    return { ...counts, failed: 1, failures: [failure] };
  }
  return counts;
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

// Text in the report is escaped, so a tag is never part of a name or a message.
function countReport(xml: string): Counts {
  const cases = xml.split("<testcase ").slice(1);
  const failures = cases.filter((text) => /<(failure|error)\b/.test(text)).map(formatFailure);
  const skipped = cases.filter((text) => /<skipped\b/.test(text)).length;
  const failed = failures.length;
  return { passed: cases.length - failed - skipped, failed, skipped, failures };
}

// Deno gives the file as the class, Bun as the file.
function formatFailure(text: string): string {
  const [, name = ""] = /\bname="([^"]*)"/.exec(text) ?? [];
  const [, file = ""] = /\b(?:file|classname)="([^"]+)"/.exec(text) ?? [];
  const [, reason = ""] = /<(?:failure|error)\b[^>]*\bmessage="([^"]*)"/.exec(text) ?? [];
  const lines = unescapeXml(reason).split("\n").slice(0, MAX_REASON_LINES);
  return [`FAILED ${unescapeXml(file)}: ${unescapeXml(name)}`, ...lines].join("\n    ");
}

function unescapeXml(text: string): string {
  return text.replaceAll("&#10;", "\n").replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}

function sum(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    failures: [...a.failures, ...b.failures],
  };
}

if (import.meta.main) {
  const flags = Deno.args.filter((argument) => argument.startsWith("--"));
  const counts = await runAllTests({
    paths: Deno.args.filter((argument) => !argument.startsWith("--")),
    coverage: flags.find((flag) => flag.startsWith("--coverage="))?.slice("--coverage=".length),
    check: !flags.includes("--no-check"),
  });
  console.log(`\n${formatResult(counts)}`);
  Deno.exit(counts.failed > 0 ? 1 : 0);
}
