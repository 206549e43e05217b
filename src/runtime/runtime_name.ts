/**
 * Tells a runtime by its globals. Bun has no Deno global unless a program brings its own; it is asked for first.
 *
 * @throws {TypeError} If the runtime is neither Deno nor Bun.
 */
export function runtimeName(scope: object): "deno" | "bun" {
  if ("Bun" in scope) return "bun";
  if ("Deno" in scope) return "deno";
  throw new TypeError(
    "Cannot use files and processes here: expected Deno or Bun " +
      "(elsewhere bunx runs the command, and a Blob takes the place of openFile())",
  );
}
