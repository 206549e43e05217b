import type { Bytes } from "../bytes.ts";
import { Rests } from "../concurrency.ts";
import { own } from "../owned_bytes.ts";
import type { SourceSlice } from "../source/blob_source.ts";
import { createBunFetch } from "./bun_fetch.ts";
import type { shellFailure } from "./bun_shell_failure.ts";
import type { BunFile, BunGlobals, BunWriter } from "./bun_globals.ts";
import { errorCode, fileError, type FileIdentity, requireSame, toFileError } from "./file_error.ts";
import type { ByteInput, ByteOutput, FileInfo, Host, OpenFile } from "./host.ts";
import { createByteOutput, createTextOutput } from "./output.ts";
import { readLine } from "./read_line.ts";

// The web has no files by path, no standard streams, no signals and no listening sockets: hence this file.

/** The host for Bun. */
export function createBunHost(): Host {
  const { Bun, process } = bunGlobals();
  const stdout = bunOutput("stdout");
  return {
    name: "bun",
    get args() {
      return Bun.argv.slice(2);
    },
    stdin: bunInput(),
    stdout: createTextOutput(stdout, () => process.stdout),
    byteStdout: stdout,
    stderr: createTextOutput(bunOutput("stderr"), () => process.stderr),
    env: (name) => Bun.env[name],
    openFile: openBunFile,
    openDirectory: async (path) => {
      const { openBunDirectory } = await import("./bun_directory.ts");
      return await openBunDirectory(path, (...file) => new BunOpenFile(...file));
    },
    // Loaded by what serves a registry from a folder.
    openStorage: async (path, options = {}) => {
      const { openFolder } = await import("./storage/open_storage.ts");
      const { bunStorageFiles } = await import("./storage/bun_files.ts");
      return await openFolder(path, bunStorageFiles, options);
    },
    openPipe,
    readTextFile,
    writeTextFile: async (path, text) => {
      await Bun.write(path, text).catch((error) => throwFileError("write", path, error));
    },
    fileInfo,
    appendText,
    makeDirectory,
    // Loaded by what saves an image; a push does without.
    createFile: async (path) => await (await import("./bun_new_file.ts")).createBunFile(path),
    onInterrupt(handler) {
      const signals = ["SIGINT", "SIGTERM"];
      for (const signal of signals) process.on(signal, handler);
      return () => signals.forEach((signal) => process.off(signal, handler));
    },
    fetchWith: (options) => createBunFetch(options, (name) => Bun.env[name]),
    restartTrusting: () => Promise.resolve(undefined),
    // Loaded by what serves a registry.
    serve: async (handler, options) =>
      (await import("./bun_server.ts")).listenOnBun(handler, options),
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
    return new BunOpenFile(path, info, file);
  } catch (error) {
    return throwFileError("open", path, error);
  }
}

async function readTextFile(path: string): Promise<string> {
  try {
    const { decodeText, requireTextSize } = await import("./text_file.ts");
    const file = bunGlobals().Bun.file(path);
    requireTextSize(path, (await file.stat()).size);
    return decodeText(await file.bytes());
  } catch (error) {
    return throwFileError("read", path, error);
  }
}

async function fileInfo(path: string): Promise<FileInfo | undefined> {
  const info = await statOf(path).catch(() => undefined);
  if (!info) return undefined;
  const kind = info.isFile() ? "file" : info.isDirectory() ? "directory" : "other";
  return { kind, size: info.size, modified: info.mtime.getTime() };
}

async function makeDirectory(path: string): Promise<void> {
  const name = path.replace(/^-/, "./-");
  const ended = await bunGlobals().Bun.$`mkdir -p ${name}`.quiet().nothrow();
  if (ended.exitCode !== 0) await failShell("make", path, ended);
}

// What is no path, such as one with a zero byte, makes Bun throw before there is a promise.
async function statOf(path: string) {
  return await bunGlobals().Bun.file(path).stat();
}

async function appendText(path: string, text: string): Promise<void> {
  // Bun appends in its shell alone, which is built in.
  const ended = await bunGlobals().Bun.$`echo -n ${text} >> ${path}`.quiet().nothrow();
  if (ended.exitCode !== 0) await failShell("write", path, ended);
}

async function failShell(...failure: Parameters<typeof shellFailure>): Promise<never> {
  throw (await import("./bun_shell_failure.ts")).shellFailure(...failure);
}

// Bun's own streams stop when their reader does and close their handle; they come in pieces of 512 KiB.
class BunOpenFile implements OpenFile {
  readonly size: number;
  readonly #path: string | URL;
  readonly #opened: FileIdentity;
  #file: BunFile | undefined;

  constructor(path: string | URL, opened: FileIdentity, file: BunFile) {
    this.#path = path;
    this.size = opened.size;
    this.#opened = opened;
    this.#file = file;
  }

  slice(start: number, end: number): SourceSlice {
    const slice = () => this.#requireOpen().slice(start, Math.min(end, this.size));
    const fail = (error: unknown) => throwFileError("read", this.#path, error);
    return {
      stream: () => mapError(slice().stream(), fail),
      arrayBuffer: async () => await slice().arrayBuffer().catch(fail),
      blob: slice,
      checkUnchanged: () => this.#checkUnchanged(),
    };
  }

  async #checkUnchanged(): Promise<void> {
    // Another Bun file each time: what one has been asked before, it may answer from memory.
    const now = await bunGlobals().Bun.file(this.#path).stat()
      .catch((error) => throwFileError("read", this.#path, error));
    requireSame(this.#path, this.#opened, now);
  }

  #requireOpen(): BunFile {
    if (!this.#file) throw fileError("read", this.#path, "closed");
    return this.#file;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file = undefined;
    return Promise.resolve();
  }
}

// Bun opens a file when its stream gets a reader, so that only reading fails where the file is gone.
function mapError(
  stream: ReadableStream<Uint8Array>,
  fail: (error: unknown) => never,
): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const rests = new Rests();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        reader ??= stream.getReader();
        const { done, value } = await reader.read();
        if (done) return controller.close();
        // Bun reads a file that the system has in memory without a turn for anybody else.
        const rest = rests.after(value.length);
        if (rest) await rest;
        controller.enqueue(value);
      } catch (error) {
        fail(error);
      }
    },
    cancel: (reason) => reader?.cancel(reason),
  }, { highWaterMark: 0 });
}

function throwFileError(action: string, path: string | URL, cause: unknown): never {
  throw toFileError(action, path, cause);
}

function bunInput(): ByteInput {
  return {
    isTerminal: () => isTerminal("stdin"),
    stream: () => ReadableStream.from(readStdin()),
    ownStream: () => ReadableStream.from(readStdin(own)),
    line: async () => readLine(await (await loadStdin()).openBunStdin()),
  };
}

async function* readStdin(use?: (piece: Bytes) => Bytes): AsyncGenerator<Uint8Array> {
  yield* (await loadStdin()).readBunStdin(use);
}

async function openPipe(path: string): Promise<ReadableStream<Uint8Array> | undefined> {
  const info = await bunGlobals().Bun.file(path).stat();
  if (!info.isFIFO()) return undefined;
  const { readBunPipe } = await loadStdin();
  const fail = (error: unknown) => throwFileError("read", path, error);
  return mapError(ReadableStream.from(readBunPipe(path, own)), fail);
}

// A push of a file does without.
function loadStdin(): Promise<typeof import("./bun_stdin.ts")> {
  return import("./bun_stdin.ts");
}

async function isTerminal(name: "stdin" | "stdout" | "stderr"): Promise<boolean> {
  const { Bun, process } = bunGlobals();
  // Bun loads Node's streams for process.stdout and the like, which takes as long as the rest of a repeated push.
  const info = await Bun[name].stat().catch(() => undefined);
  return info?.isCharacterDevice() === true && process[name].isTTY === true;
}

function bunOutput(name: "stdout" | "stderr"): ByteOutput {
  let writer: BunWriter | undefined;
  return createByteOutput({
    name,
    isTerminal: () => isTerminal(name),
    async write(bytes) {
      // Bun.write() makes room in a file before it writes: where that is appended to, the room stays as a row of zeros.
      writer ??= bunGlobals().Bun[name].writer();
      await writer.write(bytes);
      await writer.flush();
    },
    isBrokenPipe: (error) => errorCode(error) === "EPIPE",
  });
}

function bunGlobals(): BunGlobals {
  return globalThis as unknown as BunGlobals;
}
