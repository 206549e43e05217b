/** What a test may be told. */
export interface TestOptions {
  /** Why it cannot run here; it is then reported as skipped. */
  skip?: string | undefined;
}

type Register = (name: string, body: () => void | Promise<void>, options?: TestOptions) => void;

/** Registers a test with the runner of the runtime: `deno test` or `bun test`. */
export const test: Register = await pickRunner();

async function pickRunner(): Promise<Register> {
  if ("Deno" in globalThis) {
    return (name, fn, { skip } = {}) =>
      Deno.test({
        name: skip ? `${name} (skipped: ${skip})` : name,
        ignore: skip !== undefined,
        fn,
      });
  }
  // A variable keeps `deno check` from resolving a module that only Bun has.
  const runner = "bun:test";
  const bun = await import(runner);
  return (name, fn, { skip } = {}) =>
    skip ? bun.test.skip(`${name} (skipped: ${skip})`, fn) : bun.test(name, fn, 120_000);
}
