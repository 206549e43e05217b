import { AmbiguousImageError } from "../errors.ts";
import { UsageError } from "./options.ts";
import { type Paint, printable } from "./render.ts";

/** Exit codes of the program. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The exit code for an error: 2 where other arguments would help, else 1. */
export function exitCodeFor(error: unknown): number {
  const isUsage = [UsageError, AmbiguousImageError, SyntaxError, TypeError, RangeError]
    .some((kind) => error instanceof kind);
  return isUsage ? EXIT.usage : EXIT.failed;
}

/**
 * What a person reads about a failure: one line, a hint where there is one, and the names to choose from that
 * its message leaves out.
 *
 * @param error What was thrown.
 * @param paint How to colour.
 * @param isDebug Whether to add the stack traces, causes included.
 */
export function failureLines(error: unknown, paint: Paint, isDebug: boolean): string[] {
  const lines = [`${paint("red", "tarpush:")} ${printable(messageOf(error))}`];
  const hint = memberOf(error, "hint");
  if (typeof hint === "string") lines.push(`${paint("yellow", "hint:")} ${printable(hint)}`);
  if (error instanceof AmbiguousImageError) {
    const unnamed = error.choices.filter((choice) => !error.message.includes(choice));
    lines.push(...unnamed.map((choice) => `  --image ${printable(choice)}`));
  }
  if (isDebug) lines.push(...stackLines(error));
  return lines;
}

/** Members of errors that a program may want, in the order in which they are written. */
const MEMBERS = [
  "hint",
  "retryable",
  "method",
  "url",
  "status",
  "errors",
  "step",
  "origin",
  "digest",
  "expected",
  "actual",
  "path",
  "entry",
  "offset",
  "choices",
] as const;

/** A failure as `--json` shows it. */
export function failureDocument(error: unknown): Record<string, unknown> {
  const document: Record<string, unknown> = {
    name: error instanceof Error || error instanceof DOMException ? error.name : "Error",
    message: messageOf(error),
  };
  for (const member of MEMBERS) {
    const value = memberOf(error, member);
    if (value !== undefined) document[member] = value;
  }
  return document;
}

/** The images that stand in spite of the failure. */
export function pushedBefore(error: unknown): readonly unknown[] {
  const pushed = memberOf(error, "pushed");
  return Array.isArray(pushed) ? pushed : [];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

function memberOf(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null
    ? (error as Record<string, unknown>)[name]
    : undefined;
}

/** Causes that are shown at most: an error may be its own. */
const MOST_CAUSES = 8;

function stackLines(error: unknown): string[] {
  const lines: string[] = [];
  let cause: unknown = error;
  for (let depth = 0; cause !== undefined && depth < MOST_CAUSES; depth++) {
    const text = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
    const [first = "", ...rest] = text.split("\n").map(printable);
    lines.push(depth === 0 ? first : `caused by: ${first}`, ...rest);
    cause = memberOf(cause, "cause");
  }
  return lines;
}
