import { OciError } from "../errors.ts";

/** A condition of a file that people meet, whatever the runtime calls it. */
export type FileState = "missing" | "denied" | "directory" | "special" | "closed";

const STATES: Record<FileState, string> = {
  missing: "no such file",
  denied: "permission denied",
  directory: "it is a directory, expected a file",
  special: "it is a pipe or device, expected a file",
  closed: "it has been closed",
};

const HINTS: Partial<Record<FileState, string>> = {
  directory: "pack it first: tar -cf image.tar -C DIRECTORY .",
  special: 'read a pipe as "-": COMMAND | tarpush push - REFERENCE',
};

/**
 * The error for a file that cannot be used.
 *
 * @param action What was being done, such as `open`.
 * @param path The file.
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
  const hint = options.hint ?? (typeof state === "string" ? HINTS[state] : undefined);
  return new OciError(`Cannot ${action} ${JSON.stringify(String(path))}: ${text}`, {
    cause: options.cause,
    hint,
  });
}
