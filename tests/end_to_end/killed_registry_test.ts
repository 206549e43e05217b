import { test } from "../helpers/test.ts";
import { killRegistry } from "./killed_registry.ts";

const isWindows = "Deno" in globalThis && Deno.build.os === "windows";

test(
  "tarpush serve --dir has all that it said it has after SIGKILL, and nothing half",
  async () => {
    await killRegistry(3);
  },
  { skip: isWindows ? "no signals" : undefined },
);
