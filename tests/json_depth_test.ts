import { assertEquals } from "@std/assert";
import { isTooDeep, MAX_JSON_DEPTH } from "../src/json_depth.ts";
import { test } from "./helpers/test.ts";

test("isTooDeep() counts what is open at a time, in lists and objects", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assertEquals(isTooDeep(nested(MAX_JSON_DEPTH)), false);
  assertEquals(isTooDeep(nested(MAX_JSON_DEPTH + 1)), true);
  assertEquals(isTooDeep('{"a":['.repeat(MAX_JSON_DEPTH / 2 + 1)), true);
  assertEquals(isTooDeep(`[${"[],{},".repeat(1000)}0]`), false);
});

test("isTooDeep() does not count what stands in strings", () => {
  const brackets = "[".repeat(1000);
  assertEquals(isTooDeep(JSON.stringify([brackets, `"${brackets}`, `\\"${brackets}\\`])), false);
  assertEquals(isTooDeep(`["\\\\",${brackets}`), true);
  assertEquals(isTooDeep(`"${brackets}`), false);
});
