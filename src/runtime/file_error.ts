import { DiskError, OciError } from "../errors.ts";
import { withoutSecrets } from "../quote_name.ts";

/** A condition of a file that people meet, whatever the runtime calls it. */
export type FileState =
  | "missing"
  | "denied"
  | "directory"
  | "special"
  | "closed"
  | "changed"
  | "folder"
  | "taken"
  | "long"
  | "full"
  | "limit"
  | "read-only";

const STATES: Record<FileState, string> = {
  missing: "no such file",
  denied: "permission denied",
  directory: "it is a directory, expected a file",
  special: "it is a pipe or device, expected a file",
  closed: "it has been closed",
  changed: "it has changed since it was opened",
  folder: "its folder does not exist",
  taken: "a file has that name",
  long: "its name is too long",
  full: "the disk is full",
  limit: "it is larger than a file may be here",
  "read-only": "the disk is read-only",
};

/** States of the disk that no other name or right changes. */
const DISK_STATES: readonly FileState[] = ["full", "limit", "read-only"];

/** What to do instead, by what was being done: archives are opened, texts are read. */
const HINTS: Record<string, Partial<Record<FileState, string>>> = {
  open: {
    directory: "pack it first: tar -cf image.tar -C DIRECTORY .",
    special: 'read a pipe as "-": COMMAND | tarpush push - REFERENCE',
  },
  write: {
    directory: "name a file in it",
    special: 'write "-" to a pipe or device: tarpush save REFERENCE - | COMMAND',
  },
};

/**
 * The error for a file that cannot be used.
 *
 * @param action What was being done, such as `open`.
 * @param state What is wrong with it; text is taken as it is.
 * @param options `cause`, and a `hint` that replaces the usual one.
 */
export function fileError(
  action: string,
  path: string | URL,
  state: FileState | { text: string },
  options: { cause?: unknown; hint?: string } = {},
): OciError {
  const text = typeof state === "string" ? STATES[state] : state.text;
  const hint = options.hint ?? (typeof state === "string" ? HINTS[action]?.[state] : undefined);
  // A URL may have been given in the place of a file.
  const shown = JSON.stringify(withoutSecrets(String(path)));
  const message = `Cannot ${action} ${shown}: ${text}`;
  const isOfDisk = typeof state === "string" && DISK_STATES.includes(state);
  const about = { cause: options.cause, hint };
  return isOfDisk
    ? new DiskError(message, { ...about, state: text })
    : new OciError(message, about);
}

/**
 * The error for what a runtime throws about a file; an error of ours is returned as it is.
 *
 * @param state What is wrong with the file, where the runtime tells; else its code says it, or its text.
 */
export function toFileError(
  action: string,
  path: string | URL,
  cause: unknown,
  state: FileState | undefined = stateOfCode(errorCode(cause)),
): OciError {
  if (cause instanceof OciError) return cause;
  return fileError(action, path, state ?? { text: reasonOf(cause) }, { cause });
}

/** What to catch with on Bun: throws as {@linkcode toFileError} has it. */
export function failed(action: string, path: string | URL): (cause: unknown) => never {
  return (cause) => {
    throw toFileError(action, path, cause);
  };
}

export function errorCode(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The state behind an error code of the system, where it is one that people meet; both runtimes have these codes. */
export function stateOfCode(code: unknown): FileState | undefined {
  return typeof code === "string" && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
}

const CODES: Readonly<Record<string, FileState>> = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  EACCES: "denied",
  EPERM: "denied",
  EISDIR: "directory",
  EEXIST: "taken",
  ENAMETOOLONG: "long",
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "limit",
  EROFS: "read-only",
};

/** The state behind an error number of the system, where nothing tells its code. */
export function stateOfNumber(number: number): FileState | undefined {
  return NUMBERS[number];
}

const NUMBERS: Readonly<Record<number, FileState>> = {
  27: "limit",
  28: "full",
  30: "read-only",
  36: "long",
  // On macOS.
  63: "long",
  122: "full",
};

/** The `id` of a `FileInfo`, where the system numbers its files, and the runtime does not round the number. */
export function fileId(device: number | null, number: number | null): { id?: string } {
  const isExact = number !== null && number > 0 && Number.isSafeInteger(number);
  return device !== null && isExact ? { id: `${device}:${number}` } : {};
}

/** What is known of a file that was opened, to see whether it is still the same. */
export interface FileIdentity {
  size: number;
  mtime: Date | null;
  ino: number | null;
}

/**
 * Compares a file with what it was.
 *
 * @throws {OciError} If it is another one, or has changed.
 */
export function requireSame(path: string | URL, opened: FileIdentity, now: FileIdentity): void {
  const isSame = now.size === opened.size && now.ino === opened.ino &&
    now.mtime?.getTime() === opened.mtime?.getTime();
  if (!isSame) throw fileError("read", path, "changed");
}

/** The error for a link of a folder that leads out of it. */
export function leadsOut(folder: string, path: string): OciError {
  const text = `${JSON.stringify(path)} is a link that leads out of it, expected a file`;
  const hint = "copy the folder with cp -L, so that its files are in it";
  return fileError("read", folder, { text }, { hint });
}
