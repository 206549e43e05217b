import type { OciError } from "../errors.ts";
import {
  errorCode,
  fileError,
  type FileState,
  reasonOf,
  stateOfCode,
  stateOfNumber,
  toFileError,
} from "./file_error.ts";

/** Throws the error for what Deno throws about a file: with the right that it lacks, or as {@linkcode toFileError} has it. */
export function throwFileError(action: string, path: string | URL, cause: unknown): never {
  if (cause instanceof Deno.errors.NotCapable) {
    const right = action === "write" ? "write" : "read";
    throw fileError(action, path, { text: `Deno was not given the right to ${right} it` }, {
      cause,
      // For what is in a folder of the system, such as /dev/shm, Deno wants all rights there are.
      hint: cause.message.includes("--allow-all")
        ? "for a file there, Deno wants --allow-all"
        : `add --allow-${right}=${path} to deno run`,
    });
  }
  throw toFileError(action, path, cause, stateOfClass(cause) ?? stateOfText(cause));
}

/** What to catch with: throws as {@linkcode throwFileError} does. */
export function failed(action: string, path: string | URL): (cause: unknown) => never {
  return (cause) => throwFileError(action, path, cause);
}

function stateOfClass(error: unknown): FileState | undefined {
  if (error instanceof Deno.errors.NotFound) return "missing";
  if (error instanceof Deno.errors.PermissionDenied) return "denied";
  if (error instanceof Deno.errors.IsADirectory) return "directory";
  return undefined;
}

/** Deno has no code for some numbers. */
function stateOfText(error: unknown): FileState | undefined {
  const [, number] = /\(os error ([0-9]+)\)/.exec(reasonOf(error)) ?? [];
  return stateOfCode(errorCode(error)) ?? stateOfNumber(Number(number));
}

/** A file is written under another name first, and then renamed: that takes more than the right to write it. */
export function needsFolder(path: string, cause: unknown): OciError {
  const folder = /^(.*)[/\\]/.exec(path)?.[1] || ".";
  return fileError("write", path, { text: "Deno was not given the rights to replace it" }, {
    cause,
    hint: `add --allow-read=${folder} --allow-write=${folder} to deno run`,
  });
}
