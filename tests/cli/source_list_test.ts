import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/cli/options.ts";
import { parseSourceList, settleTargets } from "../../src/cli/source_list.ts";
import { test } from "../helpers/test.ts";

test("parseSourceList() takes words, JSON, comments and any end of line", () => {
  const text = [
    "\ufeff# what goes to the edge",
    "",
    "a.tar",
    "  b.tar\tlocalhost:5000/b:1  ",
    '{"source": "my c.tar"}',
    '{"source": "d.tar", "target": "localhost:5000/d"}',
    '{"source": "e.tar", "target": ["localhost:5000/e:1", "localhost:5000/e:2"]}',
    "https://example.org/f.tar?x=1#y",
    "g#1.tar  localhost:5000/g:1 # since May",
    "h.tar\t#localhost:5000/h:1",
  ].join("\r\n");
  const lines = parseSourceList(text, "list");
  assertEquals(lines.map(({ source, target }) => [source, target]), [
    ["a.tar", undefined],
    ["b.tar", ["localhost:5000/b:1"]],
    ["my c.tar", undefined],
    ["d.tar", ["localhost:5000/d"]],
    ["e.tar", ["localhost:5000/e:1", "localhost:5000/e:2"]],
    ["https://example.org/f.tar?x=1#y", undefined],
    ["g#1.tar", ["localhost:5000/g:1"]],
    ["h.tar", undefined],
  ]);
  assertEquals(lines[1]?.place, "line 4 of list");
});

const WRONG: [line: string, says: string][] = [
  ["a b c", "Cannot use line 1 of list: it has 3 words, expected SOURCE or SOURCE TARGET"],
  ["{", "Cannot use line 1 of list: it starts as JSON does and is none"],
  ['{"target": "h"}', "it has no source"],
  ['{"source": ""}', "it has no source"],
  ['{"source": 1}', "it has no source"],
  ['{"source": "a", "targets": ["h"]}', 'it has "targets", expected source and target'],
  ['{"source": "a", "target": []}', "its target is no text"],
  ['{"source": "a", "target": [1]}', "its target is no text"],
  ['{"source": "a", "target": null}', "its target is no text"],
];

for (const [line, says] of WRONG) {
  test(`parseSourceList() refuses ${line}`, () => {
    assertThrows(() => parseSourceList(line, "list"), UsageError, says);
  });
}

const PUSH = { verb: "push", allTags: false } as const;

test("settleTargets() takes the line's target before those of the command line", () => {
  const lines = parseSourceList("a.tar\nb.tar h/b:1", "list");
  assertEquals(settleTargets(lines, ["h/all:1", "h/all:2"], PUSH), [
    { source: "a.tar", targets: ["h/all:1", "h/all:2"] },
    { source: "b.tar", targets: ["h/b:1"] },
  ]);
});

test("settleTargets() names the line that has no target, or a wrong one", () => {
  const lines = parseSourceList("a.tar h\nb.tar\n", "list");
  assertThrows(
    () => settleTargets(lines, [], PUSH),
    UsageError,
    'No target for "b.tar" (line 2 of list)',
  );
  const wrong = parseSourceList("a.tar h/UPPER\n", "list");
  assertThrows(() => settleTargets(wrong, [], PUSH), UsageError, "(line 1 of list)");
  const tagged = parseSourceList("a.tar h/a\nb.tar h/b:1\n", "list");
  assertThrows(
    () => settleTargets(tagged, [], { ...PUSH, allTags: true }),
    UsageError,
    "Cannot push all tags to h/b:1: it names one image, expected HOST/REPOSITORY alone (line 2 of list)",
  );
});
