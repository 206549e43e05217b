import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { ProgressState } from "../../src/cli/progress_state.ts";
import { paintColors, paintNothing } from "../../src/cli/render.ts";
import { liveLines, replaceFrame, toFrame } from "../../src/cli/render_live.ts";
import { parseDigest } from "../../src/digest.ts";
import { test } from "../helpers/test.ts";

const digest = (letter: string) => parseDigest("sha256:" + letter.repeat(64));

function runningPush(): ProgressState {
  const state = new ProgressState();
  state.apply({ type: "plan", images: 1, blobs: 4, bytes: 400_000_000 }, 0);
  state.apply({ type: "blob-done", digest: digest("c"), size: 100_000_000, status: "exists" }, 0);
  state.apply({ type: "blob-start", digest: digest("a"), size: 200_000_000 }, 0);
  state.apply({ type: "blob-start", path: "blobs/sha256/bbbbbbbbbbbbbbbb", size: 50_000_000 }, 0);
  state.apply({ type: "blob-progress", digest: digest("a"), sent: 100_000_000 }, 2000);
  return state;
}

test("liveLines() draws a bar for each blob and one for the whole", () => {
  assertEquals(liveLines(runningPush(), 2000, { columns: 110, rows: 24 }, paintNothing), [
    "aaaaaaaaaaaa  ━━━━━━━━━━━━━━──────────────   50%    100 MB / 200 MB  ",
    "bbbbbbbbbbbb  ────────────────────────────    0%       0 B / 50 MB   ",
    "total         ━━━━━━━━━━━━━━──────────────   50%    200 MB / 400 MB      50 MB/s  4s left  1/4 blobs",
  ]);
});

test("liveLines() counts what has no end yet in one pass", () => {
  const state = new ProgressState();
  state.apply({ type: "blob-start", path: "x\x1b漢/layer.tar", size: 100 }, 0);
  state.apply({ type: "blob-progress", path: "x\x1b漢/layer.tar", sent: 25 }, 0);
  assertEquals(liveLines(state, 0, { columns: 70, rows: 24 }, paintNothing), [
    "x??/layer.ta  ━━━━━━━─────────────────────   25%      25 B / 100 B   ",
    "total             25 B  0 blobs",
  ]);
});

test("liveLines() marks a blob that waits for its next attempt", () => {
  const state = runningPush();
  state.apply(
    { type: "retry", digest: digest("a"), attempt: 3, delay: 1000, reason: "reset" },
    2000,
  );
  for (
    const [columns, now, text] of [[110, 2000, "attempt 3 in 1s"], [80, 3000, "attempt 3"]] as const
  ) {
    const [line = ""] = liveLines(state, now, { columns, rows: 24 }, paintNothing);
    assert(line.endsWith(`%  ${text}`), line);
  }
});

test("liveLines() tells in the line of the whole what waits and is no blob", () => {
  const state = runningPush();
  state.apply({ type: "retry", attempt: 3, delay: 12_000, reason: "reset" }, 2000);
  const total = (now: number) =>
    liveLines(state, now, { columns: 110, rows: 24 }, paintNothing).at(-1);
  assertMatch(total(2000) ?? "", /next attempt in 12s/);
  assert(!total(14_000)?.includes("next attempt"));
});

test("liveLines() fits any width, with colours too", () => {
  for (let columns = 1; columns <= 130; columns++) {
    for (const paint of [paintNothing, paintColors]) {
      const lines = liveLines(runningPush(), 2000, { columns, rows: 24 }, paint);
      for (const width of toFrame(lines)) {
        assertLess(width, Math.max(columns, 1), `${columns} columns`);
      }
    }
  }
});

test("liveLines() shows few bars in a low terminal", () => {
  const state = new ProgressState();
  for (const letter of "0123456789abcdef") {
    state.apply({ type: "blob-start", digest: digest(letter), size: 100 }, 0);
  }
  const rows = (rows: number) => liveLines(state, 0, { columns: 80, rows }, paintNothing);
  assertEquals(rows(24).length, 10);
  assertEquals(rows(24)[8], "and 8 more");
  assertEquals(rows(5).length, 4);
  assertEquals(rows(1).length, 2);
});

test("replaceFrame() goes back over the old frame and clears what is left of it", () => {
  assertEquals(replaceFrame([], [], ["one", "two"], 80), "one\x1b[K\ntwo\x1b[K\n\x1b[J");
  assertEquals(
    replaceFrame([3, 3], ["kept"], ["new"], 80),
    "\x1b[2A\rkept\x1b[K\nnew\x1b[K\n\x1b[J",
  );
  assertEquals(replaceFrame([3, 3], [], [], 80), "\x1b[2A\r\x1b[J");
});

test("replaceFrame() counts lines that a narrower terminal has broken", () => {
  assertEquals(replaceFrame([79, 20, 0], [], [], 40), "\x1b[4A\r\x1b[J");
});

test("toFrame() does not count colours", () => {
  assertEquals(toFrame([paintColors("red", "four"), "plain"]), [4, 5]);
});
