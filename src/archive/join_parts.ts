import { createHash, hashAll, type Hasher } from "../incremental_hash.ts";
import { quoteName } from "../quote_name.ts";
import type { BlobSource } from "../source/blob_source.ts";
import { JoinedSource } from "../source/joined_source.ts";
import { type ListedPart, parsePartList, readEdges } from "../source/part_list.ts";
import {
  areInSeries,
  checkPartNames,
  isOfSeries,
  missingPart,
  unusablePart,
} from "../source/part_names.ts";
import type { ArchivePart, PartReading } from "./check_joins.ts";
import { checkPartHead, readPartHead } from "./part_head.ts";

/** Options for {@linkcode joinParts}. */
export interface JoinPartsOptions {
  /** The text of the checksum file beside the parts, as `sha256sum` or `save --split` writes it. */
  checksums?: string | undefined;
  /**
   * What is read of the parts beyond their ends and the headers of the tar. "auto": what nothing else tells, so that a part
   * that is damaged, out of place or of another archive is known before anything is done; nothing, where the checksum file
   * is one of `save --split`. "all": all of it, against the checksum file. "none": nothing.
   * @default {"auto"}
   */
  verify?: "auto" | "all" | "none";
  /** Aborts the reading. */
  signal?: AbortSignal | undefined;
  /**
   * Makes incremental hashes.
   * @default {createHash} the fastest that the runtime has
   */
  hasher?: Hasher;
}

/**
 * Makes one archive of its parts, read at any offset: a source for `pushImage`, `checkArchive` and the like. It is checked
 * first that they are all there, whole, in order, and parts of one archive: by the checksum file, where there is one that
 * knows them; by their names and the tar itself, where there is none.
 *
 * @example Pushing the files that a person chose
 * ```ts
 * import { joinParts, pushImage } from "@tarpush/tarpush";
 *
 * async function push(files: File[], target: string) {
 *   const parts = files.map((file) => ({ name: file.name, source: file }));
 *   return await pushImage(await joinParts(parts), target);
 * }
 * ```
 *
 * @param parts The parts in order. They stay the caller's, and must stay readable as long as the archive is used.
 * @param options The checksum file, and how much is read; see {@linkcode JoinPartsOptions}.
 * @returns The archive.
 * @throws {TypeError} If there are no parts.
 * @throws {ArchiveError} If one is missing, cut, out of order, given twice or of another archive; the message names it.
 */
export async function joinParts(
  parts: readonly ArchivePart[],
  { checksums, verify = "auto", signal, hasher = createHash }: JoinPartsOptions = {},
): Promise<BlobSource> {
  if (parts.length === 0) throw new TypeError("Cannot join parts: there are none, expected one");
  const names = parts.map(({ name }) => name);
  checkPartNames(names);
  const empty = parts.find(({ source }) => source.size === 0);
  if (empty) throw unusablePart(empty.name, "it is empty");
  const reading: PartReading = { verify, signal, hasher };
  const listed = findListed(names, parsePartList(checksums ?? ""));
  if (listed) await checkListed(parts, listed, reading);
  const head = await readPartHead(parts);
  const content = head ? parts.slice(1) : parts;
  const joined = new JoinedSource(content.map(({ source }) => source));
  if (head) await checkPartHead(head, content, joined, reading);
  else if (!listed || (verify === "none" && !listed.every(isTold))) {
    const { checkJoins } = await import("./check_joins.ts");
    await checkJoins(content, joined, reading);
  }
  return joined;
}

/** Whether a list says so much of a part that nothing but its ends has to be read. */
function isTold({ size, edges }: ListedPart): boolean {
  return size !== undefined && edges !== undefined;
}

/**
 * What a list says of the parts, in their order; undefined where it is about something else, such as the whole archive.
 *
 * @throws {ArchiveError} If it says that one is missing, or that one does not belong to them.
 */
function findListed(
  names: readonly string[],
  list: readonly ListedPart[],
): ListedPart[] | undefined {
  if (!list.some(({ name }) => names.includes(name))) return undefined;
  for (const [at, { name }] of list.entries()) {
    if (names.includes(name) || !isOfSeries(name, names)) continue;
    const before = list.slice(0, at).findLast((part) => names.includes(part.name));
    const where = before ? `behind ${quoteName(before.name)}` : "before all others";
    throw missingPart(name, `the checksum file has it ${where}`);
  }
  const places = names.map((name) => list.findIndex((part) => part.name === name));
  const stranger = names.find((_, at) => places[at] === -1);
  if (stranger !== undefined) {
    throw unusablePart(stranger, "the checksum file does not know it, expected one of its parts");
  }
  const turned = places.findIndex((place, at) => place < (places[at - 1] ?? 0));
  if (turned > 0 && !areInSeries(names)) {
    const state = `it comes after ${quoteName(names[turned - 1] ?? "")}`;
    throw unusablePart(names[turned] ?? "", `${state}, expected the order of the checksum file`);
  }
  return places.flatMap((place) => list[place] ?? []);
}

async function checkListed(
  parts: readonly ArchivePart[],
  listed: readonly ListedPart[],
  reading: PartReading,
): Promise<void> {
  // Lengths and ends of all go first: to read all of one may take a while.
  for (const [at, part] of parts.entries()) {
    const entry = listed[at];
    if (entry) await checkEnds(part, entry, listed);
  }
  for (const [at, { name, source }] of parts.entries()) {
    const entry = listed[at];
    const isRead = reading.verify === "all" ||
      (reading.verify === "auto" && entry && !isTold(entry));
    if (!entry || !isRead) continue;
    const hash = await reading.hasher("sha256");
    const actual = await hashAll(source.slice(0, source.size).stream(), hash, reading.signal);
    if (actual === entry.sha256) continue;
    const other = listed.find(({ sha256 }) => sha256 === actual);
    const state = other
      ? describeSwap(other)
      : `it is damaged, or of another archive: its SHA-256 is ${actual}, expected ${entry.sha256} by the checksum file`;
    throw unusablePart(name, state);
  }
}

async function checkEnds(
  { name, source }: ArchivePart,
  { size, edges }: ListedPart,
  listed: readonly ListedPart[],
): Promise<void> {
  const actual = edges === undefined ? undefined : await readEdges(source);
  const other = listed.find((part) =>
    part.name !== name && part.edges === actual && part.size === source.size
  );
  if (actual !== edges && other) throw unusablePart(name, describeSwap(other));
  if (size !== undefined && source.size !== size) {
    const problem = source.size < size ? "was cut" : "is too long";
    throw unusablePart(
      name,
      `it ${problem}: it has ${source.size} bytes, expected ${size} by the checksum file`,
    );
  }
  if (actual === edges) return;
  throw unusablePart(
    name,
    "its first or last bytes are not those that the checksum file knows: it is damaged, or of another archive",
  );
}

function describeSwap({ name }: ListedPart): string {
  return `it has the content of ${quoteName(name)}, by the checksum file`;
}
