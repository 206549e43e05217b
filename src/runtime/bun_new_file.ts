import type { BunGlobals } from "./bun_globals.ts";
import { BunGrowingFile } from "./bun_growing_file.ts";
import { rename } from "./bun_shell.ts";
import { errorCode, fileError, toFileError } from "./file_error.ts";
import type { NewFile } from "./host.ts";
import { createNewFile, temporaryName } from "./new_file.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/** Begins a file; see `createFile` of the host in host.ts. */
export async function createBunFile(path: string): Promise<NewFile> {
  const temporary = temporaryName(path);
  const info = await Bun.file(path).stat().catch(() => undefined);
  if (info && !info.isFile()) {
    throw fileError("write", path, info.isDirectory() ? "directory" : "special");
  }
  try {
    // The writer would open it with the first byte only: whether that is allowed shows now.
    await Bun.write(temporary, "", { createPath: false });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw fileError("write", path, "folder", { cause: error });
    throw toFileError("write", path, error);
  }
  const file = new BunGrowingFile(path, Bun.file(temporary).writer());
  return createNewFile({
    write: (bytes) => file.write(bytes),
    end: () => file.close(),
    drop: () => file.close(),
    rename: () => rename(temporary, path),
    remove: () => Bun.file(temporary).delete(),
  });
}
