import { ArchiveError, TarError } from "../errors.ts";
import type { Host } from "../runtime/host.ts";
import { FIRST_PART } from "./command_words.ts";
import { type Input, openInput } from "./input.ts";
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
  const { openParts } = await import("./parts_input.ts");
  return await openParts(parts, host, options);
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
