import { assertEquals, assertStringIncludes } from "@std/assert";
import { currentHost } from "../../src/runtime/mod.ts";
import { cliCommand, runProcess, temporaryFolder, toPath } from "../helpers/process.ts";
import { findProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const skip = "Deno" in globalThis && Deno.build.os === "windows" ? "no such paths" : undefined;
const bash = findProgram("bash");
const TAR = toPath(new URL("../fixtures/docker28-single.tar", import.meta.url));

/** The program with these arguments, as a shell takes it. */
function program(...args: string[]): string {
  const { command, args: all } = cliCommand(...args);
  return [command, ...all].map((word) => `'${word}'`).join(" ");
}

test("Host.openPipe() gives what is written to a FIFO, and undefined for a file", async () => {
  await using folder = await temporaryFolder();
  const fifo = `${folder.path}/fifo`;
  assertEquals((await runProcess("mkfifo", [fifo])).code, 0);
  const host = currentHost();
  assertEquals(await host.openPipe(TAR), undefined);
  const pipe = await host.openPipe(fifo);
  const writing = runProcess("sh", ["-c", `head -c 2500000 /dev/zero > '${fifo}'`]);
  let size = 0;
  for await (const piece of pipe ?? new ReadableStream<Uint8Array>()) size += piece.length;
  assertEquals(size, 2_500_000);
  assertEquals((await writing).code, 0);
}, { skip });

for (const verb of ["push", "inspect", "check"]) {
  test(`tarpush ${verb} reads a FIFO, /dev/stdin and <(...) as a pipe`, async () => {
    await using folder = await temporaryFolder();
    const fifo = `${folder.path}/fifo`;
    // Without a target a push only tells the names, which it reads as it would to push.
    const expected = verb === "check" ? ": ok (docker+oci archive" : "held/basic:1";
    const scripts = [
      `mkfifo '${fifo}'; cat '${TAR}' > '${fifo}' & ${program(verb, fifo)}`,
      `cat '${TAR}' | ${program(verb, "/dev/stdin")}`,
      `${program(verb, "/dev/stdin")} < '${TAR}'`,
      `cat '${TAR}' | ${program(verb, "/dev/fd/0")}`,
    ];
    for (const script of scripts) {
      const { stdout, stderr } = await runProcess("sh", ["-c", script]);
      assertStringIncludes(stdout + stderr, expected, script);
    }
    if (!bash) return;
    const script = program(verb, "SOURCE").replace("'SOURCE'", `<(cat '${TAR}')`);
    const { stdout, stderr } = await runProcess(bash, ["-c", script]);
    assertStringIncludes(stdout + stderr, expected, script);
  }, { skip });
}

test("tarpush refuses a device", async () => {
  const device = await runProcess("sh", ["-c", program("inspect", "/dev/null")]);
  assertEquals(device.code, 1);
  assertStringIncludes(device.stderr, 'Cannot open "/dev/null": it is a pipe or device');
}, { skip });
