import type { BunGlobals } from "./bun_globals.ts";
import { BunGrowingFile } from "./bun_growing_file.ts";
import { appendText, rename } from "./bun_shell.ts";
import { errorCode, fileError, toFileError } from "./file_error.ts";
import type { NewFile } from "./host.ts";
import { createNewFile, requireReplaceable, temporaryName } from "./new_file.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/** Begins a file; see `createFile` of the host in host.ts. */
export async function createBunFile(path: string): Promise<NewFile> {
  const info = await Bun.file(path).stat().catch((error) => {
    if (errorCode(error) !== "ENOENT") throw toFileError("write", path, error);
    return undefined;
  });
  requireReplaceable(
    path,
    info && { isFile: info.isFile(), isDirectory: info.isDirectory() },
  );
  const temporary = temporaryName(path);
  // The writer would open it with the first byte only: whether that is allowed shows now.
  await createEmpty(temporary, path);
  const file = new BunGrowingFile(path, Bun.file(temporary).writer());
  return createNewFile({
    write: (bytes) => file.write(bytes),
    end: () => file.close(),
    drop: () => file.close(),
    rename: () => rename(temporary, path),
    remove: () => Bun.file(temporary).delete(),
  });
}

/** Finds out whether a file may be written; see `requireWritable` of the host in host.ts. */
export async function requireWritable(path: string): Promise<boolean> {
  try {
    const info = await Bun.file(path).stat();
    if (info.isDirectory()) throw fileError("write", path, "directory");
    // To open a pipe waits for who reads it.
    if (info.isFile()) await appendText(path, "");
    return true;
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw toFileError("write", path, error);
    if (path === "") throw fileError("write", path, "folder", { cause: error });
    // Under another name, for a link may be there that leads to where nothing is yet.
    const temporary = temporaryName(path.replace(/[^/\\]*$/, ""));
    await createEmpty(temporary, path);
    await Bun.file(temporary).delete();
    return false;
  }
}

/** Creates a file beside the one that is meant. */
async function createEmpty(temporary: string, path: string): Promise<void> {
  try {
    await Bun.write(temporary, "", { createPath: false });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw fileError("write", path, "folder", { cause: error });
    throw toFileError("write", path, error);
  }
}
