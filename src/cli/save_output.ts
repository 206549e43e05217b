import { sleep } from "../concurrency.ts";
import { OciError } from "../errors.ts";
import { isNetworkFetch } from "../network_fetch.ts";
import { detach } from "../owned_bytes.ts";
import type { ImageToPull } from "../pull/list_images.ts";
import type { PullImagesOptions } from "../pull/options.ts";
import { pullImages } from "../pull/pull.ts";
import { fileError } from "../runtime/file_error.ts";
import type { Host } from "../runtime/host.ts";
import { isTemporary } from "../runtime/new_file.ts";
import { quote, UsageError } from "./options.ts";

/** Whether a name is that of a folder: one that is there, or a new one. */
export async function isFolderName(name: string, host: Host): Promise<boolean> {
  if (name === "-") return false;
  return /[/\\]$/.test(name) || (await host.fileInfo(name))?.kind === "directory";
}

/** @throws {UsageError} If a file is where the folder is to be. */
export async function requireFolder(name: string, host: Host): Promise<void> {
  const info = await host.fileInfo(withoutSlash(name));
  if (info?.kind !== "file") return;
  throw new UsageError(`Cannot write into ${quote(name)}: it is a file, expected a folder`);
}

function withoutSlash(folder: string): string {
  return folder.replace(/[/\\]+$/, "");
}

/** Saves images into the layout of a folder. */
export async function saveToFolder(
  images: readonly ImageToPull[],
  folder: string,
  options: PullImagesOptions,
  host: Host,
): Promise<void> {
  const { pullToFolder } = await import("../pull/pull_to_folder.ts");
  const path = (name: string) => `${withoutSlash(folder)}/${name}`;
  await pullToFolder(images, {
    name: folder,
    isEmpty: async () => await isEmptyFolder(folder, host),
    size: async (name) => await fileSize(path(name), host),
    read: async (name) => await host.readTextFile(path(name)),
    makeFolder: async (name) => await host.makeDirectory(path(name)),
    create: async (name) => await host.createFile(path(name)),
    put: async (name, text) => await host.writeTextFile(path(name), text),
    takeTurn: async (name) => await takeTurn(path(name), folder, host, options.signal),
  }, options);
}

async function fileSize(path: string, host: Host): Promise<number | undefined> {
  const info = await host.fileInfo(path);
  if (!info || info.kind === "file") return info?.size;
  throw fileError("write", path, info.kind === "directory" ? "directory" : "special", {
    hint: "name a new folder, or an empty one",
  });
}

/** Milliseconds until a lock is asked for again, and how often: who has it writes one small file. */
const [LOCK_WAIT, LOCK_ATTEMPTS] = [50, 600];

/** Waits for the lock of a file; where there are none, as on some network shares, it is done without. */
async function takeTurn(
  path: string,
  folder: string,
  host: Host,
  signal: AbortSignal | undefined,
): Promise<AsyncDisposable> {
  await fileSize(path, host);
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    const lock = await host.lockFile(path).catch(() => ({
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }));
    if (lock) return lock;
    await sleep(LOCK_WAIT, signal);
  }
  throw new OciError(
    `Cannot write into ${
      quote(folder)
    }: another process has locked it, expected to get a turn within half a minute`,
  );
}

async function isEmptyFolder(path: string, host: Host): Promise<boolean> {
  if (!await host.fileInfo(path)) return true;
  const folder = await host.openDirectory(path);
  for await (const { path } of folder.files()) if (!isTemporary(path)) return false;
  return true;
}

/** Saves images into a file, which gets its name when it is whole. */
export async function saveToFile(
  images: readonly ImageToPull[],
  path: string,
  options: PullImagesOptions,
  host: Host,
): Promise<void> {
  await using file = await host.createFile(path);
  for await (const bytes of gatherImages(images, options)) await file.write(bytes);
  await file.commit();
}

/** Saves images to stdout; false where its reader went away before the end. */
export async function saveToPipe(
  images: readonly ImageToPull[],
  options: PullImagesOptions,
  host: Host,
): Promise<boolean> {
  for await (const bytes of gatherImages(images, options)) {
    if (!await host.byteStdout.write(bytes)) return false;
  }
  return true;
}

/** Bytes that are written at once: a network hands out a few KiB at a time, and each write costs. */
const WRITE_BYTES = 512 * 1024;

/**
 * The archive of images in pieces that are worth a write. The bytes of one are only good until the next is asked for: what came
 * from the network is freed then, where garbage of tens of megabytes would gather.
 */
export async function* gatherImages(
  images: readonly ImageToPull[],
  options: PullImagesOptions,
): AsyncGenerator<Uint8Array> {
  const isFromNetwork = isNetworkFetch(options.fetch);
  const buffer = new Uint8Array(WRITE_BYTES);
  let filled = 0;
  for await (const piece of pullImages(images, options)) {
    if (filled + piece.length > WRITE_BYTES) {
      yield buffer.subarray(0, filled);
      filled = 0;
    }
    if (piece.length > WRITE_BYTES) yield piece;
    else {
      buffer.set(piece, filled);
      filled += piece.length;
    }
    if (isFromNetwork) detach(piece.buffer);
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
