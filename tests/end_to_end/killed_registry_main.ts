// deno run -A tests/end_to_end/killed_registry_main.ts [ROUNDS], or bun: the same as the test, for as long as one likes.
import { currentHost } from "../../src/runtime/mod.ts";
import { killRegistry } from "./killed_registry.ts";

const host = currentHost();
const rounds = Number(host.args[0] ?? 50);
await killRegistry(rounds, (round, acknowledged) => {
  void host.stderr.write(`round ${round} of ${rounds}: all ${acknowledged} answers hold\n`);
});
await host.stdout.write(`${rounds} of ${rounds} rounds: nothing lost that was acknowledged\n`);
