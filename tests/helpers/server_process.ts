import { TextLineStream } from "@std/streams/text-line-stream";
import { spawnProcess } from "./process.ts";

/** A server that runs in a process of its own; disposing of it ends it. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  /** What the line that told that it listens has in the first group of `listening`. */
  readonly port: string;
  /** The end of what it has logged. */
  log(): string;
}

/** How one learns that a server listens. */
export interface ServerOptions {
  /** A line that it logs when it listens; the group is the port. It may leave the port to the system then. */
  listening?: RegExp;
  /** The port where there is no such line. */
  port?: string;
  /**
   * Status of its answer to `GET /v2/` in plain http when it is ready.
   * @default {200}
   */
  status?: number;
  /** Variables of its environment. */
  env?: Record<string, string>;
}

/** How long a server may take until it answers. */
const START_MILLISECONDS = 20_000;

const LOG_CHARACTERS = 64 * 1024;

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
  { listening = /$^/, port: known, status = 200, env = {} }: ServerOptions,
): Promise<ServerProcess> {
  const child = spawnProcess(program, args, { env });
  const log = new Log(listening);
  const ended = Promise.all([log.follow(child.stdout), log.follow(child.stderr)]);
  async function stop(): Promise<void> {
    child.kill("SIGKILL");
    await ended;
    await child.exited;
  }
  try {
    const end = ended.then(() => {
      throw new Error("it has ended");
    });
    end.catch(() => {}); // It ends after all, when nobody waits for it any more.
    const port = known ?? await withinLimit(Promise.race([log.port, end]));
    await Promise.race([untilAnswering(`http://127.0.0.1:${port}/v2/`, status), end]);
    return { pid: child.pid, port, log: () => log.text, [Symbol.asyncDispose]: stop };
  } catch (cause) {
    await stop();
    throw new Error(`Cannot start ${program}: ${cause}\n${log.text}`, { cause });
  }
}

/** What a process has written, and the port that it named. */
class Log {
  text = "";
  readonly port: Promise<string>;
  readonly #pattern: RegExp;
  readonly #found: (port: string) => void;

  constructor(pattern: RegExp) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.port = promise;
    this.#found = resolve;
    this.#pattern = pattern;
  }

  async follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    const lines = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.text = `${this.text}${line}\n`.slice(-LOG_CHARACTERS);
      const [, port] = this.#pattern.exec(line) ?? [];
      if (port !== undefined) this.#found(port);
    }
  }
}

async function untilAnswering(url: string, status: number): Promise<void> {
  const end = performance.now() + START_MILLISECONDS;
  while (true) {
    try {
      const response = await fetch(url);
      await response.body?.cancel();
      if (response.status === status) return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    if (performance.now() > end) throw new Error(`${url} does not answer with ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function withinLimit<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    const error = new Error(`it does not listen after ${START_MILLISECONDS} ms`);
    timer = setTimeout(reject, START_MILLISECONDS, error);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
