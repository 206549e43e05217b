import { assert, assertEquals } from "@std/assert";
import { findingLines, verdictLine } from "../../src/cli/check_table.ts";
import { paintColors, paintNothing } from "../../src/cli/render.ts";
import type { Finding } from "../../src/image/check/findings.ts";
import { test } from "../helpers/test.ts";

const FINDINGS: Finding[] = [
  {
    severity: "error",
    code: "wrong-digest",
    message: `"a" has digest ${"x".repeat(71)}, expected b`,
  },
  { severity: "warning", code: "bad-name", message: "evil \x1b[2J name" },
  { severity: "note", code: "unreferenced", message: '"README" is needed by no image' },
];
const CHECK = { ok: false, files: 1, bytes: 12_345, findings: FINDINGS };

test("findingLines() aligns severity, code and message, and shows no control characters", () => {
  assertEquals(findingLines(FINDINGS, paintNothing), [
    `error    wrong-digest  "a" has digest ${"x".repeat(71)}, expected b`,
    "warning  bad-name      evil \\u{1b}[2J name",
    'note     unreferenced  "README" is needed by no image',
  ]);
  assertEquals(findingLines([], paintNothing), []);
});

test("findingLines() breaks what is too long for a terminal at spaces", () => {
  const [error, ...others] = FINDINGS;
  assertEquals(findingLines(error ? [error] : [], paintNothing, 80), [
    "error    wrong-digest",
    '  "a" has digest',
    `  ${"x".repeat(71)},`,
    "  expected b",
  ]);
  assertEquals(findingLines(others, paintNothing, 80), [
    "warning  bad-name      evil \\u{1b}[2J name",
    'note     unreferenced  "README" is needed by no image',
  ]);
  for (const columns of [1, 20, 40]) findingLines(FINDINGS, paintNothing, columns);
});

test("findingLines() colours the severity alone", () => {
  assertEquals(findingLines(FINDINGS.slice(2), paintColors), [
    '\x1b[90mnote\x1b[39m     unreferenced  "README" is needed by no image',
  ]);
});

test("verdictLine() says whether the archive is whole, and counts", () => {
  assertEquals(
    verdictLine("a.tar", CHECK, paintNothing),
    "a.tar: broken, 1 error, 1 warning, 1 note (1 file, 12.3 kB)",
  );
  const whole = { ok: true, dialect: "oci" as const, files: 7, bytes: 0, findings: [] };
  assertEquals(
    verdictLine("a\n.tar", whole, paintNothing),
    "a\\u{a}.tar: ok (oci archive, 7 files, 0 B)",
  );
  const many: Finding[] = [
    ...FINDINGS,
    { severity: "error", code: "further-findings", message: "", actual: "9000" },
  ];
  const line = verdictLine("a.tar", { ...CHECK, findings: many }, paintNothing);
  assert(line.startsWith("a.tar: broken, 9001 errors, 1 warning"), line);
});
