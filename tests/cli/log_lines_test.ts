import { assert, assertEquals } from "@std/assert";
import { LogLines } from "../../src/cli/log_lines.ts";
import { test } from "../helpers/test.ts";

/** An output that is read when it is said to be. */
function stalledOutput() {
  const written: string[] = [];
  let release = Promise.withResolvers<void>();
  return {
    written,
    read: () => release.resolve(),
    async write(text: string) {
      written.push(text);
      await release.promise;
      release = Promise.withResolvers();
      release.resolve();
    },
  };
}

test("LogLines writes at once, and together what comes meanwhile", async () => {
  const output = stalledOutput();
  const lines = new LogLines(output, String);
  for (const line of ["a\n", "b\n", "c\n"]) lines.add(line);
  assertEquals(output.written, ["a\n"]);
  output.read();
  await lines.written();
  assertEquals(output.written, ["a\n", "b\nc\n"]);
});

test("LogLines keeps so much of what nobody reads, and counts the rest", async () => {
  const output = stalledOutput();
  const lines = new LogLines(output, (missing) => `${missing} are missing\n`);
  const line = `${"x".repeat(999)}\n`;
  for (let count = 0; count < 5000; count++) lines.add(line);
  output.read();
  await lines.written();
  const text = output.written.join("");
  const [last = ""] = text.trimEnd().split("\n").slice(-1);
  const kept = text.split("\n").length - 2;
  assertEquals(last, `${5000 - kept} are missing`);
  assert(kept > 1000 && kept < 1100, `${kept} were kept`);
  lines.add("later\n");
  await lines.written();
  assertEquals(output.written.at(-1), "later\n");
});

test("LogLines goes on after a write that failed", async () => {
  const written: string[] = [];
  const lines = new LogLines({
    write(text) {
      written.push(text);
      return Promise.reject(new Error("the disk is full"));
    },
  }, String);
  lines.add("a\n");
  await lines.written();
  lines.add("b\n");
  await lines.written();
  assertEquals(written, ["a\n", "b\n"]);
});
