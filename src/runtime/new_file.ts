import { fileError } from "./file_error.ts";
import type { NewFile } from "./host.ts";

/** Names of what a process has open: links, be it a pipe or a file, that every other process needs as well. */
const STREAM_PATH = /^\/dev\/(?:stdin|stdout|stderr|fd\/\d+)$|^\/proc\/(?:self|\d+)\/fd\/\d+$/;

/**
 * Checks what is in the place of a file that is to be written.
 *
 * @param info What is there, links followed; undefined for nothing.
 * @throws {OciError} If it is not to be replaced by a file.
 */
export function requireReplaceable(
  path: string,
  info: { isFile: boolean; isDirectory: boolean } | undefined,
): void {
  // Found out by renaming, it would be when all has been written.
  if (path === "") throw fileError("write", path, "missing");
  if (info?.isDirectory) throw fileError("write", path, "directory");
  if (STREAM_PATH.test(path) || (info && !info.isFile)) throw fileError("write", path, "special");
}

/** Characters kept of a name, of up to 4 bytes each: some file systems take no more than 143 bytes in all. */
const KEPT_CHARACTERS = 30;

/**
 * A name beside a file for what is to replace it: in the same folder, so that renaming is one step; one that is there by
 * no chance; one that does not look whole; and one that is short enough whatever the file is called.
 */
export function temporaryName(path: string): string {
  const name = path.replace(/^.*[/\\]/s, "");
  const folder = path.slice(0, path.length - name.length);
  const kept = [...name].slice(0, KEPT_CHARACTERS).join("");
  return `${folder}${kept}.${crypto.randomUUID().slice(0, 8)}.partial`;
}

/** Whether a path can be one of {@linkcode temporaryName}: of a file that is being written, or was when the process was killed. */
export function isTemporary(path: string): boolean {
  return /\.[0-9a-f]{8}\.partial$/.test(path);
}

/** What a runtime does with a file that is written under a temporary name. */
export interface NewFileSteps {
  write(bytes: Uint8Array): Promise<void>;
  /** Brings all of it to the file, and closes that, also where this fails. */
  end(): Promise<void>;
  /** Closes the file, which nobody needs. */
  drop(): Promise<void>;
  rename(): Promise<void>;
  remove(): Promise<void>;
}

/** Makes a {@linkcode NewFile} of its steps. */
export function createNewFile(steps: NewFileSteps): NewFile {
  let ended: Promise<void> | undefined;
  let isThere = true;
  // What has not come to the disk has not when it is asked again, and gets no name.
  const end = () => ended ??= steps.end();
  return {
    write: (bytes) => steps.write(bytes),
    end,
    async commit() {
      await end();
      await steps.rename();
      isThere = false;
    },
    async [Symbol.asyncDispose]() {
      // What failed fails again, and somebody else may have removed it; what led here is what counts.
      await (ended ??= steps.drop()).catch(() => {});
      if (isThere) await steps.remove().catch(() => {});
      isThere = false;
    },
  };
}
