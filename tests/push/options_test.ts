import { assertEquals, assertThrows } from "@std/assert";
import { resolveOptions } from "../../src/push/options.ts";
import { httpFor } from "../../src/registry/http/request_options.ts";
import { test } from "../helpers/test.ts";

test("resolveOptions() fills in what DESIGN promises", () => {
  const { concurrency, memoryBudget, timeouts, retry } = resolveOptions({});
  assertEquals([concurrency, memoryBudget], [3, 64 * 1024 * 1024]);
  assertEquals(timeouts, { connect: 30_000, idle: 60_000, response: 300_000 });
  assertEquals(retry.attempts, 5);
});

test("resolveOptions() refuses numbers out of range before anything is read", () => {
  for (
    const options of [
      { concurrency: 0 },
      { concurrency: 1.5 },
      { memoryBudget: 1000 },
      { memoryBudget: NaN },
      { chunkSize: 0 },
      { chunkSize: 0.5 },
      { timeouts: { idle: 0 } },
      { timeouts: { response: NaN } },
      { retry: { attempts: 0 } },
      { retry: { delay: -1 } },
      { maxRequestsPerSecond: 0 },
      { maxRate: NaN },
    ]
  ) assertThrows(() => resolveOptions(options), RangeError, "Cannot use", JSON.stringify(options));
});

test("resolveOptions() refuses what is of another kind, as JavaScript may bring it", () => {
  for (const name of ["images", "platforms", "rename", "mountFrom"]) {
    const options = { [name]: "app:1" };
    assertThrows(() => resolveOptions(options), TypeError, `Cannot use ${name} "app:1"`);
  }
  assertThrows(() => resolveOptions({ rename: ["team"] }), TypeError, "expected FROM=TO");
  for (const repository of ["@", "", "h:5000/app", "app:1", "/app", "App", undefined]) {
    const options = { mountFrom: ["base", repository] } as object;
    assertThrows(() => resolveOptions(options), SyntaxError, "expected a repository of the same");
  }
  assertThrows(() => resolveOptions({ platforms: ["linux"] }), TypeError, "Cannot use platform");
  const signal: unknown = {};
  const onEvent: unknown = "console.log";
  assertThrows(() => resolveOptions({ signal } as object), TypeError, "Cannot use signal");
  assertThrows(() => resolveOptions({ onEvent } as object), TypeError, "Cannot use onEvent");
});

test("httpFor() hands the chunk size on as what is known of the registry", () => {
  const http = httpFor("http://localhost:5000", resolveOptions({ chunkSize: 1000 }));
  assertEquals(http.seen.chunkSize, 1000);
  assertEquals(httpFor("http://localhost:5000", resolveOptions({})).seen.chunkSize, undefined);
});
