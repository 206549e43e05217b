import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { closedPort, serveRegistry } from "../end_to_end/registry_server.ts";
import { runProcess, runWell, temporaryFolder, toPath } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const FIXTURE = `${ROOT}tests/fixtures/docker28-single.tar`;
const skip = "Deno" in globalThis ? requireProgram("bun").skip : "it is built and tried on Deno";

test("the compiled program pushes from a file and a pipe, without a runtime on PATH", async () => {
  await using folder = await temporaryFolder();
  // What lies around where it is started does not change what it does.
  await folder.write(".env", "TERM=dumb\nHTTP_PROXY=http://127.0.0.1:1\n");
  await folder.write("bunfig.toml", 'preload = ["./absent.ts"]\n');
  await using server = await serveRegistry();
  const program = await compile();
  const run = (args: readonly string[], stdin?: Uint8Array) =>
    runProcess(program, args, { cwd: folder.path, env: { PATH: "" }, stdin });

  const file = await run(["push", FIXTURE, `${server.host}/file:1`, "-q"]);
  assertEquals(file.code, 0, file.stderr);
  assertMatch(file.stdout, /\/file:1@sha256:[0-9a-f]{64}\n$/);
  const pipe = await run(["push", "-", `${server.host}/pipe:1`], await Deno.readFile(FIXTURE));
  assertEquals(pipe.code, 0, pipe.stderr);
  assertEquals(pipe.stdout.split("@")[1], file.stdout.split("@")[1]);

  const { stdout: version } = await run(["--version"]);
  assertMatch(version, /^tarpush \d+\.\d+\.\d+\n$/);
  for (const shell of ["bash", "zsh", "fish"]) {
    assertStringIncludes((await run(["completions", shell])).stdout, "tarpush");
  }
  const usage = await run(["push"]);
  assertEquals([usage.code, usage.stdout], [2, ""]);
  const failed = await run(["push", FIXTURE, `${await closedPort()}/app:1`]);
  assertEquals(failed.code, 1);
  assert(!failed.stderr.includes("\n    at "), failed.stderr);
}, { skip });

async function compile(): Promise<string> {
  const task = ["task", "-q", "compile"];
  return (await runWell(Deno.execPath(), task, { cwd: ROOT })).trim();
}
