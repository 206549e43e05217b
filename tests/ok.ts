/**
 * `deno task ok`: the one gate. Runs every step, also after one has failed, and ends with the counts of the tests.
 */
import { temporaryFolder, toPath } from "./helpers/process.ts";
import {
  escapePattern,
  formatCounts,
  formatResults,
  type TestResults,
} from "./helpers/test_results.ts";
import { runAllTests } from "./run_all.ts";

/** Lowest share of a file's lines that the tests must reach on Deno. */
const MIN_LINES_PERCENT = 90;

/** Files that Deno cannot run: the Bun half of the test run covers them. */
const COVERAGE_EXEMPT = /^runtime\/(?:storage\/)?bun(?:_\w+)?\.ts$/;

/** Lines shown of what a failed step has printed. */
const MAX_DETAIL_LINES = 60;

const ROOT = toPath(new URL("../", import.meta.url));

/** Returns what is wrong, nothing where all is well. */
type Step = () => Promise<string>;

async function main(): Promise<number> {
  const coverage = await Deno.makeTempDir({ prefix: "tarpush-coverage-" });
  let results: TestResults = { passed: 0, failed: 0, skipped: 0, failures: [] };
  async function runTests(): Promise<string> {
    results = await runAllTests({ coverage, check: false });
    return results.failed > 0 ? formatResults(results) : "";
  }
  const entryPoints = await readEntryPoints();
  const checked = await existing(["mod.ts", "src", "tests", "examples", "bench", "build"]);
  const documented = await existing(["mod.ts", "src"]);
  const steps: [string, Step][] = [
    ["format", () => deno(["fmt", "--check"])],
    ["lint", () => deno(["lint"])],
    ["types", () => deno(["check", ...checked])],
    ["types of the page", () => deno(["check", "page/main.ts"])],
    ["page", () => deno(["task", "page", "--check"])],
    ["doc lint", () => deno(["doc", "--lint", ...entryPoints])],
    ["tests", runTests],
    ["coverage", () => checkCoverage(coverage)],
    ["doc examples", () => deno(["test", "-A", "--doc", "--permit-no-files", ...documented])],
    ["examples of the documents", testDocuments],
    ["publish dry run", () => deno(["publish", "--dry-run", "--allow-dirty"])],
    ["published form and JSR score", () => deno(["task", "jsr", "--score"])],
  ];
  try {
    const failed: string[] = [];
    for (const [name, step] of steps) {
      if (!await runStep(name, step)) failed.push(name);
    }
    console.log(failed.length > 0 ? `\nFailed: ${failed.join(", ")}` : "\nEvery step passed");
    console.log(formatCounts(results));
    return failed.length > 0 ? 1 : 0;
  } finally {
    await Deno.remove(coverage, { recursive: true });
  }
}

async function runStep(name: string, step: Step): Promise<boolean> {
  const start = performance.now();
  const problem = await step();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${problem ? "FAILED" : "ok    "}  ${name} (${seconds} s)`);
  if (problem) console.log(problem.replace(/^/gm, "        "));
  return problem === "";
}

async function deno(args: string[], cwd = ROOT): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  if (code === 0) return "";
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  const lines = output.replace(/^Check \S+\n/gm, "").trim().split("\n");
  const rest = lines.length - MAX_DETAIL_LINES;
  if (rest <= 0) return lines.join("\n");
  return [...lines.slice(0, MAX_DETAIL_LINES), `... and ${rest} lines more`].join("\n");
}

/** Runs what README and the pages of docs/ show, where `image.tar` is there and `localhost:5000` answers. */
async function testDocuments(): Promise<string> {
  await using folder = await temporaryFolder();
  const image = await Deno.readFile(`${ROOT}tests/fixtures/docker28-single.tar`);
  await folder.write("image.tar", image);
  const settings = [
    "--config",
    `${ROOT}deno.json`,
    "--preload",
    `${ROOT}tests/documents/preload.ts`,
  ];
  const documents = [`${ROOT}README.md`, `${ROOT}docs`];
  return await deno(["test", "-A", "--doc", ...settings, ...documents], folder.path);
}

async function readEntryPoints(): Promise<string[]> {
  const config: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const hasExports = typeof config === "object" && config !== null && "exports" in config;
  if (!hasExports) throw new Error("Cannot find the entry points: deno.json has no exports");
  return Object.values(config.exports as Record<string, string>);
}

async function existing(paths: string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map((path) =>
      Deno.stat(ROOT + path).then(() => [path], (error) => {
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      })
    ),
  );
  return found.flat();
}

/** Coverage of one file: its lines that hold code, and those of them that no test reached. */
interface FileCoverage {
  lines: number;
  missed: number[];
}

async function checkCoverage(folder: string): Promise<string> {
  const report = await readCoverage(folder);
  const problems: string[] = [];
  for (const path of await listSources("")) {
    if (COVERAGE_EXEMPT.test(path)) continue;
    const file = report.get(path);
    const problem = file ? lowCoverage(file) : await absence(path);
    if (problem) problems.push(`src/${path}: ${problem}`);
  }
  return problems.join("\n");
}

function lowCoverage({ lines, missed }: FileCoverage): string | undefined {
  const percent = lines === 0 ? 100 : 100 * (lines - missed.length) / lines;
  if (percent >= MIN_LINES_PERCENT) return;
  return `${percent.toFixed(1)}% of lines, expected ${MIN_LINES_PERCENT}%; not reached: ${
    formatRanges(missed)
  }`;
}

// Types leave nothing to run, so a file of types alone is never loaded.
async function absence(path: string): Promise<string | undefined> {
  const text = await Deno.readTextFile(`${ROOT}src/${path}`);
  const code =
    /^(?:export (?:default )?)?(?:async |abstract )?(?:function|class|const|let|enum)\b/m;
  const statement = /^(?:export (?:\*|\{)|import "|if\b|for\b|await\b|[\w.]+\()/m;
  return code.test(text) || statement.test(text) ? "no test loads it" : undefined;
}

async function listSources(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}src/${folder}`)) {
    if (isDirectory) paths.push(...await listSources(`${folder}${name}/`));
    else if (name.endsWith(".ts")) paths.push(folder + name);
  }
  return paths.sort();
}

async function readCoverage(folder: string): Promise<Map<string, FileCoverage>> {
  // Told of all that tests and their processes load, it takes a minute more.
  const sources = `^${escapePattern(new URL("../src/", import.meta.url).href)}`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["coverage", "--lcov", `--include=${sources}`, folder],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const files = new Map<string, FileCoverage>();
  for (const record of new TextDecoder().decode(stdout).split("end_of_record")) {
    const path = /^SF:(.*)$/m.exec(record)?.[1]?.replaceAll("\\", "/");
    if (path === undefined || !path.startsWith(`${ROOT}src/`)) continue;
    const hits = [...record.matchAll(/^DA:(\d+),(\d+)/gm)];
    const missed = hits.filter(([, , count]) => count === "0").map(([, line]) => Number(line));
    files.set(path.slice(`${ROOT}src/`.length), { lines: hits.length, missed });
  }
  return files;
}

function formatRanges(lines: number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines) {
    const last = ranges.at(-1);
    if (last && line <= last[1] + 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(", ");
}

Deno.exit(await main());
