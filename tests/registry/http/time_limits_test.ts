import { assertEquals } from "@std/assert";
import { resolveTimeouts } from "../../../src/registry/http/time_limits.ts";
import { test } from "../../helpers/test.ts";

test("resolveTimeouts lifts the wait for an answer with the limit on idleness, unless it is given", () => {
  assertEquals(resolveTimeouts(), { connect: 30_000, idle: 60_000, response: 300_000 });
  assertEquals(resolveTimeouts({ idle: 299_000 }).response, 300_000);
  assertEquals(resolveTimeouts({ idle: 900_000 }).response, 900_000);
  assertEquals(resolveTimeouts({ idle: 900_000, response: 1000 }).response, 1000);
});
