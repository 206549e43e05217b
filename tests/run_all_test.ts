import { assertEquals } from "@std/assert";
import {
  formatResults,
  patternOf,
  readReport,
  type TestResults,
  tryAgain,
} from "./helpers/test_results.ts";
import { test } from "./helpers/test.ts";

// As the two runtimes write them.
const DENO = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="3" failures="1" errors="0" time="0.020">
    <testsuite name="./tests/helpers/test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="a &lt; &quot;b&quot;" classname="./tests/helpers/test.ts" time="0.001" line="2" col="1">
            <failure message="Uncaught Error: one
&amp;lt; two">Error: one
    at file:///tests/a_test.ts:2:37</failure>
        </testcase>
        <testcase name="c" classname="./tests/helpers/test.ts" time="0.000" line="3" col="1">
        </testcase>
        <testcase name="d" classname="./tests/helpers/test.ts" time="0.000" line="4" col="1">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>`;
const BUN = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="2" assertions="0" failures="1" skipped="0" time="0.02">
  <testsuite name="tests/a_test.ts" file="tests/a_test.ts" tests="2" failures="1" skipped="0">
    <testcase name="a" classname="" time="0.005" file="tests/a_test.ts" line="2" assertions="0">
      <failure type="Error" message="one&#10;two">Error: one&#10;two&#10;      at tests/a_test.ts:2:41</failure>
    </testcase>
    <testcase name="c" classname="" time="0.00" file="tests/a_test.ts" line="3" assertions="0" />
  </testsuite>
</testsuites>`;

test("readReport() reads what Deno and Bun write", () => {
  const deno = readReport(DENO);
  assertEquals([deno.passed, deno.failed, deno.skipped], [1, 1, 1]);
  assertEquals(deno.failures, [{
    name: 'a < "b"',
    text: 'FAILED a < "b"\n    Uncaught Error: one\n    &lt; two',
  }]);
  assertEquals(
    formatResults(readReport(BUN)),
    "FAILED tests/a_test.ts: a\n    one\n    two\n1 passed, 1 failed, 0 skipped",
  );
});

test("patternOf() takes the tests of these names and no others", () => {
  const names = ["a() takes [b] | c", "d.e"];
  const pattern = new RegExp(patternOf(names));
  assertEquals(names.map((name) => pattern.test(name)), [true, true]);
  for (const other of ["d-e", "a() takes [b]", "d.e too", "not d.e"]) {
    assertEquals(pattern.test(other), false, other);
  }
});

/** Results of which the tests of these names have failed. */
function withFailed(...names: string[]): TestResults {
  const failures = names.map((name) => ({ name, text: `FAILED ${name}` }));
  return { passed: 10, failed: names.length, skipped: 2, failures };
}

test("tryAgain() takes what passes alone for passed, and tells of it", async () => {
  const asked: string[][] = [];
  const first = withFailed("a", "b", "c");
  const { results, passedAlone } = await tryAgain(first, (names) => {
    asked.push(names);
    return Promise.resolve(withFailed());
  });
  assertEquals(asked, [["a", "b", "c"]]);
  assertEquals(results, { passed: 13, failed: 0, skipped: 2, failures: [] });
  assertEquals(passedAlone, first.failures);
});

test("tryAgain() changes nothing where one fails again, none ran, many failed, or none did", async () => {
  const nothing = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const again of [withFailed("b"), nothing]) {
    const first = withFailed("a", "b");
    const { results, passedAlone } = await tryAgain(first, () => Promise.resolve(again));
    assertEquals([results, passedAlone], [first, []]);
  }
  for (const first of [withFailed("a", "b", "c", "d"), withFailed("a", ""), withFailed()]) {
    const { results } = await tryAgain(first, () => Promise.reject(new Error("was run")));
    assertEquals(results, first);
  }
});
