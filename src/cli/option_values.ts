import { parseUrl } from "../parse_url.ts";
import { type ReadText, wrongValue } from "./options.ts";

/** Makes a parser of whole numbers from `least` to `most`. */
export function parseCount(least: number, most = 1_000_000): ReadText<number> {
  return (text, option) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (count >= least && count <= most) return count;
    throw wrongValue(option, text, `a whole number from ${least} to ${most}`);
  };
}

/** Reads an address to listen on: an empty one would be all of them to Bun. */
export function parseAddress(text: string, option: string): string {
  if (text.trim() !== "") return text;
  throw wrongValue(option, "", "an address such as 127.0.0.1");
}

/** Reads an origin of pages as browsers send it (Fetch standard, "Origin header"): written otherwise it lets none in. */
export function parseOrigin(text: string, option: string): string {
  const origin = parseUrl(text)?.origin ?? "null";
  // Of an extension or an app, URL tells none.
  const isOther = origin === "null" && /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/.test(text);
  if (text === "*" || text === origin || isOther) return text;
  const hint = origin === "null" ? undefined : `${option} ${origin}`;
  throw wrongValue(option, text, "an origin such as https://app.example, or *", hint);
}

/** Reads a length of time in seconds. */
export function parseSeconds(text: string, option: string): number {
  const seconds = /^\d{1,7}(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return seconds;
  throw wrongValue(option, text, "a number of seconds above 0");
}

/** Reads how often something may happen in a second. */
export function parseFrequency(text: string, option: string): number {
  const frequency = /^\d{1,7}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  if (frequency > 0) return frequency;
  throw wrongValue(option, text, "a number above 0, such as 0.5");
}

const SIZE_PATTERN = /^(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT])?(iB|B)?$/i;

/** Reads a size such as `8MiB`, `16M` or `1048576`, in bytes. */
export function parseSize(text: string, option: string): number {
  const [, digits = "", prefix = "", suffix = ""] = SIZE_PATTERN.exec(text) ?? [];
  // As everywhere in this trade: M and MiB count in 1024, MB in 1000.
  const base = prefix && suffix.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = Math.round(Number(digits) * base ** " KMGT".indexOf(prefix.toUpperCase() || " "));
  if (digits && bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw wrongValue(option, text, "a size such as 8MiB");
}

/** One of several parts of a list of archives, each for a process of its own. */
export interface Shard {
  /** Which, counted from 0. */
  index: number;
  /** How many there are. */
  count: number;
}

/** Far more machines than a registry bears. */
const MAX_SHARDS = 100_000;

/** Reads `I/N`; I counts from 0, as the indexes of a Kubernetes job do. */
export function parseShard(text: string, option: string): Shard {
  const [, index = NaN, count = NaN] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (index < count && count <= MAX_SHARDS) return { index, count };
  throw wrongValue(option, text, "I/N with I from 0 to N-1, such as 0/3");
}
