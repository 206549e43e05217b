import { AmbiguousImageError } from "../errors.ts";
import { memberOf, messageOf } from "../failure_document.ts";
import { EXIT } from "./exit.ts";
import { UsageError } from "./options.ts";
import { type Paint, printable } from "./render.ts";

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
