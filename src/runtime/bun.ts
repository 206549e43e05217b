import { OciError } from "../errors.ts";
import { own } from "../owned_bytes.ts";
import type { Bytes, SourceSlice } from "../source.ts";
import { createByteOutput } from "./byte_output.ts";
import { fileError, stateOfCode } from "./file_error.ts";
import type {
  ByteInput,
  ByteOutput,
  Host,
  ListeningServer,
  NewFile,
  OpenFile,
  TextOutput,
} from "./host.ts";
import { readLine } from "./read_line.ts";
import { temporaryName } from "./temporary_name.ts";
import { createTextOutput } from "./text_output.ts";

// The web has no files by path, no standard streams, no signals and no listening sockets: hence this file.

/** Bytes of one piece of stdin; Bun itself hands out 12 to 64 KiB. */
const PIECE_BYTES = 1024 * 1024;

/** The host for Bun. */
export function createBunHost(): Host {
  const { Bun, process } = bunGlobals();
  return {
    name: "bun",
    get args() {
      return Bun.argv.slice(2);
    },
    stdin: bunInput(),
    stdout: bunOutput("stdout"),
    byteStdout: bunByteOutput(),
    stderr: bunOutput("stderr"),
    env: (name) => Bun.env[name],
    openFile: openBunFile,
    readTextFile: (path) =>
      Bun.file(path).text().catch((error) => throwFileError("read", path, error)),
    writeTextFile: async (path, text) => {
      await Bun.write(path, text).catch((error) => throwFileError("write", path, error));
    },
    createFile: createBunFile,
    onInterrupt(handler) {
      const signals = ["SIGINT", "SIGTERM"];
      for (const signal of signals) process.on(signal, handler);
      return () => signals.forEach((signal) => process.off(signal, handler));
    },
    fetchWith,
    restartTrusting: () => Promise.resolve(undefined),
    serve,
    exit: (code) => process.exit(code),
  };
}

/** Opens a file; see `openFile` in host.ts. */
export async function openBunFile(path: string | URL): Promise<OpenFile> {
  const file = bunGlobals().Bun.file(path);
  try {
    const info = await file.stat();
    if (!info.isFile()) throw fileError("open", path, info.isDirectory() ? "directory" : "special");
    // A Bun file is opened by each read: whether that is allowed shows only now.
    await file.slice(0, 1).bytes();
    return new BunOpenFile(path, info.size, file);
  } catch (error) {
    return throwFileError("open", path, error);
  }
}

// Bun's own streams are lazy, stop when their reader does and close their handle; they come in pieces of 512 KiB.
class BunOpenFile implements OpenFile {
  readonly size: number;
  readonly #path: string | URL;
  #file: BunFile | undefined;

  constructor(path: string | URL, size: number, file: BunFile) {
    this.#path = path;
    this.size = size;
    this.#file = file;
  }

  slice(start: number, end: number): SourceSlice {
    const slice = () => {
      if (!this.#file) throw fileError("read", this.#path, "closed");
      return this.#file.slice(start, Math.min(end, this.size));
    };
    return { stream: () => slice().stream(), arrayBuffer: async () => await slice().arrayBuffer() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file = undefined;
    return Promise.resolve();
  }
}

async function createBunFile(path: string): Promise<NewFile> {
  const { Bun } = bunGlobals();
  const temporary = temporaryName(path);
  const info = await Bun.file(path).stat().catch(() => undefined);
  if (info && !info.isFile()) {
    throw fileError("write", path, info.isDirectory() ? "directory" : "special");
  }
  try {
    // The writer would open it with the first byte only: whether that is allowed shows now.
    await Bun.write(temporary, "", { createPath: false });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw fileError("write", path, "folder", { cause: error });
    throw throwFileError("write", path, error);
  }
  return new BunNewFile(path, temporary, Bun.file(temporary).writer());
}

class BunNewFile implements NewFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #writer: BunWriter;
  #isOpen = true;
  #isThere = true;

  constructor(path: string, temporary: string, writer: BunWriter) {
    this.#path = path;
    this.#temporary = temporary;
    this.#writer = writer;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeNow(this.#writer, bytes).catch((error) =>
      throwFileError("write", this.#path, error)
    );
  }

  async commit(): Promise<void> {
    const { Bun } = bunGlobals();
    try {
      this.#isOpen = false;
      await this.#writer.end();
    } catch (error) {
      throw throwFileError("write", this.#path, error);
    }
    // Bun has no rename of its own but that of its shell, which is built in; what starts with a dash is no option.
    const [from, to] = [this.#temporary, this.#path].map((name) => name.replace(/^-/, "./-"));
    const { exitCode, stderr } = await Bun.$`mv ${from} ${to}`.quiet().nothrow();
    if (exitCode !== 0) {
      throw fileError("write", this.#path, { text: new TextDecoder().decode(stderr).trim() });
    }
    this.#isThere = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A writer that failed fails again; what led here is what counts.
    if (this.#isOpen) await Promise.resolve(this.#writer.end()).catch(() => {});
    this.#isOpen = false;
    if (this.#isThere) await bunGlobals().Bun.file(this.#temporary).delete().catch(() => {});
    this.#isThere = false;
  }
}

/** Both may fail, each for what is handed to the system by it. */
async function writeNow(writer: BunWriter, bytes: Uint8Array): Promise<void> {
  await writer.write(bytes);
  await writer.flush();
}

function throwFileError(action: string, path: string | URL, cause: unknown): never {
  if (cause instanceof OciError) throw cause;
  throw fileError(action, path, stateOfCode(errorCode(cause)) ?? { text: reasonOf(cause) }, {
    cause,
  });
}

function bunInput(): ByteInput {
  const { Bun } = bunGlobals();
  return {
    isTerminal: () => isTerminal("stdin"),
    stream: () => ReadableStream.from(gather(Bun.stdin.stream())),
    ownStream: () => ReadableStream.from(gather(Bun.stdin.stream(), own)),
    line: () => readLine(Bun.stdin.stream()),
  };
}

async function* gather(
  stream: ReadableStream<Uint8Array>,
  use = (piece: Bytes): Bytes => piece,
): AsyncGenerator<Uint8Array> {
  let piece = use(new Uint8Array(PIECE_BYTES));
  let filled = 0;
  for await (let bytes of stream) {
    while (bytes.length > 0) {
      const part = bytes.subarray(0, PIECE_BYTES - filled);
      piece.set(part, filled);
      filled += part.length;
      bytes = bytes.subarray(part.length);
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = use(new Uint8Array(PIECE_BYTES));
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

async function isTerminal(name: "stdin" | "stdout" | "stderr"): Promise<boolean> {
  const { Bun, process } = bunGlobals();
  // Bun loads Node's streams for process.stdout and the like, which takes as long as the rest of a repeated push.
  const info = await Bun[name].stat().catch(() => undefined);
  return info?.isCharacterDevice() === true && process[name].isTTY === true;
}

function bunOutput(name: "stdout" | "stderr"): TextOutput {
  const { process } = bunGlobals();
  const write = bunWrite(name);
  const encoder = new TextEncoder();
  return createTextOutput({
    name,
    isTerminal: () => isTerminal(name),
    size: () => process[name],
    write: (text) => write(encoder.encode(text)),
    isBrokenPipe: (error) => errorCode(error) === "EPIPE",
  });
}

function bunByteOutput(): ByteOutput {
  return createByteOutput({
    name: "stdout",
    isTerminal: () => isTerminal("stdout"),
    write: bunWrite("stdout"),
    isBrokenPipe: (error) => errorCode(error) === "EPIPE",
  });
}

/** Bun.write() makes room in a file before it writes: where that is appended to, the room stays as a row of zeros. */
function bunWrite(name: "stdout" | "stderr"): (bytes: Uint8Array) => Promise<void> {
  let writer: BunWriter | undefined;
  return (bytes) => writeNow(writer ??= bunGlobals().Bun[name].writer(), bytes);
}

const fetchWith: Host["fetchWith"] = ({ ca, insecureHosts = [] }) => {
  const trusted = new Map<string, BunTls>();
  return async (request) => {
    const { origin, hostname, protocol } = new URL(request.url);
    if (insecureHosts.includes(hostname)) return await send(request, { rejectUnauthorized: false });
    if (ca === undefined || protocol === "http:") return await fetch(request);
    const tls = trusted.get(origin) ?? await chooseTrust(origin, ca, request.signal);
    trusted.set(origin, tls);
    return await send(request, tls);
  };
};

// Bun's `ca` stands in place of the certificates that it trusts otherwise, those of NODE_EXTRA_CA_CERTS included. Which of
// the two a server needs shows in a handshake; it is asked for nothing, since a body could not be sent twice.
async function chooseTrust(origin: string, ca: string, signal: AbortSignal): Promise<BunTls> {
  try {
    const request = new Request(origin, { method: "HEAD", redirect: "manual", signal });
    const response = await send(request, { ca });
    await response.body?.cancel();
    return { ca };
  } catch (error) {
    if (isUntrusted(error)) return {};
    throw error;
  }
}

function send(request: Request, tls: BunTls): Promise<Response> {
  const init: RequestInit & { tls: BunTls } = { tls };
  return fetch(request, init);
}

/** Whether nobody who is trusted vouches for the certificate; one that has expired is none of these. */
function isUntrusted(error: unknown): boolean {
  const codes = /^(?:UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_|CERT_UNTRUSTED)/;
  return codes.test(String(errorCode(error)));
}

interface BunTls {
  ca?: string;
  rejectUnauthorized?: boolean;
}

const serve: Host["serve"] = (handler, { hostname, port }) => {
  try {
    const server = bunGlobals().Bun.serve({
      hostname,
      port,
      // Bun refuses bodies above 128 MiB and ends connections that are silent for 10 seconds unless told otherwise.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: 0,
      fetch: (request) => handler(request),
    });
    return Promise.resolve<ListeningServer>({ port: server.port, stop: () => server.stop(true) });
  } catch (cause) {
    const state = errorCode(cause) === "EADDRINUSE" ? "the port is in use" : reasonOf(cause);
    return Promise.reject(
      new OciError(`Cannot listen on ${hostname}:${port}: ${state}`, { cause }),
    );
  }
};

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function errorCode(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

interface BunFile {
  stat(): Promise<
    { size: number; isFile(): boolean; isDirectory(): boolean; isCharacterDevice(): boolean }
  >;
  slice(start: number, end: number): BunFile;
  stream(): ReadableStream<Uint8Array>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  text(): Promise<string>;
  writer(): BunWriter;
  delete(): Promise<void>;
}

interface BunWriter {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): number | Promise<number>;
  end(): number | Promise<number>;
}

interface BunShellCommand extends Promise<{ exitCode: number; stderr: Uint8Array }> {
  quiet(): BunShellCommand;
  nothrow(): BunShellCommand;
}

interface BunTerminal {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/** What is used of Bun's globals; its own types would be one more dependency. */
interface BunGlobals {
  Bun: {
    argv: string[];
    env: Record<string, string | undefined>;
    stdin: BunFile;
    stdout: BunFile;
    stderr: BunFile;
    file(path: string | URL): BunFile;
    write(
      target: BunFile | string,
      text: string,
      options?: { createPath: boolean },
    ): Promise<number>;
    $(parts: TemplateStringsArray, ...values: unknown[]): BunShellCommand;
    serve(options: {
      hostname: string;
      port: number;
      maxRequestBodySize: number;
      idleTimeout: number;
      fetch(request: Request): Response | Promise<Response>;
    }): { port: number; stop(closeConnections: boolean): Promise<void> };
  };
  process: {
    stdin: BunTerminal;
    stdout: BunTerminal;
    stderr: BunTerminal;
    on(signal: string, handler: () => void): void;
    off(signal: string, handler: () => void): void;
    exit(code: number): never;
  };
}

function bunGlobals(): BunGlobals {
  return globalThis as unknown as BunGlobals;
}
