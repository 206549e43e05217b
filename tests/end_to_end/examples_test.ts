import { assertEquals, assertNotEquals } from "@std/assert";
import { cliCommand, runProcess, toPath } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const FOLDER = new URL("../../examples/", import.meta.url);

for (const name of await listExamples()) {
  test(`examples/${name} runs to its end and says something`, async () => {
    const { command, args } = cliCommand();
    const options = args.slice(0, -1);
    const { code, stdout, stderr } = await runProcess(command, [
      ...options,
      toPath(new URL(name, FOLDER)),
    ], { cwd: toPath(new URL("..", FOLDER)) });
    assertEquals(code, 0, stderr);
    assertNotEquals((stdout + stderr).trim(), "");
  });
}

/** The programs of the folder; none where there is no folder. */
async function listExamples(): Promise<string[]> {
  const names: string[] = [];
  if ("Deno" in globalThis) {
    for await (const { name } of Deno.readDir(FOLDER)) names.push(name);
  } else {
    const { Bun } = globalThis as unknown as {
      Bun: { Glob: new (pattern: string) => { scan(folder: string): AsyncIterable<string> } };
    };
    for await (const name of new Bun.Glob("*").scan(toPath(FOLDER))) names.push(name);
  }
  return names.filter((name) => name.endsWith(".ts")).sort();
}
