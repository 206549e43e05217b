import type { Bytes } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import { createDenoFetch } from "./deno_fetch.ts";
import { openDenoFile, PIECE_BYTES } from "./deno_file.ts";
import { failed, throwFileError } from "./deno_file_error.ts";
import { countInterrupts, restartTrusting } from "./deno_restart.ts";
import { fileId } from "./file_error.ts";
import type { ByteInput, ByteOutput, FileInfo, Host } from "./host.ts";
import { createByteOutput, createTextOutput, writeAll } from "./output.ts";

// The web has no files by path, no standard streams, no signals and no listening sockets: hence this file.

export function createDenoHost(): Host {
  const stdout = denoOutput("stdout");
  return {
    name: "deno",
    get args() {
      return Deno.args;
    },
    stdin: denoInput(),
    stdout: createTextOutput(stdout, () => Deno.consoleSize()),
    byteStdout: stdout,
    stderr: createTextOutput(denoOutput("stderr"), () => Deno.consoleSize()),
    env: readEnv,
    openFile: openDenoFile,
    openDirectory: async (path) =>
      await (await import("./deno_directory.ts")).openDenoDirectory(path),
    // Loaded by what serves a registry from a folder.
    openStorage: async (path, options = {}) => {
      const { openFolder } = await import("./storage/open_storage.ts");
      const { denoStorageFiles } = await import("./storage/deno_files.ts");
      return await openFolder(path, denoStorageFiles, options);
    },
    openPipe,
    readTextFile,
    writeTextFile: (path, text) => Deno.writeTextFile(path, text).catch(failed("write", path)),
    requireWritable: async (path) =>
      await (await import("./deno_new_file.ts")).requireWritable(path),
    fileInfo,
    appendText: (path, text) =>
      Deno.writeTextFile(path, text, { append: true }).catch(failed("write", path)),
    makeDirectory: (path) => Deno.mkdir(path, { recursive: true }).catch(failed("make", path)),
    // Loaded by what saves an image; a push does without.
    createFile: async (path) => await (await import("./deno_new_file.ts")).createDenoFile(path),
    lockFile: async (path) =>
      await (await import("./storage/deno_files.ts")).denoStorageFiles.lock(path),
    onInterrupt: countInterrupts,
    restartTrusting,
    fetchWith: (options) => createDenoFetch(options, readEnv),
    // Loaded by what serves a registry.
    serve: async (handler, options) =>
      (await import("./deno_server.ts")).listenOnDeno(handler, options),
    exit: (code) => Deno.exit(code),
  };
}

async function readTextFile(path: string): Promise<string> {
  try {
    const { decodeText, requireTextSize } = await import("./text_file.ts");
    requireTextSize(path, (await Deno.stat(path)).size);
    return decodeText(await Deno.readFile(path));
  } catch (error) {
    throw throwFileError("read", path, error);
  }
}

async function fileInfo(path: string): Promise<FileInfo | undefined> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (!info) return undefined;
  const kind = info.isFile ? "file" : info.isDirectory ? "directory" : "other";
  const { size, mtime, dev, ino } = info;
  return { kind, size, modified: mtime?.getTime() ?? 0, ...fileId(dev, ino) };
}

function denoInput(): ByteInput {
  return {
    isTerminal: () => Deno.stdin.isTerminal(),
    stream: () => ReadableStream.from(readStdin()),
    ownStream: () => ReadableStream.from(readStdin(own)),
    pieces: readAsItComes,
  };
}

// As they come: a terminal hands out a line at a time.
async function* readAsItComes(): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(64 * 1024);
  const read = () => Deno.stdin.read(piece).catch(failed("read", "-"));
  for (let count = await read(); count; count = await read()) yield piece.subarray(0, count);
}

async function openPipe(path: string): Promise<ReadableStream<Uint8Array> | undefined> {
  const { isFifo } = await Deno.stat(path);
  return isFifo ? ReadableStream.from(readPipe(path)) : undefined;
}

async function* readPipe(path: string): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path, { read: true }).catch(failed("open", path));
  yield* readWhole(file, path, own);
}

function readStdin(use?: (piece: Bytes) => Bytes): AsyncGenerator<Uint8Array> {
  return readWhole(Deno.stdin, "-", use);
}

// A pipe hands out 64 KiB at a time: pieces are filled before they are passed on.
async function* readWhole(
  input: Pick<Deno.FsFile, "read">,
  path: string,
  use = (piece: Bytes): Bytes => piece,
): AsyncGenerator<Uint8Array> {
  for (let hasMore = true; hasMore;) {
    const piece = use(new Uint8Array(PIECE_BYTES));
    let filled = 0;
    while (filled < PIECE_BYTES) {
      const count = await input.read(piece.subarray(filled)).catch(failed("read", path));
      hasMore = count !== null;
      if (count === null) break;
      filled += count;
    }
    if (filled > 0) yield piece.subarray(0, filled);
  }
}

function denoOutput(name: "stdout" | "stderr"): ByteOutput {
  const output = Deno[name];
  return createByteOutput({
    name,
    isTerminal: () => output.isTerminal(),
    write: (bytes) => writeAll(output, bytes),
    isBrokenPipe: (error) => error instanceof Deno.errors.BrokenPipe,
  });
}

// Asked first: reading a variable that was not allowed would stop and ask the person at the terminal.
function readEnv(name: string): string | undefined {
  // This one Deno tells without a right.
  if (name === "NO_COLOR") return Deno.noColor ? "1" : undefined;
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
