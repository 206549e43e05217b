import { sleep } from "../../concurrency.ts";
import type { Storage } from "../../storage.ts";
import { fileError } from "../file_error.ts";
import { type CollectedContent, collectFolder, type CollectOptions } from "./collect.ts";
import { FolderPaths } from "./folder_paths.ts";
import type { FolderSettings } from "./folder_settings.ts";
import { FolderStorage } from "./folder_storage.ts";
import { scrubFolder, type StorageProblem } from "./scrub.ts";
import type { FileLock, StorageFiles } from "./storage_files.ts";
import { BLOB_ALGORITHMS } from "./stored_blobs.ts";

/** Options for `openStorage`. */
export interface StorageOptions {
  /**
   * Whether nothing is written, not even a lock: the folder may be on a disk that is read-only. Nobody else may write to
   * it meanwhile.
   * @default {false}
   */
  readOnly?: boolean;
  /**
   * Whether a folder that is not there, or has nothing in it, is made one of a storage.
   * @default {true}
   */
  create?: boolean;
  /** Told of content that turns out to be damaged while it is read; the answer with it breaks off. */
  onDamage?: (error: Error) => void;
  /**
   * The clock, in milliseconds.
   * @default {Date.now}
   */
  now?: () => number;
}

/** A storage in a folder; disposing of it drops uploads that are open, and lets another process have the folder. */
export interface FolderRegistryStorage extends Storage, AsyncDisposable {
  /** Whether repositories share the files of blobs; false where the file system has no hard links. */
  readonly sharesFiles: boolean;
  /**
   * Removes what nobody needs: manifests to which no tag leads, blobs that no manifest names, uploads that nobody goes on
   * with, each after its time. What a push may still count on stays, whatever comes in between.
   *
   * @param options The times.
   * @returns What was removed.
   */
  collect(options?: CollectOptions): Promise<CollectedContent>;
  /**
   * Reads everything and compares it with its digests. What is damaged is moved to `_damaged` in the folder, so that the
   * next push brings it again. For a folder that nobody pushes to meanwhile.
   *
   * @param signal Ends it.
   * @returns What is wrong, as it is found.
   */
  scrub(signal?: AbortSignal): AsyncIterable<StorageProblem>;
}

/** How often a lock is asked for, and the milliseconds in between. */
const LOCK_ATTEMPTS = 10;
const LOCK_WAIT = 100;

/** Opens the folder; see `openStorage` in mod.ts. */
export async function openFolder(
  path: string,
  files: StorageFiles,
  { readOnly = false, create = true, onDamage = () => {}, now = Date.now }: StorageOptions,
): Promise<FolderRegistryStorage> {
  // Its folders would be those of the root.
  if (path === "") {
    throw fileError("open", path, { text: "it is no path, expected that of a folder" });
  }
  const paths = new FolderPaths(path.replace(/(?<=.)[/\\]+$/, ""));
  const settings = { files, paths, readOnly, hasLinks: true, onDamage, now };
  // Made first: what stands above it may have to be there before the path leads anywhere.
  const mayBeNew = create && !readOnly;
  if (mayBeNew) await files.makeDirectory(paths.root);
  await refuseOthers(paths, files, mayBeNew);
  if (readOnly) return new OpenFolder(settings, undefined);
  const lock = await takeLock(paths, files);
  if (!lock) {
    const text = "another process has it, expected a folder that nobody serves";
    throw fileError("open", path, { text }, { hint: "end the other one, or name another folder" });
  }
  try {
    const hasLinks = await makeReady(paths, files);
    return new OpenFolder({ ...settings, files: whileHeld(lock, paths, files), hasLinks }, lock);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** What held the lock for a process that was killed may need a moment to notice. */
async function takeLock(
  paths: FolderPaths,
  files: StorageFiles,
): Promise<FileLock | undefined> {
  for (let attempt = 1; attempt < LOCK_ATTEMPTS; attempt++) {
    const lock = await files.lock(paths.lock);
    if (lock) return lock;
    await sleep(LOCK_WAIT);
  }
  return await files.lock(paths.lock);
}

/** The same files, to which nothing is written when the lock is not held any more: somebody else may have it. */
function whileHeld(lock: FileLock, { root }: FolderPaths, files: StorageFiles): StorageFiles {
  const check = <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) => {
    return async (...args: Args) => {
      if (lock.isHeld()) return await work(...args);
      const text = "the lock on it is lost, another process may have it";
      throw fileError("write to", root, { text }, { hint: "end this one, and start it again" });
    };
  };
  return {
    ...files,
    create: check(files.create),
    rename: check(files.rename),
    link: check(files.link),
    copy: check(files.copy),
    remove: check(files.remove),
    touch: check(files.touch),
    makeDirectory: check(files.makeDirectory),
  };
}

/** Leaves folders alone that are something else. */
async function refuseOthers(
  paths: FolderPaths,
  files: StorageFiles,
  mayBeNew: boolean,
): Promise<void> {
  if (await files.stat(paths.lock)) return;
  const entries = await files.list(paths.root);
  if (entries.length === 0 && mayBeNew) return;
  const state = entries.length === 0 ? "there is nothing in it" : "it has other files";
  const expected = mayBeNew ? "an empty folder, or one" : "a folder";
  const text = `${state}, expected ${expected} that tarpush serve has made`;
  throw fileError("open", paths.root, { text }, { hint: "name a folder for the registry alone" });
}

/** Makes the folders that there have to be, and removes what was not whole; tells whether there are hard links. */
async function makeReady(paths: FolderPaths, files: StorageFiles): Promise<boolean> {
  await files.makeDirectory(paths.uploads);
  for (const algorithm of BLOB_ALGORITHMS) {
    await files.makeDirectory(`${paths.shared}/blobs/${algorithm}`);
  }
  for (const { name } of await files.list(paths.uploads)) {
    await files.remove(`${paths.uploads}/${name}`);
  }
  const [probe, link] = [paths.newUpload(), paths.newUpload()];
  await (await files.create(probe)).close();
  const hasLinks = await files.link(probe, link);
  await Promise.all([files.remove(probe), files.remove(link)]);
  // Where nothing can be brought to the disk it shows now, and not with the first upload.
  await files.sync([paths.root]);
  return hasLinks;
}

class OpenFolder extends FolderStorage implements FolderRegistryStorage {
  readonly sharesFiles: boolean;
  readonly readOnly: boolean;
  readonly #lock: AsyncDisposable | undefined;

  constructor(settings: FolderSettings, lock: AsyncDisposable | undefined) {
    super(settings);
    this.sharesFiles = settings.hasLinks;
    this.readOnly = settings.readOnly;
    this.#lock = lock;
  }

  collect(options: CollectOptions = {}): Promise<CollectedContent> {
    return collectFolder(this, options);
  }

  scrub(signal?: AbortSignal): AsyncIterable<StorageProblem> {
    return scrubFolder(this, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.room.open].map((writer) => writer.discard()));
    await this.#lock?.[Symbol.asyncDispose]();
  }
}
