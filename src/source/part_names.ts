import { ArchiveError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";

/** A name as `split` and the like give it: the parts of one archive differ in a number, or in letters at their end. */
interface PartName {
  /** What stands before and behind it, the same for all parts. */
  before: string;
  behind: string;
  /** The number or letters. */
  order: string;
}

/** Makes the error for a part that cannot be used. */
export function unusablePart(
  name: string,
  state: string,
  options: { hint?: string; cause?: unknown } = {},
): ArchiveError {
  const message = `Cannot use ${quoteName(name)} as a part: ${state}`;
  return new ArchiveError(message, { path: name, ...options });
}

/** Makes the error for a part that was not given. */
export function missingPart(name: string, state: string): ArchiveError {
  return new ArchiveError(`Cannot use the parts: ${quoteName(name)} is missing, ${state}`, {
    path: name,
  });
}

/**
 * Checks what the names of parts tell: that they belong together, follow each other, and that none between them is missing.
 * Names that do not tell are taken as they come.
 *
 * @param names The names without their folders, in the order in which they are joined.
 * @throws {ArchiveError} If one is given twice, stands before one that it should follow, or lacks the one before it.
 */
export function checkPartNames(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw unusablePart(twice, "it is given twice, expected each part once");
  const series = readSeries(names);
  if (!series) return;
  const parts = names.map((name, at) => ({ name, order: series[at]?.order ?? "" }));
  for (const [at, { name, order }] of parts.entries()) {
    const before = parts[at - 1];
    if (!before || compareOrders(before.order, order) < 0) continue;
    throw unusablePart(
      name,
      `it comes after ${quoteName(before.name)}, expected the parts in order`,
    );
  }
  for (const [at, { name, order }] of parts.entries()) {
    const before = parts[at - 1];
    if (!before || follows(before.order, order)) continue;
    const where = `between ${quoteName(before.name)} and ${quoteName(name)}`;
    const absent = previousName([name, before.name]);
    if (absent !== undefined) throw missingPart(absent, `expected it ${where}`);
  }
}

/** What the part before the first one is called; undefined where that may be the first, or the names do not tell. */
export function previousName(names: readonly string[]): string | undefined {
  const [first] = areAlike(names) ?? [];
  if (!first || names.length < 2 || /^(?:0*[01]|a+)$/.test(first.order)) return undefined;
  return first.before + previous(first.order) + first.behind;
}

/** What the part after one may be called whose name ends in its number or letters: `split` makes these longer in the end. */
export function nextNames(name: string): string[] {
  const part = [numbered(name), lettered(name)].find((read) => read?.behind === "");
  if (!part) return [];
  const next = following(part.order);
  if (next === undefined) return [];
  return [next, next + (/^\d/.test(next) ? "00" : "aa")].map((order) => part.before + order);
}

/** Whether names tell the order of the parts by themselves. */
export function areInSeries(names: readonly string[]): boolean {
  return readSeries(names) !== undefined;
}

/** Whether a name continues the series of others, as one that was left out would. */
export function isOfSeries(name: string, names: readonly string[]): boolean {
  return !names.includes(name) && areAlike([name, ...names.slice(0, 1)]) !== undefined;
}

/** What the checksum file beside a part may be called. */
export function checksumNames(name: string): string[] {
  const { before } = numbered(name) ?? lettered(name) ?? { before: name };
  const stem = before.replace(/[._-]+$/, "");
  const shorter = stem.replace(/[._-]*part$/i, "");
  return [...new Set([stem, shorter])].filter(Boolean).map((each) => `${each}.sha256`);
}

/** The places of parts in their series; undefined where the names are none. */
function readSeries(names: readonly string[]): PartName[] | undefined {
  const alike = areAlike(names);
  if (alike || names.length < 2) return alike;
  // Numbers behind a dot are those of parts: of two archives, where what stands before differs.
  const parts = names.map((name) => /\.\d{2,}$/.test(name) ? numbered(name) : undefined);
  if (!parts.every((part) => part !== undefined)) return undefined;
  const [first] = parts;
  const usual = parts.filter(({ before }) => before === first?.before).length * 2 >= parts.length
    ? first
    : parts.at(-1);
  const stranger = parts.findIndex(({ before }) => before !== usual?.before);
  throw unusablePart(
    names[stranger] ?? "",
    `it is of another archive, expected parts of ${quoteName(usual?.before.slice(0, -1) ?? "")}`,
  );
}

/** Names that differ in their numbers alone, or in their last letters alone. */
function areAlike(names: readonly string[]): PartName[] | undefined {
  for (const read of [numbered, lettered]) {
    const parts = names.map(read);
    const [first] = parts;
    const isSeries = (part: PartName | undefined): part is PartName =>
      part !== undefined && part.before === first?.before && part.behind === first.behind;
    if (parts.every(isSeries)) return parts;
  }
  return undefined;
}

function numbered(name: string): PartName | undefined {
  const [, before, order, behind] = /^(.*\D|)(\d{1,15})(\D*)$/s.exec(name) ?? [];
  if (before === undefined || order === undefined || behind === undefined) return undefined;
  return { before, order, behind };
}

function lettered(name: string): PartName | undefined {
  const [, before, order] = /^(.*[^a-z]|x)([a-z]{2,6})$/s.exec(name) ?? [];
  return before === undefined || order === undefined ? undefined : { before, order, behind: "" };
}

/** Letters compare as they stand, also where `split` needs more of them after a while: `yz` comes before `zaaa`. */
function compareOrders(one: string, other: string): number {
  if (/^\d/.test(one)) return Number(one) - Number(other);
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Where one is longer, `split` may have gone from 89 to 9000 or from yz to zaaa: what is missing then, the content tells. */
function follows(one: string, other: string): boolean {
  return one.length !== other.length || previous(other) === one;
}

/** The number or letters before. */
function previous(order: string): string {
  if (/^\d/.test(order)) return `${Number(order) - 1}`.padStart(order.length, "0");
  const letters = [...order];
  for (let at = letters.length - 1; at >= 0; at--) {
    const letter = letters[at] ?? "a";
    if (letter !== "a") {
      letters[at] = String.fromCharCode(letter.charCodeAt(0) - 1);
      break;
    }
    letters[at] = "z";
  }
  return letters.join("");
}

/** The number or letters after; undefined behind the last letters. */
function following(order: string): string | undefined {
  if (/^\d/.test(order)) return `${Number(order) + 1}`.padStart(order.length, "0");
  const [, before = "", letter, last = ""] = /^(.*)([a-y])(z*)$/.exec(order) ?? [];
  if (letter === undefined) return undefined;
  return before + String.fromCharCode(letter.charCodeAt(0) + 1) + "a".repeat(last.length);
}
