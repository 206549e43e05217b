import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cliCommand, runProcess, runProgram, spawnProcess } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const SINGLE = "tests/fixtures/docker28-single.tar";
const isWindows = "Deno" in globalThis && Deno.build.os === "windows";

async function tarpush(args: string, stdin?: Uint8Array | ReadableStream<Uint8Array>) {
  return await runProgram(args, { stdin });
}

test("tarpush hands exit code and output to the system", async () => {
  const help = await tarpush("--help");
  assertEquals([help.code, help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "Usage:");
  const usage = await tarpush("pusch");
  assertEquals([usage.code, usage.stdout], [2, ""]);
  assertEquals((await tarpush("inspect no-such.tar")).code, 1);
});

test("tarpush inspect reads a pipe", async () => {
  // More than one piece of stdin: the archive, then zeros that tar allows behind its end.
  const fixture = await runProcess("cat", [SINGLE]);
  const padding = new Uint8Array(3 * 1024 * 1024);
  const { code, stdout, stderr } = await tarpush(
    "inspect - --json",
    ReadableStream.from([fixture.stdoutBytes, padding]),
  );
  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout).images[0].names, ["held/basic:1"]);
}, { skip: isWindows ? "no cat" : undefined });

test("tarpush serve answers until it is interrupted, tarpush push needs nothing else", async () => {
  const serve = cliCommand("serve", "--port", "0");
  await using server = spawnProcess(serve.command, serve.args);
  const lines = server.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await lines.read();
  const address = /http:\/\/(127\.0\.0\.1:\d+)/.exec(value)?.[1] ?? "";
  const { code, stdout, stderr } = await tarpush(`push ${SINGLE} ${address}/team/app:1`);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^127\.0\.0\.1:\d+\/team\/app:1@sha256:[0-9a-f]{64}\n$/);
  server.kill("SIGINT");
  assertEquals(await server.exited, 0);
  lines.releaseLock();
}, { skip: isWindows ? "no signals" : undefined });

test("tarpush ends quietly when nobody reads its output", async () => {
  const { command, args } = cliCommand("inspect", SINGLE, "--json");
  const line = [command, ...args].map((word) => `'${word}'`).join(" ");
  const { stdout, stderr } = await runProcess("sh", ["-c", `(${line}; echo "code $?" >&2) | true`]);
  assertEquals([stdout, stderr], ["", "code 0\n"]);
}, { skip: isWindows ? "no sh" : undefined });
