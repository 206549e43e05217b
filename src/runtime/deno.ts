import type { Bytes } from "../bytes.ts";
import { own } from "../owned_bytes.ts";
import type { SourceSlice } from "../source/blob_source.ts";
import { createDenoFetch } from "./deno_fetch.ts";
import { throwFileError } from "./deno_file_error.ts";
import { countInterrupts, restartTrusting } from "./deno_restart.ts";
import { fileError, type FileIdentity, requireSame } from "./file_error.ts";
import type { ByteInput, ByteOutput, FileInfo, Host, OpenFile } from "./host.ts";
import { createByteOutput, createTextOutput, writeAll } from "./output.ts";
import { readLine } from "./read_line.ts";

// The web has no files by path, no standard streams, no signals and no listening sockets: hence this file.

/** Bytes of one read of a body: with 64 KiB, Deno uploads at half the speed. */
const PIECE_BYTES = 1024 * 1024;
/** Up to here a read is answered at once from the handle that the file keeps. */
const SMALL_READ_BYTES = 1024 * 1024;

/** The host for Deno. */
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
    openDirectory: async (path) => {
      const { openDenoDirectory } = await import("./deno_directory.ts");
      return await openDenoDirectory(path, { readAt, readPieces, checkUnchanged });
    },
    // Loaded by what serves a registry from a folder.
    openStorage: async (path, options = {}) => {
      const { openFolder } = await import("./storage/open_storage.ts");
      const { denoStorageFiles } = await import("./storage/deno_files.ts");
      return await openFolder(path, denoStorageFiles, options);
    },
    openPipe,
    readTextFile,
    writeTextFile: (path, text) =>
      Deno.writeTextFile(path, text).catch((error) => throwFileError("write", path, error)),
    fileInfo,
    appendText: (path, text) =>
      Deno.writeTextFile(path, text, { append: true })
        .catch((error) => throwFileError("write", path, error)),
    makeDirectory: (path) =>
      Deno.mkdir(path, { recursive: true }).catch((error) => throwFileError("make", path, error)),
    // Loaded by what saves an image; a push does without.
    createFile: async (path) => await (await import("./deno_new_file.ts")).createDenoFile(path),
    onInterrupt: countInterrupts,
    restartTrusting,
    fetchWith: (options) => createDenoFetch(options, readEnv),
    // Loaded by what serves a registry.
    serve: async (handler, options) =>
      (await import("./deno_server.ts")).listenOnDeno(handler, options),
    exit: (code) => Deno.exit(code),
  };
}

/** Opens a file; see `openFile` in host.ts. */
export async function openDenoFile(path: string | URL): Promise<OpenFile> {
  let file: Deno.FsFile;
  let opened: FileIdentity;
  try {
    // Asked before opening: to open a pipe waits for somebody to write to it.
    const info = await Deno.stat(path);
    if (!info.isFile) throw fileError("open", path, info.isDirectory ? "directory" : "special");
    opened = info;
    file = await Deno.open(path, { read: true });
  } catch (error) {
    throw throwFileError("open", path, error);
  }
  return new DenoFile(path, opened, file);
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
  return { kind, size: info.size, modified: info.mtime?.getTime() ?? 0 };
}

class DenoFile implements OpenFile {
  readonly size: number;
  readonly #path: string | URL;
  readonly #opened: FileIdentity;
  #file: Deno.FsFile | undefined;

  constructor(path: string | URL, opened: FileIdentity, file: Deno.FsFile) {
    this.#path = path;
    this.size = opened.size;
    this.#opened = opened;
    this.#file = file;
  }

  slice(start: number, end: number): SourceSlice {
    const stop = Math.min(end, this.size);
    const slice: SourceSlice = {
      stream: () =>
        stop - start <= SMALL_READ_BYTES
          ? this.#readAtOnce(start, stop)
          : ReadableStream.from(this.#pieces(start, stop)),
      ownStream: () => ReadableStream.from(this.#pieces(start, stop, own)),
      checkUnchanged: () => checkUnchanged(this.#path, this.#opened),
    };
    // Deno loads its streams when the first one is made, which takes as long as the rest of a repeated push.
    if (stop - start <= SMALL_READ_BYTES) {
      slice.arrayBuffer = async () => {
        const bytes = await Promise.resolve(this.#readNow(start, stop));
        return bytes.length === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
      };
      slice.readInto = (buffer) => this.#readNow(start, stop, buffer).length;
    }
    return slice;
  }

  #readAtOnce(start: number, end: number): ReadableStream<Uint8Array> {
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      const bytes = this.#readNow(start, end);
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    };
    return new ReadableStream({ pull }, { highWaterMark: 0 });
  }

  #readNow(start: number, end: number): Uint8Array<ArrayBuffer>;
  #readNow(start: number, end: number, buffer: Uint8Array): Uint8Array;
  #readNow(start: number, end: number, buffer?: Uint8Array): Uint8Array {
    const file = this.#requireOpen();
    const length = Math.max(0, end - start);
    const bytes = buffer?.subarray(0, length) ?? new Uint8Array(length);
    return bytes.subarray(0, readAt(file, start, bytes));
  }

  async *#pieces(
    start: number,
    end: number,
    use?: (piece: Bytes) => Bytes,
  ): AsyncGenerator<Uint8Array> {
    this.#requireOpen();
    yield* readPieces(this.#path, start, end, use);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    return Promise.resolve();
  }

  #requireOpen(): Deno.FsFile {
    if (!this.#file) throw fileError("read", this.#path, "closed");
    return this.#file;
  }
}

/** See `SourceSlice`. */
async function checkUnchanged(path: string | URL, opened: FileIdentity): Promise<void> {
  const now = await Deno.stat(path).catch((error) => throwFileError("read", path, error));
  requireSame(path, opened, now);
}

/** Fills bytes from a position on; returns how many there were. Nothing comes between seek and read: handles are shared. */
function readAt(file: Deno.FsFile, start: number, bytes: Uint8Array): number {
  let filled = 0;
  file.seekSync(start, Deno.SeekMode.Start);
  while (filled < bytes.length) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}

/** A part of a file in pieces, by a handle of its own. */
async function* readPieces(
  path: string | URL,
  start: number,
  end: number,
  use = (piece: Bytes): Bytes => piece,
): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path, { read: true })
    .catch((error) => throwFileError("read", path, error));
  await file.seek(start, Deno.SeekMode.Start);
  for (let position = start; position < end;) {
    const piece = use(new Uint8Array(Math.min(PIECE_BYTES, end - position)));
    const count = await file.read(piece);
    if (count === null) return;
    position += count;
    yield piece.subarray(0, count);
  }
}

function denoInput(): ByteInput {
  return {
    isTerminal: () => Deno.stdin.isTerminal(),
    stream: () => ReadableStream.from(readStdin()),
    ownStream: () => ReadableStream.from(readStdin(own)),
    line: () => readLine(readTyped()),
  };
}

// As they come: a terminal hands out a line at a time.
async function* readTyped(): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(1024);
  for (let count = await Deno.stdin.read(piece); count; count = await Deno.stdin.read(piece)) {
    yield piece.subarray(0, count);
  }
}

async function openPipe(path: string): Promise<ReadableStream<Uint8Array> | undefined> {
  const { isFifo } = await Deno.stat(path);
  return isFifo ? ReadableStream.from(readPipe(path)) : undefined;
}

async function* readPipe(path: string): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path, { read: true })
    .catch((error) => throwFileError("open", path, error));
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
      const count = await input.read(piece.subarray(filled))
        .catch((error) => throwFileError("read", path, error));
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
