import { assertEquals } from "@std/assert";
import { goMember } from "../src/go_json.ts";
import { test } from "./helpers/test.ts";

test("goMember() finds a member in any case", () => {
  for (const key of ["RepoTags", "repoTags", "repotags", "REPOTAGS"]) {
    assertEquals(goMember({ other: 1, [key]: ["a"] }, "RepoTags"), ["a"], key);
  }
});

test("goMember() folds the two letters outside ASCII that Go folds into it", () => {
  assertEquals(goMember({ "layer\u017f": 1 }, "Layers"), 1);
  assertEquals(goMember({ "\u212aind": 1 }, "Kind"), 1);
  assertEquals(goMember({ "conf\u0130g": 1, "conf\u0131g": 2 }, "Config"), undefined);
});

test("goMember() prefers the exact spelling, else the last one", () => {
  assertEquals(goMember({ Config: "exact", config: "other" }, "Config"), "exact");
  assertEquals(goMember({ config: "first", CONFIG: "last" }, "Config"), "last");
});

test("goMember() takes null for none", () => {
  assertEquals(goMember({ Layers: null }, "Layers"), undefined);
  assertEquals(goMember({ Layers: null, layers: ["a"] }, "Layers"), ["a"]);
  assertEquals(goMember({ layers: ["a"], LAYERS: null }, "Layers"), ["a"]);
});
