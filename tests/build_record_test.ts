import { assertEquals } from "@std/assert";
import { buildRecordOf } from "../src/build_record.ts";
import { test } from "./helpers/test.ts";

test("buildRecordOf() takes no other type for a record, whatever it is called", () => {
  // Every object of JavaScript has members of the last names.
  for (const type of [undefined, "", "text/plain", "constructor", "__proto__", "toString"]) {
    assertEquals(buildRecordOf(type), undefined, type);
  }
});
