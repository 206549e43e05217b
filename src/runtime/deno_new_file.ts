import { needsFolder, throwFileError } from "./deno_file_error.ts";
import { fileError } from "./file_error.ts";
import type { NewFile } from "./host.ts";
import { createNewFile, requireReplaceable, temporaryName } from "./new_file.ts";
import { writeAll } from "./output.ts";

/** Begins a file; see `createFile` of the host in host.ts. */
export async function createDenoFile(path: string): Promise<NewFile> {
  const temporary = temporaryName(path);
  const failed = (error: unknown): never => {
    if (error instanceof Deno.errors.NotCapable) throw needsFolder(path, error);
    throw throwFileError("write", path, error);
  };
  const file = await open(path, temporary).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) return failed(error);
    throw fileError("write", path, "folder", { cause: error });
  });
  return createNewFile({
    write: (bytes) => writeAll(file, bytes).catch(failed),
    async end() {
      using _ = file;
      // Some file systems find out only here that there is no room.
      await file.sync().catch(failed);
    },
    drop: () => Promise.resolve(file.close()),
    rename: () => Deno.rename(temporary, path).catch(failed),
    remove: () => Deno.remove(temporary),
  });
}

async function open(path: string, temporary: string): Promise<Deno.FsFile> {
  requireReplaceable(path, await statOf(path));
  return await Deno.open(temporary, { write: true, createNew: true });
}

/** Finds out whether a file may be written; see `requireWritable` of the host in host.ts. */
export async function requireWritable(path: string): Promise<boolean> {
  try {
    if (await createAndRemove(path)) return false;
    // To open what is no file may wait for who reads it, and to look at it without the right would ask a person.
    const { state } = await Deno.permissions.query({ name: "read", path });
    const info = state === "granted" ? await statOf(path) : undefined;
    if (info?.isFile || info?.isDirectory) (await Deno.open(path, { append: true })).close();
    return info !== undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw fileError("write", path, "folder", { cause: error });
    }
    throw throwFileError("write", path, error);
  }
}

/** Creates a file and removes it; false where something is in its place, be it a link that leads nowhere. */
async function createAndRemove(path: string): Promise<boolean> {
  try {
    (await Deno.open(path, { write: true, createNew: true })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  await Deno.remove(path);
  return true;
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.stat(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return undefined;
  });
}
