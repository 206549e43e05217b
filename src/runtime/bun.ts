import type { Bytes } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import { createBunFetch } from "./bun_fetch.ts";
import { openBunFile } from "./bun_file.ts";
import type { BunGlobals, BunWriter } from "./bun_globals.ts";
import { errorCode, failed, fileId, toFileError } from "./file_error.ts";
import type { ByteInput, ByteOutput, FileInfo, Host } from "./host.ts";
import { createByteOutput, createTextOutput } from "./output.ts";

const scope = globalThis as unknown as BunGlobals;
const { Bun } = scope;

// The web has no files by path, no standard streams, no signals and no listening sockets: hence this file.

export function createBunHost(): Host {
  // Not at the top: Deno loads this file as well, and takes 10 ms to load Node's process, which it has under this name.
  const { process } = scope;
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
    openDirectory: async (path) =>
      await (await import("./bun_directory.ts")).openBunDirectory(path),
    // Loaded by what serves a registry from a folder.
    openStorage: async (path, options = {}) => {
      const { openFolder } = await import("./storage/open_storage.ts");
      const { bunStorageFiles } = await import("./storage/bun_files.ts");
      return await openFolder(path, bunStorageFiles, options);
    },
    openPipe,
    readTextFile,
    writeTextFile: async (path, text) => {
      await Bun.write(path, text).catch(failed("write", path));
    },
    requireWritable: async (path) =>
      await (await import("./bun_new_file.ts")).requireWritable(path),
    fileInfo,
    // Loaded by what keeps receipts or saves an image; a push does without.
    appendText: async (path, text) => await (await loadShell()).appendText(path, text),
    makeDirectory: async (path) => await (await loadShell()).makeDirectory(path),
    lockFile: async (path) =>
      await (await import("./storage/bun_files.ts")).bunStorageFiles.lock(path),
    createFile: async (path) => await (await import("./bun_new_file.ts")).createBunFile(path),
    onInterrupt(handler) {
      const signals = ["SIGINT", "SIGTERM"];
      for (const signal of signals) process.on(signal, handler);
      return () => signals.forEach((signal) => process.off(signal, handler));
    },
    fetchWith: (options) => createBunFetch(options, (name) => Bun.env[name]),
    // Loaded by what serves a registry.
    serve: async (handler, options) =>
      (await import("./bun_server.ts")).listenOnBun(handler, options),
    exit: (code) => process.exit(code),
  };
}

async function readTextFile(path: string): Promise<string> {
  try {
    const { decodeText, requireTextSize } = await import("./text_file.ts");
    const file = Bun.file(path);
    requireTextSize(path, (await file.stat()).size);
    return decodeText(await file.bytes());
  } catch (error) {
    throw toFileError("read", path, error);
  }
}

async function fileInfo(path: string): Promise<FileInfo | undefined> {
  const info = await statOf(path).catch(() => undefined);
  if (!info) return undefined;
  const kind = info.isFile() ? "file" : info.isDirectory() ? "directory" : "other";
  const { size, mtime, dev, ino } = info;
  return { kind, size, modified: mtime.getTime(), ...fileId(dev, ino) };
}

// What is no path, such as one with a zero byte, makes Bun throw before there is a promise.
async function statOf(path: string) {
  return await Bun.file(path).stat();
}

function bunInput(): ByteInput {
  return {
    isTerminal: () => isTerminal("stdin"),
    stream: () => ReadableStream.from(readStdin()),
    ownStream: () => ReadableStream.from(readStdin(own)),
    pieces: readAsItComes,
  };
}

async function* readAsItComes(): AsyncGenerator<Uint8Array> {
  yield* (await loadStdin()).readBunPieces();
}

async function* readStdin(use?: (piece: Bytes) => Bytes): AsyncGenerator<Uint8Array> {
  yield* (await loadStdin()).readBunStdin(use);
}

async function openPipe(path: string): Promise<ReadableStream<Uint8Array> | undefined> {
  const info = await Bun.file(path).stat();
  if (!info.isFIFO()) return undefined;
  return ReadableStream.from((await loadStdin()).readBunPipe(path, own));
}

function loadShell(): Promise<typeof import("./bun_shell.ts")> {
  return import("./bun_shell.ts");
}

// A push of a file does without.
function loadStdin(): Promise<typeof import("./bun_stdin.ts")> {
  return import("./bun_stdin.ts");
}

async function isTerminal(name: "stdin" | "stdout" | "stderr"): Promise<boolean> {
  // Bun loads Node's streams for process.stdout and the like, which takes as long as the rest of a repeated push.
  const info = await Bun[name].stat().catch(() => undefined);
  return info?.isCharacterDevice() === true && scope.process[name].isTTY === true;
}

function bunOutput(name: "stdout" | "stderr"): ByteOutput {
  let writer: BunWriter | undefined;
  return createByteOutput({
    name,
    isTerminal: () => isTerminal(name),
    async write(bytes) {
      // Bun.write() makes room in a file before it writes: where that is appended to, the room stays as a row of zeros.
      writer ??= Bun[name].writer();
      await writer.write(bytes);
      await writer.flush();
    },
    isBrokenPipe: (error) => errorCode(error) === "EPIPE",
  });
}
