import type { OciError } from "../errors.ts";
import { fileError, type FileState } from "./file_error.ts";

/** What the built-in commands of Bun's shell say, as other errors of files are told. */
const STATES: readonly [RegExp, FileState][] = [
  [/No such file or directory|Not a directory/, "missing"],
  [/Permission denied|Operation not permitted/, "denied"],
  [/Is a directory/, "directory"],
  [/File exists/, "taken"],
  [/No space left on device|Disk quota exceeded/, "full"],
  [/File too large/, "limit"],
  [/Read-only file system/, "read-only"],
];

/** Where a write of `echo` fails it says nothing: its exit code is the negative of the system's number, in 16 bits. */
const FIRST_NEGATIVE = 0x8000;
const NUMBERS: Readonly<Record<number, FileState>> = { 27: "limit", 28: "full", 122: "full" };

/**
 * The error for a command of Bun's shell that failed.
 *
 * @param action What was being done, such as `make`.
 * @param path The file or folder.
 * @param ended How the command ended.
 */
export function shellFailure(
  action: string,
  path: string,
  { exitCode, stderr }: { exitCode: number; stderr: Uint8Array },
): OciError {
  const text = new TextDecoder().decode(stderr).trim();
  const [, state] = STATES.find(([pattern]) => pattern.test(text.replaceAll(path, ""))) ?? [];
  if (state !== undefined) return fileError(action, path, state);
  if (text !== "") return fileError(action, path, { text });
  const number = exitCode >= FIRST_NEGATIVE ? 2 * FIRST_NEGATIVE - exitCode : exitCode;
  return fileError(action, path, NUMBERS[number] ?? { text: `system error ${number}` });
}
