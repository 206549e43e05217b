import { openArchive as openRandom, readArchive } from "../image/archive.ts";
import type { Finding } from "../image/check/findings.ts";
import { type ArchiveSummary, summarizeArchive } from "../image/inspect.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";
import { resolveRetry } from "../registry/http/retry.ts";
import {
  openSource,
  type PassingInput,
  type PushSource,
  type RandomInput,
} from "../source/open_source.ts";
import type { CheckArchiveOptions } from "./check_archive.ts";
import { readPassing } from "./read_passing.ts";

/** Options for {@linkcode openArchive}. */
export interface OpenArchiveOptions extends Omit<CheckArchiveOptions, "onProgress"> {
  /**
   * Hash all of a source that comes only once while it is read, so that `validate()` can tell of it afterwards. It is
   * read several times as fast without.
   * @default {true}
   */
  verify?: boolean;
}

/** What {@linkcode openArchive} gives: the summary of an archive, and a way to check it. */
export interface OpenedArchive extends ArchiveSummary {
  /**
   * Checks every digest, size and type; see `checkArchive`, which takes broken archives too. A source that can be read
   * again is read to its end for this.
   *
   * @param options `signal` aborts the reading.
   * @returns Everything found: errors first, then warnings, then notes.
   * @throws {TypeError} If the source came only once, and was opened with `verify: false`.
   */
  validate(options?: { signal?: AbortSignal }): Promise<Finding[]>;
}

/**
 * Reads what an image archive holds. Of a source that can be read at any offset only headers, JSON documents and the
 * first bytes of layers are read; any other is read to its end, hashed, and nothing but its documents is kept.
 *
 * @example The names in an archive
 * ```ts
 * import { openArchive } from "@tarpush/tarpush";
 *
 * async function namesOf(tar: Blob): Promise<string[]> {
 *   const { images } = await openArchive(tar);
 *   return images.flatMap(({ names, tags }) => [...names, ...tags]);
 * }
 * ```
 *
 * @param source The archive; a `Blob` or file stays the caller's.
 * @param options `signal`, `hasher` and `verify`.
 * @returns Its images with their names, what they consist of, and `validate()`.
 * @throws {TarError} If the source is no tar or is broken.
 * @throws {ArchiveError} If it is no image archive, or its documents are malformed.
 * @throws {DigestMismatchError} If a document does not have the digest that it goes under.
 */
export async function openArchive(
  source: PushSource,
  options: OpenArchiveOptions = {},
): Promise<OpenedArchive> {
  const { signal = new AbortController().signal, hasher = createHash, verify = true, ...reading } =
    options;
  const { fetch, timeouts, retry } = reading;
  const asking = { fetch, timeouts, retry: retry && resolveRetry(retry) };
  const input = await openSource(source, signal, asking);
  try {
    const again = checkAgain(source, { hasher, ...reading });
    return await readInput(input, { verify, hasher, signal }, again);
  } catch (error) {
    const { withChange } = await import("../source/changed_source.ts");
    throw await withChange(input, error);
  }
}

/** @param again Checks a source that can be read again. */
async function readInput(
  input: RandomInput | PassingInput,
  { verify, hasher, signal }: { verify: boolean; hasher: Hasher; signal: AbortSignal },
  again: OpenedArchive["validate"],
): Promise<OpenedArchive> {
  if (input.kind === "random") {
    const summary = await summarizeArchive(await openRandom(input.source, { signal }));
    return { ...summary, validate: again };
  }
  if (input.again || !verify) {
    const summary = await summarizeArchive(await readPassing(input, { hasher, signal }));
    return { ...summary, validate: input.again ? again : refuse };
  }
  const { readChecked } = await import("./check_archive.ts");
  const checked = await readChecked(input, { signal, hasher });
  if (checked.failure) throw checked.failure;
  const summary = await summarizeArchive(await readArchive(checked.files));
  const { validateArchive } = await import("../image/check/validate.ts");
  return { ...summary, validate: () => validateArchive(checked) };
}

function checkAgain(
  source: PushSource,
  options: Pick<OpenArchiveOptions, "fetch" | "timeouts" | "retry"> & { hasher: Hasher },
): OpenedArchive["validate"] {
  return async ({ signal } = {}) => {
    const { checkArchive } = await import("./check_archive.ts");
    const { findings } = await checkArchive(source, { ...options, ...(signal && { signal }) });
    return findings;
  };
}

function refuse(): Promise<never> {
  return Promise.reject(
    new TypeError(
      "Cannot validate an archive that came only once and was opened with verify: false, " +
        "expected verify: true",
    ),
  );
}
