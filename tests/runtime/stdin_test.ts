import { assertEquals } from "@std/assert";
import { cliCommand, runProcess, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;

for (const [method, lengths] of [["stream", [MIB, MIB, 7]], ["ownStream", [0, 0, 7]]] as const) {
  test(`Host.stdin.${method}() gives pieces that ${lengths[0] ? "can be kept" : "are its reader's to free"}`, async () => {
    await using folder = await temporaryFolder();
    const from = (path: string) =>
      JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
    const program = await folder.write(
      "program.ts",
      `import { currentHost } from ${from("runtime/mod.ts")};
import { free } from ${from("owned_bytes.ts")};
const pieces = [];
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
