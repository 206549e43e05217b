import type { Bytes } from "../../bytes.ts";
import { OciError } from "../../errors.ts";
import { createHash } from "../../incremental_hash.ts";
import type { BunChild, BunGlobals } from "../bun_globals.ts";
import { BunGrowingFile } from "../bun_growing_file.ts";
import { dashless, makeDirectory, rename, touch } from "../bun_shell.ts";
import { failed, fileError } from "../file_error.ts";
import { orAbsent } from "./or_absent.ts";
import type { FileLock, FoundFile, StorageFiles } from "./storage_files.ts";

const { Bun } = globalThis as unknown as BunGlobals;

// For what neither Bun nor its shell has there are the programs of the system: flock (with sh and cat), sync and ln.

export const bunStorageFiles: StorageFiles = {
  lock,
  create: async (path) => {
    // The writer would open it with the first byte only: whether that is allowed shows now.
    await Bun.write(path, "", { createPath: false }).catch(failed("write", path));
    return new BunGrowingFile(path, Bun.file(path).writer());
  },
  sync: (paths) => syncSoon(paths),
  writeBack: async (paths) => {
    await runProgram(["sync", ...paths.map(dashless)]).catch(() => {});
  },
  rename,
  link: async (from, to) => {
    const { isDone } = await runProgram(["ln", dashless(from), dashless(to)]);
    return isDone || await stat(to) !== undefined;
  },
  copy: async (from, to) => {
    await Bun.write(to, Bun.file(from)).catch(failed("write", to));
  },
  remove: (path) =>
    orAbsent(false, () => Bun.file(path).delete().then(() => true), failed("remove", path)),
  touch: async (path) => {
    if (!await stat(path)) return false;
    await touch(path);
    return true;
  },
  makeDirectory,
  stat,
  list,
  read,
  open: (path, size) => ({
    size,
    slice: (start, end) => {
      const slice = Bun.file(path).slice(start, Math.min(end, size));
      return {
        stream: () => slice.stream(),
        arrayBuffer: () => slice.arrayBuffer().catch(failed("read", path)),
        blob: () => slice,
      };
    },
  }),
  hashGrowing: async (_path, algorithm) => await createHash(algorithm),
  hashWhole: async (_path, algorithm) => await createHash(algorithm),
};

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim();
}

/** A lock that a program holds, which ends with this process: then nobody is at the other end of its input any more. */
async function lock(path: string): Promise<FileLock | undefined> {
  const holder = startHolder(path);
  try {
    await holder.stdin.write("x");
    await holder.stdin.flush();
  } catch {
    // It has ended already; why, its exit code says.
  }
  const reader = holder.stdout.getReader();
  const { done } = await reader.read();
  if (!done) return heldBy(holder);
  const code = await holder.exited;
  // flock has one exit code for a lock that somebody has, the shell one for a program that is not there.
  if (code === 1) return undefined;
  const why = text(await new Response(holder.stderr).bytes());
  if (code === 127) throw missingProgram("flock", new Error(why));
  throw fileError("lock", path, { text: why || "flock has failed" });
}

function heldBy(holder: BunChild): FileLock {
  let isHeld = true;
  // Somebody may end it from outside: the lock is free then.
  const ended = holder.exited.then(() => void (isHeld = false));
  // The process ends without waiting for it.
  holder.unref();
  return {
    isHeld: () => isHeld,
    async [Symbol.asyncDispose]() {
      if (isHeld) await holder.stdin.end();
      await ended;
    },
  };
}

/** What ends a whole group of processes is for this one, which lets uploads come to their end, and not for the lock. */
const HOLD = 'trap "" HUP INT TERM; exec flock -n "$0" cat';

function startHolder(path: string): BunChild {
  try {
    return Bun.spawn(["sh", "-c", HOLD, dashless(path)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
    });
  } catch (cause) {
    throw missingProgram("sh", cause);
  }
}

/** What waits for the next run of `sync`, which takes as long for many files as for one. */
let waiting: { paths: Set<string>; done: Promise<void> } | undefined;
let running: Promise<void> = Promise.resolve();

function syncSoon(paths: readonly string[]): Promise<void> {
  if (!waiting) {
    const batch = new Set<string>();
    const done = running.then(async () => {
      waiting = undefined;
      await syncAll([...batch]);
    });
    waiting = { paths: batch, done };
    // Whoever waits for this batch hears of its failure; the next one begins all the same.
    running = done.catch(() => {});
  }
  for (const path of paths) waiting.paths.add(path);
  return waiting.done;
}

async function syncAll(paths: readonly string[]): Promise<void> {
  const { isDone, why } = await runProgram(["sync", ...paths.map(dashless)]);
  if (!isDone) throw new OciError(`Cannot write to the disk: ${why}`);
}

async function runProgram(
  command: readonly [string, ...string[]],
): Promise<{ isDone: boolean; why: string }> {
  try {
    const child = Bun.spawn(command, {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      detached: true,
    });
    const why = await new Response(child.stderr).text();
    const code = await child.exited;
    return { isDone: code === 0, why: why.trim() || `${command[0]} ended with code ${code}` };
  } catch (cause) {
    throw missingProgram(command[0], cause);
  }
}

function missingProgram(program: string, cause: unknown): OciError {
  return new OciError(`Cannot keep content in a folder: ${program} cannot be run`, {
    cause,
    hint: "on Bun it takes flock, sync and ln of the system; Deno does without",
  });
}

function read(path: string): Promise<Bytes | undefined> {
  return orAbsent(undefined, () => Bun.file(path).bytes(), failed("read", path));
}

function stat(path: string): Promise<FoundFile | undefined> {
  return orAbsent(undefined, async () => {
    const info = await Bun.file(path).stat();
    const { size, mtime, nlink, dev, ino } = info;
    const isDirectory = info.isDirectory();
    return { isDirectory, size, modified: mtime.getTime(), links: nlink, id: `${dev}:${ino}` };
  }, failed("read", path));
}

async function list(path: string): Promise<{ name: string; isDirectory: boolean }[]> {
  const all = await scan(path, "*");
  // A link to a folder is none: it may lead anywhere, and back up as well.
  const folders = new Set(await scan(path, "*/"));
  return all.map((name) => ({ name, isDirectory: folders.has(name) }));
}

function scan(path: string, pattern: string): Promise<string[]> {
  const glob = new Bun.Glob(pattern);
  const find = () => Array.fromAsync(glob.scan({ cwd: path, dot: true, onlyFiles: false }));
  return orAbsent([], find, failed("read", path));
}
