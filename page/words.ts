/// <reference lib="dom" />
import { OciError } from "../src/errors.ts";
import { copyButton, element } from "./dom.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A size for people, such as `12.3 MB`. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toPrecision(3)} ${UNITS[unit]}`;
}

/** A length of time for people, such as `4 s` or `2 min 10 s`. */
export function timeText(milliseconds: number): string {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  if (seconds < 60) {
    return milliseconds < 950 ? `${(milliseconds / 1000).toFixed(1)} s` : `${seconds} s`;
  }
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}

/** `3 layers`, `1 layer`, `2,000 repositories`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${numberText(number)} ${number === 1 ? one : many}`;
}

/** A number for people, such as `2,000`. */
export function numberText(number: number): string {
  return number.toLocaleString("en");
}

/** The beginning of a digest, which tells it from others for people. */
export function shortText(digest: string): string {
  return digest.replace(/^sha\d+:([0-9a-f]{12}).*$/, "$1");
}

/** A day and time, from RFC 3339; nothing where it is what Go writes for none, in the year 1. */
export function dateText(text: string): string {
  const date = new Date(text);
  if (date.getUTCFullYear() === 1) return "";
  // Builds that can be repeated have the year 1970 or 1980.
  return Number.isNaN(date.getTime())
    ? text
    : date.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

/** A failure: what it was, and what helps. Lines to be added somewhere can be copied. */
export function failureBox(error: unknown): HTMLElement {
  const { message, hint } = wordsOf(error);
  const [first = "", ...lines] = hint?.split("\n") ?? [];
  return element(
    "div",
    { class: "box error", role: "alert" },
    element("p", { title: message }, element("strong", {}, shortened(message))),
    first !== "" && element("p", {}, sentence(first)),
    lines.length > 0 && element(
      "div",
      { class: "lines" },
      element("pre", {}, lines.join("\n")),
      copyButton(lines.join("\n"), "header lines"),
    ),
  );
}

/** What a failure says. */
export function wordsOf(error: unknown): { message: string; hint: string | undefined } {
  if (error instanceof OciError) return { message: error.message, hint: hintInPage(error.hint) };
  if (error instanceof DOMException && error.name === "NotReadableError") {
    return {
      message: "The file has changed or is gone since it was chosen",
      hint: "choose it again",
    };
  }
  return { message: error instanceof Error ? error.message : String(error), hint: undefined };
}

/** A page has no options: what helps by one helps in a terminal. */
function hintInPage(hint: string | undefined): string | undefined {
  return hint && /(?:^|\s)--[a-z]/.test(hint) ? `with tarpush in a terminal: ${hint}` : hint;
}

/** A message with the beginnings of its digests. */
function shortened(text: string): string {
  return text.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, "$1...");
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
