import { assertEquals } from "@std/assert";
import { ProgressState } from "../../src/cli/progress_state.ts";
import {
  eventLines,
  formatDuration,
  formatSeconds,
  formatSize,
  jsonText,
  paintColors,
  paintNothing,
  printable,
  resultLine,
  summaryLine,
} from "../../src/cli/render.ts";
import { parseDigest } from "../../src/digest.ts";
import { test } from "../helpers/test.ts";

const DIGEST = parseDigest("sha256:" + "0123456789ab".repeat(5) + "cdef");

test("printable() spells out whatever could steer a terminal", () => {
  assertEquals(printable("plain-1.0 ä 漢"), "plain-1.0 ä 漢");
  assertEquals(printable("a\x1b[2Jb\r\n\x07\x7f"), "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{7}\\u{7f}");
  assertEquals(printable("\x9b31m\u202egpj"), "\\u{9b}31m\\u{202e}gpj");
});

test("jsonText() escapes what JSON leaves as it is, and stays the same document", () => {
  const document = { name: "a\x1b[2J\x9b31m\x7f\u202e\u2028\n", list: ["ä 漢", { "\x9b": 1 }] };
  const text = jsonText(document);
  assertEquals(JSON.parse(text), document);
  assertEquals(/[\p{Cc}\p{Cf}\p{Zl}]/u.test(text.replaceAll("\n", "")), false);
  assertEquals(jsonText({ a: [1] }), '{\n  "a": [\n    1\n  ]\n}');
});

test("resultLine() adds the digest once", () => {
  assertEquals(resultLine("localhost:5000/app:1.0", DIGEST), `localhost:5000/app:1.0@${DIGEST}`);
  assertEquals(resultLine(`localhost:5000/app@${DIGEST}`, DIGEST), `localhost:5000/app@${DIGEST}`);
});

test("formatSize() and formatDuration() are short", () => {
  assertEquals([0, 999, 1500, 12_345_678].map(formatSize), ["0 B", "999 B", "1.5 kB", "12.3 MB"]);
  assertEquals([0, 1234, 61_000].map(formatDuration), ["0.0s", "1.2s", "1m 1s"]);
  assertEquals([0, 1600, 3_600_000].map(formatSeconds), ["1s", "2s", "1h"]);
});

test("eventLines() writes one plain line a blob, retry or warning", () => {
  const lines = (event: Parameters<typeof eventLines>[0]) => eventLines(event, paintNothing);
  assertEquals(lines({ type: "blob-done", digest: DIGEST, size: 12_345_678, status: "pushed" }), [
    "sha256:0123456789ab   12.3 MB  pushed",
  ]);
  assertEquals(lines({ type: "blob-done", digest: DIGEST, size: 7, status: "exists" }), [
    "sha256:0123456789ab       7 B  exists",
  ]);
  const pushed = { type: "blob-done", digest: DIGEST, size: 7, status: "pushed" } as const;
  assertEquals(eventLines(pushed, paintNothing, "missing"), [
    "sha256:0123456789ab       7 B  missing",
  ]);
  const retry = { type: "retry", attempt: 2, delay: 500, reason: "reset\nby peer" } as const;
  assertEquals(lines({ ...retry, digest: DIGEST }), [
    "retry: sha256:0123456789ab  attempt 2 in 0.5s: reset\\u{a}by peer",
  ]);
  assertEquals(lines({ ...retry, path: "a\x1b/layer.tar" }), [
    "retry: a\\u{1b}/layer.tar  attempt 2 in 0.5s: reset\\u{a}by peer",
  ]);
  assertEquals(lines({ type: "warning", message: "odd\x1b" }), ["warning: odd\\u{1b}"]);
  assertEquals(lines({ type: "blob-start", digest: DIGEST, size: 7 }), []);
  assertEquals(lines({ type: "plan", images: 1, blobs: 1, bytes: 7 }), []);
});

test("eventLines() colours only the word that matters", () => {
  const [line] = eventLines(
    { type: "blob-done", digest: DIGEST, size: 7, status: "mounted" },
    paintColors,
  );
  assertEquals(line, "sha256:0123456789ab       7 B  \x1b[34mmounted\x1b[39m");
});

test("summaryLine() counts what happened", () => {
  const state = new ProgressState();
  assertEquals(summaryLine(state, 1234), "0 blobs pushed in 1.2s");
  state.apply({ type: "blob-done", digest: DIGEST, size: 1000, status: "pushed" }, 0);
  assertEquals(summaryLine(state, 1234), "1 blob pushed (1 kB) in 1.2s");
  state.apply({ type: "blob-done", digest: DIGEST, size: 1000, status: "exists" }, 0);
  state.apply({ type: "blob-done", digest: DIGEST, size: 1000, status: "mounted" }, 0);
  assertEquals(
    summaryLine(state, 60_000),
    "1 blob pushed (1 kB), 1 already there, 1 mounted in 1m",
  );
});
