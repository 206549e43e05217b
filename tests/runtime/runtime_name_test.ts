import { assertEquals, assertThrows } from "@std/assert";
import { runtimeName } from "../../src/runtime/runtime_name.ts";
import { test } from "../helpers/test.ts";

test("runtimeName() takes Bun for Bun even where a program brings a Deno global", () => {
  assertEquals(runtimeName({ Deno: {} }), "deno");
  assertEquals(runtimeName({ Bun: {} }), "bun");
  assertEquals(runtimeName({ Bun: {}, Deno: {} }), "bun");
});

test("runtimeName() refuses a browser in one line", () => {
  assertThrows(() => runtimeName({ window: {} }), TypeError, "expected Deno or Bun");
});
