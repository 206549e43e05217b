import { assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { parseRetryAfter, resolveRetry, retryDelay } from "../../../src/registry/http/retry.ts";
import { test } from "../../helpers/test.ts";

const options = resolveRetry({ random: () => 1 });

test("resolveRetry fills in five attempts, a second and a half, and a cap of 45 seconds", () => {
  const { attempts, delay, maxDelay, maxRetryAfter, random } = resolveRetry();
  assertEquals([attempts, delay, maxDelay, maxRetryAfter, random], [
    5,
    1500,
    45_000,
    120_000,
    Math.random,
  ]);
});

test("resolveRetry refuses numbers that make no sense", () => {
  for (const attempts of [0, -1, 1.5, NaN]) {
    assertThrows(() => resolveRetry({ attempts }), RangeError, `retry.attempts ${attempts}`);
  }
  for (const name of ["delay", "maxDelay", "maxRetryAfter"]) {
    for (const value of [-1, NaN]) {
      assertThrows(() => resolveRetry({ [name]: value }), RangeError, `retry.${name} ${value}`);
    }
  }
});

test("retryDelay trebles from the second attempt on, and ends with the attempts", () => {
  const delays = [2, 3, 4, 5, 6].map((attempt) => retryDelay(attempt, options));
  assertEquals(delays, [1500, 4500, 13_500, 40_500, undefined]);
});

test("retryDelay waits for a registry that restarts, 30 seconds in all at least, whatever the jitter", () => {
  for (const random of [() => 0, () => 0.5, () => 0.999]) {
    const defaults = resolveRetry({ random });
    const delays = Array.from(
      { length: defaults.attempts - 1 },
      (_, index) => retryDelay(index + 2, defaults) ?? NaN,
    );
    assertGreaterOrEqual(delays.reduce((sum, delay) => sum + delay, 0), 30_000);
    assertGreaterOrEqual(Math.min(...delays), 750);
  }
});

test("retryDelay stays below its cap, however many attempts there are", () => {
  const many = resolveRetry({ attempts: 5000, random: () => 1 });
  assertEquals(retryDelay(9, many), 45_000);
  assertEquals(retryDelay(5000, many), 45_000);
});

test("retryDelay spreads the wait over the upper half of its ceiling", () => {
  const at = (share: number) => retryDelay(3, { ...options, random: () => share });
  assertEquals([at(0), at(0.25), at(0.999)], [2250, 2813, 4498]);
});

test("retryDelay obeys what the registry asks for, without jitter and beyond the cap", () => {
  assertEquals(retryDelay(2, { ...options, random: () => 0 }, 7000), 7000);
  assertEquals(retryDelay(2, options, 0), 0);
  assertEquals(retryDelay(2, options, 90_000), 90_000);
});

test("retryDelay gives up where the registry asks for more than the limit", () => {
  assertEquals(retryDelay(2, options, 120_000), 120_000);
  assertEquals(retryDelay(2, options, 120_001), undefined);
  assertEquals(retryDelay(6, options, 1), undefined);
});

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0);

test("parseRetryAfter reads seconds", () => {
  assertEquals(parseRetryAfter("0", NOW), 0);
  assertEquals(parseRetryAfter(" 120 ", NOW), 120_000);
  assertEquals(parseRetryAfter("1000000000", NOW), 1e12);
});

test("parseRetryAfter reads the three forms of HTTP dates", () => {
  assertEquals(parseRetryAfter("Tue, 24 Nov 2026 12:00:30 GMT", NOW), 30_000);
  assertEquals(parseRetryAfter("Tuesday, 24-Nov-26 12:00:30 GMT", NOW), 30_000);
  assertEquals(parseRetryAfter("Tue, 24 Nov 2026 11:00:00 GMT", NOW), 0);
});

test("parseRetryAfter takes nothing else for a time", () => {
  const texts = [null, "", "  ", "soon", "-5", "1.5", "0x10", "1e3", "5 s", "2026-11-24", "Mon, x"];
  for (const text of texts) assertEquals(parseRetryAfter(text, NOW), undefined, String(text));
});

test("parseRetryAfter keeps a number too large for any wait above every limit", () => {
  assertEquals(retryDelay(2, options, parseRetryAfter("9".repeat(400), NOW)), undefined);
});
