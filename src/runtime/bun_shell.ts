import type { OciError } from "../errors.ts";
import type { BunGlobals, BunShellCommand } from "./bun_globals.ts";
import { fileError, type FileState, stateOfNumber } from "./file_error.ts";

const { Bun } = globalThis as unknown as BunGlobals;

// Bun appends, renames, touches and makes folders in its shell alone, whose commands are built in.

export async function appendText(path: string, text: string): Promise<void> {
  await run("write", path, Bun.$`echo -n ${text} >> ${path}`);
}

export async function makeDirectory(path: string): Promise<void> {
  await run("make", path, Bun.$`mkdir -p ${dashless(path)}`);
}

export async function rename(from: string, to: string): Promise<void> {
  await run("write", to, Bun.$`mv ${dashless(from)} ${dashless(to)}`);
}

export async function touch(path: string): Promise<void> {
  await run("touch", path, Bun.$`touch ${dashless(path)}`);
}

/** What starts with a dash would be taken for an option. */
export function dashless(path: string): string {
  return path.replace(/^-/, "./-");
}

async function run(action: string, path: string, command: BunShellCommand): Promise<void> {
  const ended = await command.quiet().nothrow();
  if (ended.exitCode !== 0) throw shellFailure(action, path, ended);
}

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

function shellFailure(
  action: string,
  path: string,
  { exitCode, stderr }: { exitCode: number; stderr: Uint8Array },
): OciError {
  const text = new TextDecoder().decode(stderr).trim();
  const stateIn = (text: string) => STATES.find(([pattern]) => pattern.test(text))?.[1];
  // What the path says does not count; without a short one too little may be left.
  const state = stateIn(text.replaceAll(path, "")) ?? stateIn(text);
  if (state !== undefined) return fileError(action, path, state);
  if (text !== "") return fileError(action, path, { text });
  const number = exitCode >= FIRST_NEGATIVE ? 2 * FIRST_NEGATIVE - exitCode : exitCode;
  return fileError(action, path, stateOfNumber(number) ?? { text: `system error ${number}` });
}
