/** How many tests came to which end. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What became of tests. */
export interface TestResults extends Counts {
  failures: readonly TestFailure[];
}

export interface TestFailure {
  /** Its name; empty where it failed outside of any test. */
  name: string;
  /** Its name, the file where the runtime knows it, and why, in lines. */
  text: string;
}

/** Lines shown of why a test failed. */
const MAX_REASON_LINES = 12;

/** Tests that are run again: where more fail, they do so for a reason. */
const MAX_TESTS_AGAIN = 3;

/** Reads a report in the form of JUnit, as Deno and Bun write it. */
export function readReport(xml: string): TestResults {
  // Text in it is escaped, so a tag is never part of a name or a message.
  const cases = xml.split("<testcase ").slice(1);
  const failures = cases.filter((text) => /<(?:failure|error)\b/.test(text)).map(readFailure);
  const skipped = cases.filter((text) => /<skipped\b/.test(text)).length;
  const failed = failures.length;
  return { passed: cases.length - failed - skipped, failed, skipped, failures };
}

/**
 * Gives what failed beside thousands of other tests another chance, alone: on a machine that is busy a real program may
 * answer too late. What fails again has failed.
 *
 * @param first What became of all.
 * @param run Runs the tests of these names.
 * @returns What became of all in the end, and the failures that passed when they were alone.
 */
export async function tryAgain(
  first: TestResults,
  run: (names: string[]) => Promise<TestResults>,
): Promise<{ results: TestResults; passedAlone: readonly TestFailure[] }> {
  const names = first.failures.map(({ name }) => name);
  const isWorthIt = names.length > 0 && names.length <= MAX_TESTS_AGAIN && !names.includes("");
  if (!isWorthIt) return { results: first, passedAlone: [] };
  const again = await run(names);
  if (again.failed > 0 || again.passed < first.failed) return { results: first, passedAlone: [] };
  const passed = first.passed + first.failed;
  return {
    results: { passed, failed: 0, skipped: first.skipped, failures: [] },
    passedAlone: first.failures,
  };
}

/** A regular expression, as JavaScript and Rust read it, for the tests of these names and no others. */
export function patternOf(names: readonly string[]): string {
  return `^(?:${names.map(escapePattern).join("|")})$`;
}

/** Text as a regular expression of JavaScript and Rust that finds it. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Adds up the results of two runs. */
export function sumOf(a: TestResults, b: TestResults): TestResults {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    failures: [...a.failures, ...b.failures],
  };
}

/** What failed, so that the end of a long output tells it, and the counts as the last line. */
export function formatResults(results: TestResults): string {
  return [...results.failures.map(({ text }) => text), formatCounts(results)].join("\n");
}

/** The last line of a run. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

// Deno knows no file: what it takes for one is where `Deno.test()` is called, which is the helper of all tests.
function readFailure(text: string): TestFailure {
  const [, escapedName = ""] = /\bname="([^"]*)"/.exec(text) ?? [];
  const [, file] = /\bfile="([^"]+)"/.exec(text) ?? [];
  const [, reason = ""] = /<(?:failure|error)\b[^>]*\bmessage="([^"]*)"/.exec(text) ?? [];
  const name = unescapeXml(escapedName);
  const title = file === undefined ? name : `${unescapeXml(file)}: ${name}`;
  const lines = unescapeXml(reason).split("\n").slice(0, MAX_REASON_LINES);
  return { name, text: [`FAILED ${title}`, ...lines].join("\n    ") };
}

function unescapeXml(text: string): string {
  return text.replaceAll("&#10;", "\n").replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
