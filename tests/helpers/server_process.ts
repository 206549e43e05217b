import { Output } from "./output.ts";
import { cliCommand, spawnProcess } from "./process.ts";

/** A server that runs in a process of its own; disposing of it kills it. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  /** What the line that told that it listens has in the first group of `listening`. */
  readonly port: string;
  /** What it has logged. */
  log(): string;
  /** Waits until it has logged a text: what it does may show elsewhere before. */
  logged(text: string): Promise<void>;
  /** Asks it to end, and waits for that: what was run of it is counted then. */
  end(): Promise<void>;
}

/** How one learns that a server listens. */
export interface ServerOptions {
  /** A line that it logs when it listens; the group is the port. It may leave the port to the system then. */
  listening?: RegExp;
  /** The port where there is no such line. */
  port?: string;
  /**
   * Path that it is asked for, in plain http, until it is ready. Where its port is known before, another server may have
   * taken that: a path, then, that no other answers so.
   * @default {"/v2/"}
   */
  path?: string;
  /**
   * Status of its answer when it is ready.
   * @default {200}
   */
  status?: number;
  /** Variables of its environment. */
  env?: Record<string, string>;
}

/** How long a server may take until it answers, or logs what is waited for: more than any takes where all is busy. */
const LIMIT_MILLISECONDS = 120_000;

/** What `tarpush serve` says when it listens. */
export const TARPUSH_LISTENS = /^Registry on http:\/\/127\.0\.0\.1:(\d+)/;

/** Starts `tarpush serve` on a free port, with further words. */
export function startTarpush(...words: readonly string[]): Promise<ServerProcess> {
  const { command, args } = cliCommand("serve", "--port", "0", ...words);
  return startServer(command, args, { listening: TARPUSH_LISTENS });
}

/**
 * Starts a server and waits until it answers.
 *
 * @param program Path of the program.
 * @param args Its arguments.
 * @param options How one learns that it listens.
 * @throws {Error} If it does not start; with its log.
 */
export async function startServer(
  program: string,
  args: readonly string[],
  { listening = /$^/, port: known, path = "/v2/", status = 200, env = {} }: ServerOptions,
): Promise<ServerProcess> {
  const child = spawnProcess(program, args, { env });
  const output = new Output(child.stdout, child.stderr);
  async function stop(): Promise<void> {
    child.kill("SIGKILL");
    await output.ended;
    await child.exited;
  }
  try {
    const port = known ?? await portOf(output, listening);
    await untilAnswering(output, `http://127.0.0.1:${port}${path}`, status);
    return {
      pid: child.pid,
      port,
      log: () => output.text,
      logged: async (text) => void await withinLimit(output.has(text), `log ${text}`),
      end: async () => {
        child.kill("SIGTERM");
        await child.exited;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (cause) {
    await stop();
    throw new Error(`Cannot start ${program}: ${cause}\n${output.text}`, { cause });
  }
}

/** The port that a server names in a line, which is there to its end. */
async function portOf(output: Output, { source }: RegExp): Promise<string> {
  const line = new RegExp(`${source}.*\n`, "m");
  const [, port = ""] = line.exec(await withinLimit(output.has(line), "listen")) ?? [];
  return port;
}

async function untilAnswering(output: Output, url: string, status: number): Promise<void> {
  const signal = AbortSignal.timeout(LIMIT_MILLISECONDS);
  let answer: unknown;
  while (!signal.aborted) {
    if (output.isEnded) throw new Error("it has ended");
    try {
      const response = await fetch(url, { signal });
      await response.body?.cancel();
      if (response.status === status) return;
      answer = response.status;
    } catch (error) {
      answer = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${url} does not answer with ${status}, but ${answer}`);
}

async function withinLimit<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    const error = new Error(`it does not ${what} within ${LIMIT_MILLISECONDS} ms`);
    timer = setTimeout(reject, LIMIT_MILLISECONDS, error);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
