/**
 * The program `tarpush`: `deno run -A src/cli/main.ts push image.tar localhost:5000/app:1.0`, or the same with `bun`.
 *
 * @module
 */

import type { Host } from "../runtime/host.ts";
import { runtimeName } from "../runtime/runtime_name.ts";
import { run } from "./run.ts";

/** The host of this runtime; the other's half would be loaded for nothing. */
async function hostHere(): Promise<Host> {
  if (runtimeName(globalThis) === "deno") {
    return (await import("../runtime/deno.ts")).createDenoHost();
  }
  return (await import("../runtime/bun.ts")).createBunHost();
}

// A runtime that does not say which module is the program, such as Node.js 22, is told what is missing.
if (import.meta.main ?? true) {
  const host = await hostHere();
  // Said aloud: idle connections to the registry would keep the process alive.
  host.exit(await run(host));
}
