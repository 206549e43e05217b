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

/** A failure as a document: `--json` of the program shows it so, and the gateway. */
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

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** A member of an error, which may be anything. */
export function memberOf(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null
    ? (error as Record<string, unknown>)[name]
    : undefined;
}
