import { assertEquals } from "@std/assert";
import {
  cliCommand,
  runProcess,
  type TemporaryFolder,
  temporaryFolder,
} from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;
const isWindows = "Deno" in globalThis && Deno.build.os === "windows";

for (const [method, lengths] of [["stream", [MIB, MIB, 7]], ["ownStream", [0, 0, 7]]] as const) {
  test(`Host.stdin.${method}() gives pieces that ${lengths[0] ? "can be kept" : "are its reader's to free"}`, async () => {
    await using folder = await temporaryFolder();
    const program = await writeProgram(
      folder,
      `const pieces = [];
for await (const piece of currentHost().stdin.${method}()) pieces.push(piece);
pieces.forEach(free);
console.log(JSON.stringify(pieces.map(({ length }) => length)));
`,
    );
    const { command, args } = cliCommand();
    const { stdout, stderr, code } = await runProcess(command, [...args.slice(0, -1), program], {
      stdin: new Uint8Array(2 * MIB + 7),
    });
    assertEquals([code, stdout], [0, `${JSON.stringify(lengths)}\n`], stderr);
  });
}

const READERS = {
  "stream()": "new TextDecoder().decode(await new Response(stdin.stream()).bytes())",
  "pieces()": "new TextDecoder().decode(await new Response(stdin.pieces()).bytes())",
};

for (const [method, expression] of Object.entries(READERS)) {
  test(`Host.stdin.${method} goes on where a file stands that it was redirected from`, async () => {
    await using folder = await temporaryFolder();
    const program = await writeProgram(
      folder,
      `const { stdin } = currentHost();\nconsole.log(${expression});\n`,
    );
    const file = await folder.write("file", `${"a".repeat(512)}read on`);
    const { command, args } = cliCommand();
    const run = [command, ...args.slice(0, -1), program].map((word) => `'${word}'`).join(" ");
    const script = `{ dd bs=512 count=1 of=/dev/null 2>/dev/null; ${run}; } < '${file}'`;
    const { stdout, stderr, code } = await runProcess("sh", ["-c", script]);
    assertEquals([code, stdout], [0, "read on\n"], stderr);
  }, { skip: isWindows ? "there is no sh" : undefined });
}

test("a command says that standard input is a folder", async () => {
  const { command, args } = cliCommand();
  const run = [command, ...args, "inspect", "-"].map((word) => `'${word}'`).join(" ");
  const { stderr, code } = await runProcess("sh", ["-c", `${run} < tests`]);
  assertEquals(
    [code, stderr],
    [1, 'tarpush: Cannot read "-": it is a directory, expected a file\n'],
  );
}, { skip: isWindows ? "there is no sh" : undefined });

function writeProgram(folder: TemporaryFolder, text: string): Promise<string> {
  const from = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
  return folder.write(
    "program.ts",
    `import { currentHost } from ${from("runtime/mod.ts")};
import { free } from ${from("owned_bytes.ts")};
${text}`,
  );
}
