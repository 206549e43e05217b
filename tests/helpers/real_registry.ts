import type { ServerCertificate } from "./certificates.ts";
import { findProgram, requireProgram } from "./programs.ts";
import { spawnProcess, type TemporaryFolder, temporaryFolder } from "./process.ts";

/** A real registry, by the name of its program. */
export type RegistryKind = "docker-registry" | "registry" | "zot";

/** What a test needs to know of a kind of registry. */
export interface RealRegistryKind {
  readonly kind: RegistryKind;
  /** For people. */
  readonly title: string;
  /** For the options of the test: why it cannot be started here. */
  readonly skip: string | undefined;
}

/** A registry that runs; disposing of it ends it and removes its folder. */
export interface RealRegistry extends AsyncDisposable {
  readonly kind: RegistryKind;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`, or the same with https. */
  readonly origin: string;
  readonly pid: number;
  /** Where it keeps its data. */
  readonly folder: string;
  /** The end of what it has logged. */
  log(): string;
}

/** How a registry is started. */
export interface RealRegistryOptions {
  /** Serves https with it. */
  tls?: ServerCertificate | undefined;
}

/** How long a registry may take until it answers. */
const START_MILLISECONDS = 20_000;

const LOG_CHARACTERS = 64 * 1024;

/**
 * The kinds of registry that a test runs against. The two that CI installs are required there; zot is used where
 * somebody has it.
 */
export function realRegistries(): RealRegistryKind[] {
  return [
    required("docker-registry", "distribution 2"),
    required("registry", "distribution 3"),
    { kind: "zot", title: "zot", skip: findProgram("zot") ? undefined : "no zot on PATH" },
  ];
}

/**
 * Starts a registry on a free port of 127.0.0.1 with an empty temporary folder and deletion enabled.
 *
 * @param kind Which.
 * @param options TLS.
 * @returns The registry, which answers already.
 * @throws {Error} If it does not start; with its log.
 */
export async function startRealRegistry(
  kind: RegistryKind,
  options: RealRegistryOptions = {},
): Promise<RealRegistry> {
  const folder = await temporaryFolder();
  try {
    return await start(kind, folder, options);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

function required(kind: RegistryKind, title: string): RealRegistryKind {
  return { kind, title, skip: requireProgram(kind).skip };
}

async function start(
  kind: RegistryKind,
  folder: TemporaryFolder,
  { tls }: RealRegistryOptions,
): Promise<RealRegistry> {
  const isZot = kind === "zot";
  const files = tls && {
    cert: await folder.write("cert.pem", tls.cert),
    key: await folder.write("key.pem", tls.key),
  };
  const config = isZot
    ? await folder.write("config.json", zotConfig(folder.path, files))
    : await folder.write("config.yml", distributionConfig(folder.path, files));
  const child = spawnProcess(requireProgram(kind).path, ["serve", config], {
    // Distribution 3 sends traces to a collector on this machine unless told not to.
    env: { OTEL_TRACES_EXPORTER: "none" },
  });
  // They take port 0 and log the port that they got: no other process can take it in between.
  const log = new Log(isZot ? /kernel chosen port/ : /listening on 127\.0\.0\.1:\d+/);
  const ended = Promise.all([log.follow(child.stdout), log.follow(child.stderr)]);
  async function stop(): Promise<void> {
    child.kill("SIGKILL");
    await ended;
    await child.exited;
    await folder[Symbol.asyncDispose]();
  }
  try {
    const line = await withinLimit(Promise.race([log.line, ended.then(() => "")]));
    const port = /"port":(\d+)/.exec(line)?.[1] ?? /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) throw new Error("it has ended");
    const host = `127.0.0.1:${port}`;
    // On a TLS port the answer to plain http is 400.
    await untilAnswering(`http://${host}/v2/`, tls ? 400 : 200);
    return {
      kind,
      host,
      origin: `${tls ? "https" : "http"}://${host}`,
      pid: child.pid,
      folder: folder.path,
      log: () => log.text,
      [Symbol.asyncDispose]: stop,
    };
  } catch (cause) {
    await stop();
    throw new Error(`Cannot start ${kind}: ${cause}\n${log.text}`, { cause });
  }
}

function distributionConfig(folder: string, tls?: ServerCertificate): string {
  const files = tls && { certificate: tls.cert, key: tls.key };
  return `version: 0.1
log: { level: info, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${JSON.stringify(`${folder}/data`)} }
  delete: { enabled: true }
http: ${JSON.stringify({ addr: "127.0.0.1:0", ...(files && { tls: files }) })}
`;
}

function zotConfig(folder: string, tls?: ServerCertificate): string {
  return JSON.stringify({
    distSpecVersion: "1.1.1",
    storage: { rootDirectory: `${folder}/data` },
    http: { address: "127.0.0.1", port: "0", ...(tls && { tls }) },
    log: { level: "info" },
  });
}

/** What a process has written; `line` is its first line that matches. */
class Log {
  text = "";
  readonly line: Promise<string>;
  readonly #pattern: RegExp;
  readonly #found: (line: string) => void;

  constructor(pattern: RegExp) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.line = promise;
    this.#found = resolve;
    this.#pattern = pattern;
  }

  async follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.text = (this.text + text).slice(-LOG_CHARACTERS);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      const line = lines.find((line) => this.#pattern.test(line));
      if (line !== undefined) this.#found(line);
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
