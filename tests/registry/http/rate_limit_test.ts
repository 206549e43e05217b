import { assertEquals } from "@std/assert";
import { readRateLimit } from "../../../src/registry/http/rate_limit.ts";
import { test } from "../../helpers/test.ts";

const NOW = Date.UTC(2026, 0, 1);

const CASES: readonly [
  headers: Record<string, string>,
  remaining?: number | undefined,
  reset?: number | undefined,
][] = [
  [{}],
  [{ "RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "99;w=21600" }, 99],
  [{ "RateLimit-Remaining": "0", "RateLimit-Reset": "7" }, 0, 7000],
  [{ "X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "12" }, 3, 12_000],
  [{ "X-RateLimit-Reset": `${NOW / 1000 + 30}` }, undefined, 30_000],
  [{ "X-RateLimit-Reset": `${NOW / 1000 - 30}` }, undefined, 0],
  [{ "RateLimit": "limit=10, remaining=0, reset=5" }, 0, 5000],
  [{ "RateLimit": '"default";r=2;t=9' }, 2, 9000],
  [{ "RateLimit-Remaining": "10, 10;w=1, 1000;w=3600", "RateLimit-Reset": "x" }, 10],
  [{ "RateLimit-Remaining": "-1", "RateLimit-Reset": "1e3" }],
  [{ "RateLimit-Remaining": "9".repeat(400), "RateLimit-Reset": "9".repeat(16) }],
  [{ "RateLimit-Remaining": "" }],
];

test("readRateLimit() reads what registries and drafts call it, and no garbage", () => {
  for (const [headers, remaining, reset] of CASES) {
    const { remaining: left, reset: wait } = readRateLimit(new Headers(headers), NOW);
    assertEquals([left, wait], [remaining, reset], JSON.stringify(headers));
  }
});
