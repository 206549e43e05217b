import { ArchiveError, TarError } from "../errors.ts";
import type { Host } from "../runtime/host.ts";
import { FIRST_PART } from "./command_words.ts";
import { type Input, openInput, urlOf } from "./input.ts";
import type { PartsOptions } from "./parts_input.ts";

/** The archive that a command line names: one source, or the parts of one. */
export interface ArchiveWords {
  source: string;
  /** All parts, the first included; empty where the source is whole. */
  parts: readonly string[];
}

/**
 * Opens the archive that a command line names.
 *
 * @param example A command line that pipes something in, for the hint.
 */
export async function openArchiveWords(
  { source, parts }: ArchiveWords,
  host: Host,
  example: string,
  options: PartsOptions,
): Promise<Input> {
  if (parts.length === 0) return await openInput(source, host, example);
  const { openParts, withLists } = await import("./parts_input.ts");
  return await openParts(await withLists(parts, host), host, options);
}

/**
 * Opens the archive that an option names: the first part of several stands for all that follow it there.
 *
 * @param example A command line that pipes something in, for the hint.
 */
export async function openNamed(
  source: string,
  host: Host,
  example: string,
  options: PartsOptions,
): Promise<Input> {
  return await openArchiveWords(await wordsFrom(source, host), host, example, options);
}

/** The files that are read of what {@linkcode openNamed} opens. */
export async function filesOfNamed(source: string, host: Host): Promise<readonly string[]> {
  const { parts } = await wordsFrom(source, host);
  if (parts.length === 0) return [source];
  const { withLists } = await import("./parts_input.ts");
  return await withLists(parts, host);
}

/** An archive that is one file, or the first of several parts. */
async function wordsFrom(source: string, host: Host): Promise<ArchiveWords> {
  if (!FIRST_PART.test(source) || urlOf(source)) return { source, parts: [] };
  const { nextNames } = await import("../source/part_names.ts");
  const parts: string[] = [];
  for (let next: string | undefined = source; next !== undefined;) {
    parts.push(next);
    const [one = "", other = ""]: string[] = nextNames(next);
    next = await isFile(one, host) ? one : await isFile(other, host) ? other : undefined;
  }
  return { source, parts: parts.length > 1 ? parts : [] };
}

async function isFile(path: string, host: Host): Promise<boolean> {
  return (await host.fileInfo(path))?.kind === "file";
}

/** What to type for an archive that cannot be read because it is but a part of one; undefined for any other. */
export function partsHint({ source, parts }: ArchiveWords): string | undefined {
  if (parts.length > 0 || !FIRST_PART.test(source)) return undefined;
  return `it is called as the first of several parts is: --parts ${
    source.replace(/[^.]+$/, "*")
  } reads all of them`;
}

/** Adds {@linkcode partsHint} to an error of an archive that has no hint. */
export function withPartsHint(words: ArchiveWords, error: unknown): unknown {
  const hint = partsHint(words);
  if (hint === undefined) return error;
  if (error instanceof TarError) {
    const { message, offset, entry } = error;
    return new TarError(message, { offset, entry, hint, cause: error });
  }
  if (!(error instanceof ArchiveError)) return error;
  return new ArchiveError(error.message, { path: error.path, hint, cause: error });
}
