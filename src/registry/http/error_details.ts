import type { RegistryErrorEntry } from "../../errors.ts";
import { isJsonObject } from "../../media_types.ts";

/** Longest detail that a message shows. */
const MAX_CHARACTERS = 150;
/** The numbers of Linux with which distribution tells why its disk takes nothing. */
const DISK_ERRORS: Readonly<Record<string, string>> = {
  13: "permission denied",
  28: "no space left on device",
  30: "read-only file system",
  122: "disk quota exceeded",
};
const DISK_WORDS = new RegExp(
  [...Object.values(DISK_ERRORS), "insufficient storage"].join("|"),
  "i",
);

/** An entry of a registry's error list in words, with what its detail adds to its message. */
export function entryWords({ code, message, detail }: RegistryErrorEntry): string {
  const said = [code, message].filter(Boolean).join(": ");
  const more = detailWords(detail);
  return more === "" || said.includes(more) ? said : `${said} (${more})`;
}

/** Whether a registry says that its own disk keeps it from taking anything: no further attempt changes that. */
export function isDiskFailure(status: number, errors: readonly RegistryErrorEntry[]): boolean {
  return status === 507 ||
    (status === 500 && errors.some((entry) => DISK_WORDS.test(entryWords(entry))));
}

/** What decoders of JSON say where it ends too early, those of Go and Rust. */
const CUT_WORDS = /unexpected end of JSON|unexpected EOF|EOF while parsing/i;

/** Whether a registry says that a document came without its end, or not at all. */
export function saysCut(errors: readonly RegistryErrorEntry[]): boolean {
  return errors.some(({ message, detail }) => CUT_WORDS.test(JSON.stringify([message, detail])));
}

/**
 * A detail is anything at all: many registries write text, Quay an object with a message, Trow one with a detail,
 * distribution what its disk said.
 */
function detailWords(detail: unknown): string {
  if (typeof detail === "string") {
    // Before that stand long paths of the registry's own.
    return DISK_WORDS.exec(detail)?.[0] ?? detail.trim().slice(0, MAX_CHARACTERS);
  }
  if (!isJsonObject(detail)) return "";
  const { message, detail: inner, Enclosed: enclosed } = detail;
  const words = typeof message === "string" ? message : inner;
  if (typeof words === "string") return detailWords(words);
  return isJsonObject(enclosed) ? DISK_ERRORS[String(enclosed.Err)] ?? "" : "";
}
