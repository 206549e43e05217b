import { OciError } from "../errors.ts";
import { type CheckedArchive, checkPassing, checkRandom } from "../image/check/checked_archive.ts";
import { readArchive } from "../image/archive.ts";
import { LEFT_OUT_PATH } from "../image/entry_names.ts";
import { listNeeded, type NeededBlob } from "../image/left_out.ts";
import type { Finding } from "../image/check/findings.ts";
import { dialectOf, validateArchive } from "../image/check/validate.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";
import { resolveRetry, type RetryOptions } from "../registry/http/retry.ts";
import type { Timeouts } from "../registry/http/time_limits.ts";
import { requireUnchanged } from "../source/changed_source.ts";
import {
  openSource,
  type PassingInput,
  type PushSource,
  type RandomInput,
} from "../source/open_source.ts";
import { openEntries } from "./read_passing.ts";

/** Options for {@linkcode checkArchive}. */
export interface CheckArchiveOptions {
  /** Aborts the reading. */
  signal?: AbortSignal;
  /**
   * Makes incremental hashes.
   * @default {createHash} the fastest that the runtime has
   */
  hasher?: Hasher;
  /**
   * Answers the requests for a source that is a URL.
   * @default {fetch}
   */
  fetch?: (request: Request) => Promise<Response>;
  /**
   * How long the server of a source that is a URL may be silent.
   * @default {60000} for `idle`
   */
  timeouts?: Pick<Timeouts, "idle">;
  /**
   * How often the server of a source that is a URL is asked for the same.
   * @default {3} attempts, the second after half a second
   */
  retry?: RetryOptions;
  /** Told from time to time how far the reading is. */
  onProgress?: (progress: CheckProgress) => void;
}

/** How far a check is. */
export interface CheckProgress {
  /** Bytes of the source read so far, or, of one that is read at any offset, bytes of its files. */
  bytes: number;
  /** How many there are, where that is known. */
  total?: number;
}

/** What a check of an archive found. */
export interface ArchiveCheck {
  /** Whether nothing is wrong: there is no finding of severity `error`. */
  ok: boolean;
  /** The documents it has: `docker` for manifest.json, `oci` for index.json; absent where it has none of them. */
  dialect?: "docker" | "oci" | "docker+oci";
  /** Files that were read. */
  files: number;
  /** Their sizes together. */
  bytes: number;
  /** Everything found: errors first, then warnings, then notes; at most 1000 of each and one that counts the rest. */
  findings: Finding[];
  /** Blobs that it leaves out, and where they were; absent where it says nothing of that, or cannot be read. */
  leftOut?: NeededBlob[];
}

/**
 * Reads the whole of an archive and tells everything that is wrong with it: every file is hashed and compared with the
 * digests, sizes and types that the archive's documents state, every compressed layer inflated and compared with its
 * diff_id. A broken archive is an answer, not an exception; what was found before the break is told with it.
 *
 * Layers are streamed, whatever their size. A stream is read once, to its end; a file is read in several places at once.
 *
 * @example Whether an archive is whole
 * ```ts
 * import { checkArchive } from "@tarpush/tarpush";
 *
 * async function problemsOf(tar: Blob): Promise<string[]> {
 *   const { findings } = await checkArchive(tar);
 *   return findings.filter(({ severity }) => severity === "error").map(({ message }) => message);
 * }
 *
 * const [problem] = await problemsOf(new Blob(["no tar"]));
 * if (!problem) throw new Error("unreachable");
 * ```
 *
 * @param source The archive; a `Blob` or file stays the caller's, a stream is read to its end.
 * @param options `signal`, `hasher` and `onProgress`.
 * @returns What was found.
 * @throws {NetworkError} If the source is a URL that cannot be read; errors of a stream pass unchanged.
 * @throws {ArchiveError} If the source is a file that changed meanwhile.
 */
export async function checkArchive(
  source: PushSource,
  options: CheckArchiveOptions = {},
): Promise<ArchiveCheck> {
  const { signal = new AbortController().signal, fetch, timeouts, retry, ...rest } = options;
  const asking = { fetch, timeouts, retry: retry && resolveRetry(retry) };
  await using input = await openSource(source, signal, asking);
  const archive = await readChecked(input, { ...rest, signal });
  await requireUnchanged(input);
  const findings = await validateArchive(archive);
  const dialect = dialectOf(archive.files);
  const ok = findings.every(({ severity }) => severity !== "error");
  const leftOut = await leftOutOf(archive.files);
  return {
    ok,
    ...(dialect ? { dialect } : {}),
    files: archive.checked.length,
    bytes: archive.checked.reduce((sum, { size }) => sum + size, 0),
    findings,
    ...leftOut && { leftOut },
  };
}

async function leftOutOf(files: CheckedArchive["files"]): Promise<NeededBlob[] | undefined> {
  try {
    if (!files.find(LEFT_OUT_PATH)) return undefined;
    const { images, leftOut = new Map() } = await readArchive(files);
    return listNeeded(images, leftOut);
  } catch (error) {
    // What it fails for is among the findings.
    if (error instanceof OciError) return undefined;
    throw error;
  }
}

/** Reads every file of an archive; see {@linkcode checkArchive}. */
export async function readChecked(
  input: RandomInput | PassingInput,
  { signal, hasher = createHash, onProgress }: CheckArchiveOptions & { signal: AbortSignal },
): Promise<CheckedArchive> {
  if (input.kind === "random") {
    const report = (bytes: number, total: number | undefined) =>
      onProgress?.(total === undefined ? { bytes } : { bytes, total });
    return await checkRandom(input.source, { signal, hasher, onProgress: report });
  }
  const { total } = input;
  const report = () => {
    const bytes = input.read();
    // Its first bytes are read twice, to tell the compression.
    onProgress?.(total === undefined ? { bytes } : { bytes: Math.min(bytes, total), total });
  };
  const options = { signal, hasher, onProgress: report };
  const { entries, tar } = await openEntries(input, { signal });
  const tarEnd = tar && (() => ({ end: tar.end, trailing: tar.trailing }));
  return await checkPassing(entries, tarEnd, options);
}
