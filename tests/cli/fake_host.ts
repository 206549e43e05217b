import { run } from "../../src/cli/run.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import type { Host, TextOutput } from "../../src/runtime/host.ts";
import { currentHost, openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/handler.ts";

/** Files are real ones, as those that are opened. */
const {
  createFile,
  fileInfo,
  lockFile,
  makeDirectory,
  openDirectory,
  openPipe,
  openStorage,
  readTextFile,
  writeTextFile,
} = currentHost();

/** A host in memory, and what a program left on it. */
export interface FakeHost extends Host {
  readonly written: {
    stdout: string;
    stderr: string;
    files: Map<string, string>;
    bytes: Uint8Array[];
  };
  /** What Ctrl-C does. */
  interrupt(): void;
}

/** What differs from an idle terminal-less host. */
export interface FakeHostOptions {
  env?: Record<string, string>;
  stdin?: Uint8Array;
  isTerminal?: boolean;
  columns?: number;
  overrides?: Partial<Host>;
}

/** Thrown by `exit`, which must not return. */
export class Exited extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/** Makes a {@linkcode FakeHost} with these arguments. */
export function fakeHost(args: readonly string[], options: FakeHostOptions = {}): FakeHost {
  const { env = {}, stdin, isTerminal = false, columns = 80, overrides = {} } = options;
  const written: FakeHost["written"] = { stdout: "", stderr: "", files: new Map(), bytes: [] };
  const handlers = new Set<() => void>();
  const output = (name: "stdout" | "stderr"): TextOutput => ({
    isTerminal: () => isTerminal,
    size: () => ({ columns, rows: 24 }),
    write: (text) => {
      written[name] += text;
      return Promise.resolve();
    },
  });
  return {
    name: "deno",
    args,
    stdin: {
      isTerminal: () => stdin === undefined,
      stream: () => ReadableStream.from(stdin ? [stdin] : []),
      pieces: () => ReadableStream.from(stdin ? [stdin] : []),
    },
    stdout: output("stdout"),
    byteStdout: {
      isTerminal: () => isTerminal,
      write: (bytes) => {
        written.bytes.push(bytes.slice());
        return Promise.resolve(true);
      },
    },
    stderr: output("stderr"),
    env: (name) => env[name],
    openFile,
    openDirectory,
    openPipe,
    openStorage,
    readTextFile: async (path) => written.files.get(path) ?? await readTextFile(path),
    writeTextFile: async (path, text) => {
      // What stands beside real files is one.
      if (path.startsWith("/")) await writeTextFile(path, text);
      else written.files.set(path, text);
    },
    fileInfo: (path) => {
      const text = written.files.get(path);
      return text === undefined
        ? fileInfo(path)
        : Promise.resolve({ kind: "file", size: text.length, modified: 0 });
    },
    requireWritable: (path) => Promise.resolve(written.files.has(path)),
    appendText: (path, text) => {
      written.files.set(path, `${written.files.get(path) ?? ""}${text}`);
      return Promise.resolve();
    },
    makeDirectory,
    createFile,
    lockFile,
    onInterrupt: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    fetchWith: () => fetch,
    serve: () => Promise.reject(new Error("no server")),
    exit: (code) => {
      throw new Exited(code);
    },
    ...overrides,
    written,
    interrupt: () => handlers.forEach((handler) => handler()),
  };
}

/** What a run of the program on a {@linkcode FakeHost} finds there. */
export interface FakeRunOptions extends FakeHostOptions {
  /**
   * Answers in place of every registry.
   * @default {createRegistry()} an empty one
   */
  registry?: FetchHandler;
  /** Texts by their paths. */
  files?: ReadonlyMap<string, string> | Record<string, string>;
}

/** Runs the program on a {@linkcode FakeHost}; arguments that are one text are split at its spaces. */
export async function runFake(
  args: string | readonly string[],
  { registry = createRegistry(), files = {}, ...options }: FakeRunOptions = {},
) {
  const overrides: Partial<Host> = { fetchWith: () => registry, ...options.overrides };
  const host = fakeHost(typeof args === "string" ? args.split(" ") : args, {
    ...options,
    overrides,
  });
  const texts = files instanceof Map ? files : new Map(Object.entries(files));
  for (const [path, text] of texts) host.written.files.set(path, text);
  return { code: await run(host), ...host.written };
}

/** The documents of JSON lines. */
export function linesOf(text = ""): Record<string, unknown>[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
