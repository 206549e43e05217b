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

/** A test that failed. */
export interface TestFailure {
  /** The file that it is in; empty where it failed outside of any test. */
  file: string;
  /** Its name and why, in lines. */
  text: string;
}

/** Lines shown of why a test failed. */
const MAX_REASON_LINES = 12;

/** Files with failures that are run again: where more fail, they do so for a reason. */
const MAX_FILES_AGAIN = 3;

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
 * @param run Runs files.
 * @returns What became of all in the end, and the failures that passed when they were alone.
 */
export async function tryAgain(
  first: TestResults,
  run: (files: string[]) => Promise<TestResults>,
): Promise<{ results: TestResults; passedAlone: readonly TestFailure[] }> {
  const files = [...new Set(first.failures.map(({ file }) => file))];
  const isWorthIt = files.length > 0 && files.length <= MAX_FILES_AGAIN && !files.includes("");
  if (!isWorthIt) return { results: first, passedAlone: [] };
  const again = await run(files);
  if (again.failed > 0 || again.passed < first.failed) return { results: first, passedAlone: [] };
  const passed = first.passed + first.failed;
  return {
    results: { passed, failed: 0, skipped: first.skipped, failures: [] },
    passedAlone: first.failures,
  };
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

// Deno gives the file as the class, Bun as the file.
function readFailure(text: string): TestFailure {
  const [, name = ""] = /\bname="([^"]*)"/.exec(text) ?? [];
  const [, path = ""] = /\b(?:file|classname)="([^"]+)"/.exec(text) ?? [];
  const [, reason = ""] = /<(?:failure|error)\b[^>]*\bmessage="([^"]*)"/.exec(text) ?? [];
  const file = unescapeXml(path).replace(/^\.\//, "");
  const lines = unescapeXml(reason).split("\n").slice(0, MAX_REASON_LINES);
  return { file, text: [`FAILED ${file}: ${unescapeXml(name)}`, ...lines].join("\n    ") };
}

function unescapeXml(text: string): string {
  return text.replaceAll("&#10;", "\n").replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
