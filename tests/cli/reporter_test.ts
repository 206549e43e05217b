import { assertEquals, assertRejects } from "@std/assert";
import { createReporter } from "../../src/cli/reporter.ts";
import { OciError } from "../../src/errors.ts";
import type { TextOutput } from "../../src/runtime/host.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

const PLAIN = { verb: "push", quiet: false, json: false, dryRun: false } as const;
const NEVER = new AbortController().signal;
const DIGEST = `sha256:${"0".repeat(64)}` as const;

/** An stderr whose reader takes one write at a time, when it is told to. */
function slowOutput(log: string[]) {
  const waiting: (() => void)[] = [];
  const output: TextOutput = {
    isTerminal: () => false,
    size: () => ({ columns: 80, rows: 24 }),
    write: (text) =>
      new Promise<void>((resolve) => {
        waiting.push(() => {
          log.push(text);
          resolve();
        });
      }),
  };
  return { output, take: () => waiting.shift()?.() };
}

/** A reporter of plain lines that are read as slowly. */
async function slowReporter() {
  const log: string[] = [];
  const { output, take } = slowOutput(log);
  const host = fakeHost([], { overrides: { stderr: output } });
  return { reporter: await createReporter(host, PLAIN, NEVER), log, take };
}

test("plain lines wait together for a slow reader, and the push does not", async () => {
  const { reporter, log, take } = await slowReporter();
  for (const line of ["a", "b", "c"]) await reporter.note(line);
  const finished = reporter.finish();
  take();
  await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  take();
  await finished;
  assertEquals(log, ["a\n", "b\nc\n"]);
});

test("plain lines that follow soon are written together, and so is all that is left at the end", async () => {
  const { reporter, log, take } = await slowReporter();
  await reporter.note("a");
  take();
  await new Promise((resolve) => setTimeout(resolve));
  for (const line of ["b", "c"]) await reporter.note(line);
  const finished = reporter.finish();
  await new Promise((resolve) => setTimeout(resolve));
  take();
  await finished;
  assertEquals(log, ["a\n", "b\nc\n"]);
});

test("a reader that is far behind slows the push", async () => {
  const { reporter, log, take } = await slowReporter();
  await reporter.note("first");
  let isThrough = false;
  const noted = reporter.note("x".repeat(100_000)).then(() => void (isThrough = true));
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(isThrough, false);
  take();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(isThrough, false);
  take();
  await noted;
  assertEquals(log.join("").length, "first\n".length + 100_001);
});

test("a name is printed after the lines that came before it", async () => {
  const log: string[] = [];
  const slow = slowOutput(log);
  const stdout: TextOutput = {
    ...slow.output,
    write: (text) => Promise.resolve(void log.push(text)),
  };
  const host = fakeHost([], { overrides: { stderr: slow.output, stdout } });
  const reporter = await createReporter(host, PLAIN, NEVER);
  await reporter.note("before");
  const handled = reporter.handle({
    type: "tag",
    reference: "localhost:5000/app:1",
    digest: DIGEST,
  });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(log, []);
  slow.take();
  await handled;
  assertEquals(log, ["before\n", `localhost:5000/app:1@${DIGEST}\n`]);
});

test("an stderr that cannot be written fails the push, not its failure", async () => {
  const write = () => Promise.reject(new OciError("Cannot write to stderr: disk full"));
  const stderr: TextOutput = { ...slowOutput([]).output, write };
  const reporter = await createReporter(fakeHost([], { overrides: { stderr } }), PLAIN, NEVER);
  await reporter.note("first");
  await new Promise((resolve) => setTimeout(resolve));
  await assertRejects(() => reporter.note("second"), OciError, "disk full");
  await assertRejects(() => reporter.finish(1), OciError, "disk full");
  await reporter.finish();
});

test("bars on a terminal leave notes where they are, and go with the end", async () => {
  const host = fakeHost([], { isTerminal: true, env: { NO_COLOR: "1" } });
  const reporter = await createReporter(host, PLAIN, NEVER);
  await reporter.handle({ type: "blob-start", path: "layer", digest: DIGEST, size: 10 });
  await reporter.note("worth knowing");
  await reporter.handle({
    type: "blob-done",
    path: "layer",
    digest: DIGEST,
    size: 10,
    status: "pushed",
  });
  await reporter.finish(1500);
  const { stderr } = host.written;
  assertEquals(stderr.split("worth knowing").length, 2, stderr);
  assertEquals(stderr.indexOf("worth knowing") < stderr.indexOf("1 blob pushed"), true, stderr);
});
