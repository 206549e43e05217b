/** What a test may be told. */
export interface TestOptions {
  /** Why it cannot run here; it is then reported as skipped. */
  skip?: string | undefined;
}

/** Longest time for a test on Bun, whose own limit is 5 s; `deno test` has none. Programs that hang are ended before. */
const BUN_MILLISECONDS = 600_000;

type Register = (name: string, body: () => void | Promise<void>, options?: TestOptions) => void;

/** Registers a test with the runner of the runtime: `deno test` or `bun test`. */
export const test: Register = await pickRunner();

// Tests talk to this machine alone, whatever a proxy of the environment thinks of that; what is behind one is set where
// that is tested.
addToEnvironment("NO_PROXY", "localhost,127.0.0.0/8,127.0.0.1,::1");

function addToEnvironment(name: string, value: string): void {
  if ("Deno" in globalThis) {
    const before = Deno.env.get(name);
    return Deno.env.set(name, before ? `${before},${value}` : value);
  }
  const { process } = globalThis as unknown as { process: { env: Record<string, string> } };
  const before = process.env[name];
  process.env[name] = before ? `${before},${value}` : value;
}

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
    skip ? bun.test.skip(`${name} (skipped: ${skip})`, fn) : bun.test(name, fn, BUN_MILLISECONDS);
}
