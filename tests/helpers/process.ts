const { Bun, process } = globalThis as unknown as BunGlobals;

/** How a process is started. */
export interface SpawnOptions {
  /** Its folder. */
  cwd?: string | undefined;
  /** Changes to the environment; undefined takes a variable away. */
  env?: Record<string, string | undefined> | undefined;
  /** What it reads; nothing when absent. A process may end before it has read everything. */
  stdin?: Uint8Array | ReadableStream<Uint8Array> | undefined;
}

/** How a process is run to its end. */
export interface RunOptions extends SpawnOptions {
  /**
   * Milliseconds after which it is killed and the promise rejects. So many that only what hangs takes them: where all is
   * busy, what builds or installs packages takes minutes.
   * @default {300_000}
   */
  timeout?: number | undefined;
}

/** A process that has ended. */
export interface ProcessResult {
  /** Exit code; 128 and the number of the signal where one ended it. */
  code: number;
  stdout: string;
  stderr: string;
  stdoutBytes: Uint8Array;
}

/** A process that runs; its two streams have to be read or cancelled. Disposing of it kills it and waits. */
export interface SpawnedProcess extends AsyncDisposable {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Settled with the exit code when it has ended. */
  readonly exited: Promise<number>;
  kill(signal?: "SIGINT" | "SIGTERM" | "SIGKILL"): void;
}

/** Runs a program to its end, on either runtime. */
export async function runProcess(
  command: string,
  args: readonly string[],
  { timeout = 300_000, ...options }: RunOptions = {},
): Promise<ProcessResult> {
  const child = spawnProcess(command, args, options);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, timeout);
  try {
    const result = await resultOf(child);
    if (!isLate) return result;
    const line = [command, ...args].join(" ");
    const output = result.stdout + result.stderr;
    throw new Error(`Cannot run ${line}: still running after ${timeout} ms\n${output}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a program that has to end well, and returns what it prints. */
export async function runWell(
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  const { code, stdout, stderr } = await runProcess(command, args, options);
  if (code === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")} ended with code ${code}\n${stdout}${stderr}`);
}

/** Starts a program, on either runtime. */
export function spawnProcess(
  command: string,
  args: readonly string[],
  { cwd, env = {}, stdin }: SpawnOptions = {},
): SpawnedProcess {
  const variables = Object.entries({ ...environment(), ...env })
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  const settings = { cwd, env: Object.fromEntries(variables), stdin };
  return isDeno ? spawnDeno(command, args, settings) : spawnBun(command, args, settings);
}

/** Reads what a process writes, and waits for its end. */
export async function resultOf(child: SpawnedProcess): Promise<ProcessResult> {
  const [stdoutBytes, stderr, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout: new TextDecoder().decode(stdoutBytes), stderr, stdoutBytes };
}

/** The command line that runs the program itself on the runtime that runs this test. */
export function cliCommand(...args: string[]): { command: string; args: string[] } {
  const main = toPath(new URL("../../src/cli/main.ts", import.meta.url));
  if (isDeno) return { command: Deno.execPath(), args: ["run", "-A", main, ...args] };
  return { command: process.execPath, args: [main, ...args] };
}

/**
 * Runs the program itself.
 *
 * @param words What is typed behind its name; one text is split at its spaces.
 */
export async function runProgram(
  words: string | readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const { command, args } = cliCommand(...typeof words === "string" ? words.split(" ") : words);
  return await runProcess(command, args, options);
}

/** The variables of this process. */
export function environment(): Record<string, string | undefined> {
  return isDeno ? Deno.env.toObject() : Bun.env;
}

export function toPath(url: URL): string {
  return decodeURIComponent(url.pathname).replace(/^\/([A-Za-z]:)/, "$1");
}

/** A folder of its own for a test; disposing of it removes it with all it holds. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
  /** Creates or replaces a file and returns its path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Reads a file. */
  read(name: string): Promise<Uint8Array>;
}

/** Makes a folder in the system's place for temporary files. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  if (isDeno) return denoFolder(await Deno.makeTempDir({ prefix: "tarpush-test-" }));
  // Not longer than that: podman takes no path above 50 characters for what it runs.
  const name = `tarpush-test-${crypto.randomUUID().slice(0, 8)}`;
  const path = `${Bun.env.TMPDIR ?? Bun.env.TEMP ?? "/tmp"}/${name}`;
  await Bun.$`mkdir -p ${path}`.quiet();
  return bunFolder(path);
}

/** The names in a folder, sorted. */
export async function listFolder(path: string): Promise<string[]> {
  return (await runProcess("ls", ["-A", path])).stdout.split("\n").filter(Boolean);
}

/** For the options of a test: why what has few rights of Deno reads no temporary file here. */
export function fewRightsSkip(): string | undefined {
  const isBelow = environment().TMPDIR?.startsWith("/dev/");
  return isBelow ? "temporary files are below /dev, for which Deno wants every right" : undefined;
}

interface Settings {
  cwd: string | undefined;
  env: Record<string, string>;
  stdin: Uint8Array | ReadableStream<Uint8Array> | undefined;
}

const isDeno = "Deno" in globalThis;

function spawnDeno(command: string, args: readonly string[], settings: Settings): SpawnedProcess {
  const { cwd, env, stdin } = settings;
  const child = new Deno.Command(command, {
    args: [...args],
    ...(cwd !== undefined && { cwd }),
    env,
    clearEnv: true,
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = new AbortController();
  const fed = stdin &&
    toStream(stdin).pipeTo(child.stdin, { signal: ended.signal }).catch(ignoreEarlyEnd);
  const exited = child.status.then(async ({ code }) => {
    // What feeds it may have nothing to say for ever.
    ended.abort();
    await fed;
    return code;
  });
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    kill: (signal = "SIGTERM") => killQuietly(() => child.kill(signal)),
    async [Symbol.asyncDispose]() {
      killQuietly(() => child.kill("SIGKILL"));
      await Promise.all([drain(child.stdout), drain(child.stderr), exited]);
    },
  };
}

function spawnBun(command: string, args: readonly string[], settings: Settings): SpawnedProcess {
  const { cwd, env, stdin = null } = settings;
  const child = Bun.spawn([command, ...args], {
    ...(cwd !== undefined && { cwd }),
    env,
    stdin,
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    exited: child.exited,
    kill: (signal = "SIGTERM") => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await Promise.all([drain(child.stdout), drain(child.stderr), child.exited]);
    },
  };
}

function toStream(stdin: Uint8Array | ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return stdin instanceof ReadableStream ? stdin : ReadableStream.from([stdin]);
}

// A program may have read all it wants; whether that was right shows in its exit code and output.
function ignoreEarlyEnd(): void {}

// Deno throws for a process that has ended already, Bun does not.
function killQuietly(kill: () => void): void {
  try {
    kill();
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
  }
}

// Somebody else may be reading, and then it is theirs to end.
async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  if (!stream.locked) await stream.cancel();
}

function denoFolder(path: string): TemporaryFolder {
  return {
    path,
    async write(name, content) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${path}/${name}`, bytes);
      return `${path}/${name}`;
    },
    read: (name) => Deno.readFile(`${path}/${name}`),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

function bunFolder(path: string): TemporaryFolder {
  return {
    path,
    async write(name, content) {
      await Bun.write(`${path}/${name}`, content);
      return `${path}/${name}`;
    },
    read: (name) => Bun.file(`${path}/${name}`).bytes(),
    async [Symbol.asyncDispose]() {
      await Bun.$`rm -rf ${path}`.quiet();
    },
  };
}

interface BunChild {
  pid: number;
  stdout: ReadableStream<Uint8Array>;
  stderr: ReadableStream<Uint8Array>;
  exited: Promise<number>;
  kill(signal: string): void;
}

/** What is used of Bun's globals. */
interface BunGlobals {
  Bun: {
    env: Record<string, string | undefined>;
    spawn(command: string[], options: {
      cwd?: string;
      env: Record<string, string>;
      stdin: Uint8Array | ReadableStream<Uint8Array> | null;
      stdout: "pipe";
      stderr: "pipe";
    }): BunChild;
    write(path: string, content: string | Uint8Array): Promise<number>;
    file(path: string): { bytes(): Promise<Uint8Array> };
    $(parts: TemplateStringsArray, ...values: string[]): { quiet(): Promise<unknown> };
  };
  process: { execPath: string };
}
