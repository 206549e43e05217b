import type { Bytes } from "../../bytes.ts";
import { untilAborted } from "../../concurrency.ts";
import { own } from "../../owned_bytes.ts";
import type { BlobSource, SourceSlice } from "../../source/blob_source.ts";
import { PIECE_BYTES, readPieces } from "../deno_file.ts";
import { writeAll } from "../output.ts";
import { failed, throwFileError } from "../deno_file_error.ts";
import { errorCode, fileError } from "../file_error.ts";
import { FileHashes } from "./file_hash.ts";
import { orAbsent } from "./or_absent.ts";
import type { FileLock, FoundFile, GrowingFile, StorageFiles } from "./storage_files.ts";

/** How long a program that hashes may take for nothing at all: one that takes longer hangs. */
const TRIAL_MILLISECONDS = 5000;

/** Codes of file systems that have no hard links, or no more of them for this file. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"];

export const denoStorageFiles: StorageFiles = {
  lock,
  create: async (path) =>
    new DenoGrowingFile(
      path,
      await Deno.open(path, { write: true, createNew: true }).catch(failed("write", path)),
    ),
  sync: async (paths) => {
    await Promise.all(paths.map(syncOne));
  },
  writeBack: async (paths) => {
    await Promise.allSettled(paths.map(syncOne));
  },
  rename: (from, to) => Deno.rename(from, to).catch(failed("write", to)),
  link,
  copy: (from, to) => Deno.copyFile(from, to).catch(failed("write", to)),
  remove: (path) =>
    orAbsent(false, () => Deno.remove(path).then(() => true), failed("remove", path)),
  touch: (path) =>
    orAbsent(
      false,
      () => Deno.utime(path, new Date(), new Date()).then(() => true),
      failed("touch", path),
    ),
  makeDirectory: (path) => Deno.mkdir(path, { recursive: true }).catch(failed("make", path)),
  stat,
  list,
  read,
  open: (path, size) => new DenoStoredFile(path, size),
  hashGrowing: (path, algorithm) => hashes.growing(path, algorithm),
  hashWhole: (path, algorithm, signal) => hashes.whole(path, algorithm, signal),
};

const hashes = new FileHashes({
  run: runProgram,
  read,
  readPieces: readFilePieces,
  trialMilliseconds: TRIAL_MILLISECONDS,
  programs: navigator.hardwareConcurrency,
});

async function runProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const { state } = await Deno.permissions.query({ name: "run", command: program });
    if (state !== "granted") return undefined;
    const command = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      // Ctrl-C is for this process, which lets uploads come to their end.
      detached: Deno.build.os !== "windows",
      ...(signal && { signal }),
    });
    // What a program has started may hold its output open after its end.
    const { success, stdout } = await untilAborted(command.output(), signal);
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    // There is no such program, too many run, or Deno lets none run in this environment: it is done without.
    return undefined;
  }
}

async function* readFilePieces(path: string): AsyncGenerator<Bytes> {
  const size = (await stat(path))?.size ?? 0;
  yield* new DenoStoredFile(path, size).pieces(0, size);
}

async function lock(path: string): Promise<FileLock | undefined> {
  const file = await Deno.open(path, { write: true, create: true }).catch(failed("write", path));
  try {
    if (!await file.tryLock(true)) {
      file.close();
      return undefined;
    }
  } catch (error) {
    file.close();
    throw throwFileError("lock", path, error);
  }
  return { isHeld: () => true, [Symbol.asyncDispose]: () => Promise.resolve(file.close()) };
}

class DenoGrowingFile implements GrowingFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #isOpen = true;

  constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#file, bytes).catch(failed("write", this.#path));
  }

  close(): Promise<void> {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
    return Promise.resolve();
  }
}

async function syncOne(path: string): Promise<void> {
  try {
    using file = await Deno.open(path, { read: true });
    await file.sync();
  } catch (error) {
    // On Windows a folder cannot be opened, nor does it have to be.
    if (Deno.build.os === "windows" && (await stat(path))?.isDirectory) return;
    throw throwFileError("write", path, error);
  }
}

async function link(from: string, to: string): Promise<boolean> {
  try {
    await Deno.link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return true;
    if (error instanceof Deno.errors.NotFound || NO_LINKS.includes(String(errorCode(error)))) {
      return false;
    }
    throw throwFileError("write", to, error);
  }
}

function read(path: string): Promise<Bytes | undefined> {
  return orAbsent(undefined, () => Deno.readFile(path), failed("read", path));
}

function stat(path: string): Promise<FoundFile | undefined> {
  return orAbsent(undefined, async () => {
    const { isDirectory, size, mtime, nlink, dev, ino } = await Deno.stat(path);
    const modified = mtime?.getTime() ?? 0;
    return { isDirectory, size, modified, links: nlink ?? 1, id: `${dev}:${ino}` };
  }, failed("read", path));
}

function list(path: string): Promise<{ name: string; isDirectory: boolean }[]> {
  return orAbsent([], () => Array.fromAsync(Deno.readDir(path)), failed("read", path));
}

/** A file that is open only while it is read. */
class DenoStoredFile implements BlobSource {
  readonly size: number;
  readonly #path: string;

  constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
  }

  slice(start: number, end: number): SourceSlice {
    const stop = Math.min(end, this.size);
    const slice: SourceSlice = {
      stream: () => ReadableStream.from(this.pieces(start, stop)),
      ownStream: () => ReadableStream.from(this.pieces(start, stop, own)),
    };
    // Small ones are spared a stream.
    if (stop - start <= PIECE_BYTES) slice.arrayBuffer = () => this.#readAtOnce(start, stop);
    return slice;
  }

  async #readAtOnce(start: number, end: number): Promise<ArrayBuffer> {
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    for await (const piece of this.pieces(start, end, () => bytes.subarray(filled))) {
      filled += piece.length;
    }
    return bytes.buffer;
  }

  /** Its bytes, in pieces that `use` may put elsewhere. */
  async *pieces(
    start: number,
    end: number,
    use?: (piece: Bytes) => Bytes,
  ): AsyncGenerator<Bytes> {
    const stop = yield* readPieces(this.#path, start, end, use);
    if (stop < end) throw fileError("read", this.#path, { text: "it has become shorter" });
  }
}
