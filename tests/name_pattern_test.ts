import { assert, assertEquals, assertThrows } from "@std/assert";
import { nameFilter } from "../src/name_pattern.ts";
import { test } from "./helpers/test.ts";

const TAGS = ["latest", "v1", "v1.0", "v1.0-rc1", "v1.2", "v1.10", "v2.0", "1.0"];
const fitting = (...patterns: string[]) => TAGS.filter(nameFilter(patterns));

test("nameFilter() reads patterns as shells do", () => {
  for (
    const [pattern, expected] of [
      ["v1.*", ["v1.0", "v1.0-rc1", "v1.2", "v1.10"]],
      ["v1.?", ["v1.0", "v1.2"]],
      ["v1", ["v1"]],
      ["*", TAGS],
      ["*.0", ["v1.0", "v2.0", "1.0"]],
      ["v[12].[0-1]*", ["v1.0", "v1.0-rc1", "v1.10", "v2.0"]],
      ["[!v]*", ["latest", "1.0"]],
      ["{latest,v{1,2}.0}", ["latest", "v1.0", "v2.0"]],
      ["v1.\\*", []],
      ["V1.*", []],
      ["*v*1*0*", ["v1.0", "v1.0-rc1", "v1.10"]],
    ] as const
  ) assertEquals(fitting(pattern), [...expected], pattern);
});

test("nameFilter() wants what one of several patterns wants, without what starts with !", () => {
  assertEquals(fitting("v2*", "latest"), ["latest", "v2.0"]);
  assertEquals(fitting("v1.*", "!*-rc*"), ["v1.0", "v1.2", "v1.10"]);
  assertEquals(fitting("!v*"), ["latest", "1.0"]);
  assertEquals(fitting(), TAGS);
});

test("nameFilter() keeps * and ? within a part of a path", () => {
  const names = ["team/app", "team/sub/app", "app"];
  assertEquals(names.filter(nameFilter(["team/*"])), ["team/app"]);
  assertEquals(names.filter(nameFilter(["*/*/app"])), ["team/sub/app"]);
  assertEquals(names.filter(nameFilter(["team?app"])), []);
  assertEquals(names.filter(nameFilter(["team[!a]app"])), []);
});

test("nameFilter() takes special characters that mean nothing as they are", () => {
  assert(nameFilter(["{a}"])("{a}"));
  assert(nameFilter(["{a"])("{a"));
  assert(nameFilter(["a-]"])("a-]"));
  assert(nameFilter(["[]-]x"])("]x"));
  assert(nameFilter(["\\{a,b}"])("{a,b}"));
  assert(nameFilter(["\\!a"])("!a"));
});

test("nameFilter() refuses what it cannot understand", () => {
  for (const pattern of ["", "!", "v[1", "v1\\", "[z-a]", "{a,b}".repeat(10)]) {
    assertThrows(() => nameFilter([pattern]), SyntaxError, "Cannot use pattern");
  }
});

test("nameFilter() takes no longer for many stars", () => {
  const fits = nameFilter(["*a".repeat(40) + "b"]);
  assert(!fits("a".repeat(128)));
});
