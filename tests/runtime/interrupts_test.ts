import { assertEquals } from "@std/assert";
import { cliCommand, runProcess, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const isDeno = "Deno" in globalThis;
const skip = !isDeno
  ? "only Deno starts itself again"
  : Deno.build.os === "windows"
  ? "no signals"
  : undefined;

/** What a program sends to itself, and how many interrupts it counts after each. */
const CASES: [signals: string[], counts: number[]][] = [
  [["SIGINT", "SIGINT"], [1, 2]],
  [["SIGTERM", "SIGINT"], [1, 2]],
  // `kill` reaches the parent alone, which passes it on.
  [["SIGUSR1", "SIGUSR1"], [1, 2]],
  // Ctrl-C reaches both, and the parent passes it on: in any order it is one.
  [["SIGINT", "SIGUSR1", "SIGINT", "SIGUSR1"], [1, 1, 2, 2]],
  [["SIGUSR1", "SIGINT", "SIGUSR1", "SIGINT"], [1, 1, 2, 2]],
  [["SIGINT", "SIGUSR1", "SIGUSR1", "SIGINT"], [1, 1, 2, 2]],
];

for (const [signals, counts] of CASES) {
  test(`Host.onInterrupt() counts ${signals.join(", ")} as ${counts.at(-1)}`, async () => {
    await using folder = await temporaryFolder();
    const source = new URL("../../src/runtime/deno_restart.ts", import.meta.url).href;
    const program = await folder.write(
      "program.ts",
      `import { countInterrupts } from ${JSON.stringify(source)};
let count = 0;
const release = countInterrupts(() => count++);
const counts: number[] = [];
for (const signal of ${JSON.stringify(signals)} as Deno.Signal[]) {
  const arrived = Promise.withResolvers<void>();
  Deno.addSignalListener(signal, arrived.resolve);
  Deno.kill(Deno.pid, signal);
  await arrived.promise;
  Deno.removeSignalListener(signal, arrived.resolve);
  counts.push(count);
}
release();
console.log(JSON.stringify(counts));
`,
    );
    const { stdout, stderr, code } = await runProcess(cliCommand().command, ["run", "-A", program]);
    assertEquals([code, stdout], [0, `${JSON.stringify(counts)}\n`], stderr);
  }, { skip });
}
