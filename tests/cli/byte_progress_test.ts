import { assertEquals } from "@std/assert";
import { byteProgressLine, showByteProgress } from "../../src/cli/byte_progress.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

test("byteProgressLine() tells rate and time left where the whole is known", () => {
  const half = { bytes: 50_000_000, total: 100_000_000 };
  assertEquals(
    byteProgressLine(half, 10_000),
    "checking  50%  50 MB of 100 MB  5 MB/s  10s left",
  );
  assertEquals(byteProgressLine({ bytes: 50_000 }, 1000), "checking  50 kB  50 kB/s");
  assertEquals(
    byteProgressLine({ bytes: 9, total: 9 }, 1000),
    "checking  100%  9 B of 9 B  9 B/s",
  );
  assertEquals(byteProgressLine({ bytes: 0, total: 0 }, 1000), "checking  0 B  0 B/s");
});

test("showByteProgress() is silent where nobody looks, and leaves nothing behind", async () => {
  const cases: [boolean, boolean, Record<string, string>][] = [
    [false, false, {}],
    [true, true, {}],
    [true, false, { TERM: "dumb" }],
    // What is over at once is not shown.
    [true, false, {}],
  ];
  for (const [isTerminal, isQuiet, env] of cases) {
    const host = fakeHost([], { isTerminal, env });
    const result = await showByteProgress(host, isQuiet, (onProgress) => {
      onProgress({ bytes: 5 });
      return Promise.resolve("checked");
    });
    assertEquals(result, "checked");
    assertEquals(host.written.stderr, "");
  }
});

test("showByteProgress() keeps one line up to date on a terminal, and takes it away", async () => {
  let written = "";
  const frame = Promise.withResolvers<void>();
  const stderr = {
    isTerminal: () => true,
    size: () => ({ columns: 30, rows: 24 }),
    write: (text: string) => {
      written += text;
      frame.resolve();
      return Promise.resolve();
    },
  };
  await showByteProgress(fakeHost([], { overrides: { stderr } }), false, async (onProgress) => {
    onProgress({ bytes: 50_000_000, total: 100_000_000 });
    await frame.promise;
    assertEquals(written, "checking  50%  50 MB of 100 M\x1b[K\n\x1b[J");
  });
  assertEquals(written.endsWith("\x1b[1A\r\x1b[J"), true, JSON.stringify(written));
});

test("showByteProgress() goes on without a terminal that went away", async () => {
  const tried = Promise.withResolvers<void>();
  const stderr = {
    isTerminal: () => true,
    size: () => ({ columns: 80, rows: 24 }),
    write: () => {
      tried.resolve();
      return Promise.reject(new Error("gone"));
    },
  };
  const host = fakeHost([], { overrides: { stderr } });
  await showByteProgress(host, false, () => tried.promise);
});
