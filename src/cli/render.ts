import { format as formatBytes } from "@std/fmt/bytes";
import { format as formatTime } from "@std/fmt/duration";
import { shortDigest } from "../digest.ts";
import type { PushEvent } from "../push/events.ts";
import type { PushedImage } from "../push/image_push.ts";
import type { ProgressState } from "./progress_state.ts";

/** Colours a text, or returns it as it is. */
export type Paint = (color: Color, text: string) => string;

/** What a colour stands for is decided by its user; terminals map these to their own palette. */
export type Color = "green" | "blue" | "cyan" | "yellow" | "red" | "dim";

const COLOR_CODES: Record<Color, number> = {
  green: 32,
  blue: 34,
  cyan: 36,
  yellow: 33,
  red: 31,
  dim: 90,
};

/** Paints with the terminal's own colours. */
export const paintColors: Paint = (color, text) => `\x1b[${COLOR_CODES[color]}m${text}\x1b[39m`;

/** Paints nothing: for files, and where NO_COLOR is set. */
export const paintNothing: Paint = (_color, text) => text;

// C0, DEL, C1; marks that turn the direction of writing; line and paragraph separators.
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text from an archive or a registry, fit for a terminal: whatever could steer it is spelled out. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`);
}

/**
 * The JSON of a document, whose names come from an archive or a registry: JSON itself leaves DEL, C1 controls and what
 * turns the direction of writing as they are.
 */
export function jsonText(document: unknown): string {
  return escaped(JSON.stringify(document, null, 2));
}

/** The same in one line. */
export function jsonLine(document: unknown): string {
  return escaped(JSON.stringify(document));
}

function escaped(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (char) => char === "\n" ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A size for people, such as `12.3 MB`. */
export function formatSize(bytes: number): string {
  return formatBytes(bytes);
}

/** A length of time for people, in tenths of a second up to ten seconds, then in whole ones. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 9950 ? `${(milliseconds / 1000).toFixed(1)}s` : formatSeconds(milliseconds);
}

/** A length of time in whole seconds, at least one. */
export function formatSeconds(milliseconds: number): string {
  return formatTime(Math.max(1, Math.round(milliseconds / 1000)) * 1000, { ignoreZero: true });
}

export function linesText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** `3 blobs`, `1 blob`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The line on stdout for a name that stands. */
export function resultLine(reference: string, digest: string): string {
  return printable(reference.endsWith(`@${digest}`) ? reference : `${reference}@${digest}`);
}

/** Wide enough for the longest label of a table. */
const LABEL_WIDTH = 9;

/** Lines of a table for people, with a label before the first. */
export function labelled(label: string, texts: readonly string[], paint: Paint): string[] {
  return texts.map((text, index) =>
    `  ${paint("dim", (index === 0 ? label : "").padEnd(LABEL_WIDTH))}  ${printable(text)}`
  );
}

/** The lines of a dry run for names that would stand, or do. */
export function plannedLines(
  verb: "push" | "copy",
  images: readonly Pick<PushedImage, "reference" | "digest" | "status">[],
): string[] {
  return images.map(({ reference, digest, status }) => {
    const word = status === "exists" ? "stands already:" : `would ${verb}`;
    return `${word} ${resultLine(reference, digest)}`;
  });
}

/**
 * The lines that an event leaves in a log or above the bars; most events leave none.
 *
 * @param pushed What to call a blob that was transferred.
 */
export function eventLines(event: PushEvent, paint: Paint, pushed = "pushed"): string[] {
  switch (event.type) {
    case "blob-done": {
      const size = formatSize(event.size).padStart(8);
      const word = event.status === "pushed" ? pushed : event.status;
      return [`${shortDigest(event.digest)}  ${size}  ${paint(STATUS_COLORS[event.status], word)}`];
    }
    case "retry": {
      const wait = formatDuration(event.delay);
      const what = event.digest ? shortDigest(event.digest) : printable(event.path ?? "request");
      const text = `${what}  attempt ${event.attempt} in ${wait}: ${printable(event.reason)}`;
      return [`${paint("yellow", "retry")}: ${text}`];
    }
    case "warning":
      return [`${paint("yellow", "warning")}: ${printable(event.message)}`];
    case "tag":
      // What stands beside an image is no result of its own.
      return event.subject ? [`beside it: ${resultLine(event.reference, event.digest)}`] : [];
    default:
      return [];
  }
}

const STATUS_COLORS = { pushed: "green", exists: "dim", mounted: "blue" } as const;

/**
 * The closing line of a push.
 *
 * @param word What to call a blob that was transferred.
 */
export function summaryLine(state: ProgressState, milliseconds: number, word = "pushed"): string {
  const { pushed, exists, mounted } = state.done;
  const parts = [`${counted(pushed.blobs, "blob")} ${word}`];
  if (pushed.blobs > 0) parts[0] += ` (${formatSize(pushed.bytes)})`;
  if (exists.blobs > 0) parts.push(`${exists.blobs} already there`);
  if (mounted.blobs > 0) parts.push(`${mounted.blobs} mounted`);
  return `${parts.join(", ")} in ${formatDuration(milliseconds)}`;
}
