/**
 * The program `tarpush`: `deno run -A src/cli/main.ts push image.tar localhost:5000/app:1.0`, or the same with `bun`.
 *
 * @module
 */

import { currentHost } from "../runtime/mod.ts";
import { run } from "./run.ts";

if (import.meta.main) {
  const host = currentHost();
  // Said aloud: idle connections to the registry would keep the process alive.
  host.exit(await run(host));
}
