import { requireCount } from "../concurrency.ts";
import { parsePlatforms } from "../image/platform_text.ts";
import { type RequestOptions, resolveRequestOptions } from "../registry/http/request_options.ts";
import type { PushEvent } from "./events.ts";
import { quoteName, withoutSecrets } from "../quote_name.ts";
import { isRepository } from "../reference.ts";
import { parseRename } from "./rename.ts";
import type { ShareBlob } from "./share_blob.ts";

/** Options for {@linkcode pushImage}. */
export interface PushOptions extends RequestOptions {
  /**
   * Upper bound of blob uploads in flight, for both kinds of source.
   * @default {3}
   */
  concurrency?: number;
  /** Aborts the push; the promise rejects with the signal's reason once every upload has ended. */
  signal?: AbortSignal;
  /** Told what happens; a promise it returns is awaited before the push goes on. */
  onEvent?: (event: PushEvent) => void | Promise<void>;
  /**
   * Images to push: full names, bare tags, digests (12 hex digits or more) or `#N`.
   * @default {[]} all of the archive
   */
  images?: readonly string[];
  /**
   * Platforms to push, such as `linux/arm64` or `windows/amd64:10.0.20348.1`. One pushes that image itself: of several that
   * fit the one that containerd would choose. Several give a new index of all that fit.
   * @default {[]} what the archive has
   */
  platforms?: readonly string[];
  /**
   * Push every tag that the archive knows to the repository of the target.
   * @default {false}
   */
  allTags?: boolean;
  /**
   * `FROM=TO` pairs that change a leading part of own names.
   * @default {[]}
   */
  rename?: readonly string[];
  /**
   * Read and hash every blob of the archive before it is sent, and inflate compressed docker layers to compare them
   * with the config. The registry verifies digests in any case.
   * @default {false}
   */
  verify?: boolean;
  /**
   * Send blobs and manifests although the registry says that it has them, and read all of it back: for a registry that lost or
   * damaged what it had. Some keep what they have under a digest, be it damaged: the push fails then, and says so.
   * @default {false}
   */
  force?: boolean;
  /**
   * Only ask what is missing; send and write nothing. Blobs that a push would send have status `pushed`.
   * @default {false}
   */
  dryRun?: boolean;
  /**
   * Memory for blobs of a source that comes only once (a stream, a compressed archive), in bytes. Blobs of up to three
   * quarters of it are held, pushed while reading goes on, and can be sent again. A larger one passes through, of which
   * the last quarter (16 MiB at most) is kept: where its connection breaks and the registry keeps what had arrived, it goes
   * on from there, else the push fails. JSON documents (64 MiB at most), the chunk in flight where uploads are chunked
   * (8 MiB) and buffers of the runtime come on top.
   *
   * Which blobs an image needs is known only at the end. What was sent and not needed is cancelled where its digest was
   * unknown, or where images, platforms or a digest were asked for, up to 256 open uploads; any other blob of the archive
   * that no image needs stays in the repository until the registry collects its garbage. A compressed file that goes to its
   * own names is read twice, and of that only what is needed is sent.
   * @default {67108864} 64 MiB
   */
  memoryBudget?: number;
  /**
   * Send blobs above this size in chunks of it, in bytes: for a proxy that limits the size of a request. A limit that is
   * found out by a refusal is met in the same way, with chunks of 8 MiB or less.
   * @default {undefined} one request for a blob
   */
  chunkSize?: number;
  /**
   * Repositories of the target's registry to mount blobs from.
   * @default {[]}
   */
  mountFrom?: readonly string[];
  /**
   * Mount what a sparse archive leaves out from the repositories that it names, too: whoever made it may not know them, but
   * may have a digest of what is in them.
   * @default {true}
   */
  mountRecorded?: boolean;
  /**
   * Agrees with other processes that push to the same registry on who sends a blob: for each that is wanted in a repository
   * and not there. Blobs of a pipe whose digest only their end tells are not asked about.
   * @default {undefined} nobody else pushes
   */
  shareBlob?: ShareBlob;
  /**
   * Media types of manifests that the push writes itself, because the archive has none: "docker", "oci", or "auto" for
   * Docker's with OCI's where the registry refuses those, or where a layer is zstd. A manifest that the archive has keeps
   * its bytes.
   * @default {"auto"}
   */
  manifestType?: ManifestType;
  /**
   * What becomes of layers that are not compressed: "keep" pushes them as they are, "gzip" and "zstd" compress them on all
   * cores, and "auto" compresses them with gzip where that is faster than to send them, which it measures first. Layers
   * that are compressed stay as they are, so do those that would become larger, and artifacts.
   *
   * Manifests and indexes that name such layers are written anew and have other digests; configs stay. With "zstd" they
   * are OCI's. Attestations of images that change are left out, and what has signatures is not compressed. The same layer
   * becomes the same bytes again with the same version of this package and of the runtime, and an image that stands under
   * the tag tells what its layers became: those are not compressed again.
   * @default {"keep"}
   */
  compression?: CompressionChoice;
  /**
   * How well to compress: 1 to 9 for gzip, 1 to 12 for zstd. A runtime that compiles no WebAssembly and has no encoder has
   * one level of gzip.
   * @default {undefined} 1 for gzip and 2 for zstd
   */
  compressionLevel?: number;
  /**
   * Compress images that have signatures or the like too, which are left behind then: they are about another digest.
   * @default {false}
   */
  forceCompress?: boolean;
  /**
   * What becomes of a tag that names something else: "overwrite" replaces it, "skip" leaves it and goes on with a notice,
   * "error" fails. From a file nothing is sent before that is known. A tag that names the same is not written again.
   * @default {"overwrite"}
   */
  onExisting?: OnExisting;
}

/** How a push compresses layers that are not compressed. */
export type CompressionChoice = "keep" | "gzip" | "zstd" | "auto";

/** What the caller wants of manifests that a push writes itself. */
export type ManifestType = "auto" | "docker" | "oci";

/** What becomes of a tag that names something else. */
export type OnExisting = "overwrite" | "skip" | "error";

const MANIFEST_TYPES: readonly ManifestType[] = ["auto", "docker", "oci"];
const COMPRESSIONS: readonly CompressionChoice[] = ["keep", "gzip", "zstd", "auto"];
const ON_EXISTING: readonly OnExisting[] = ["overwrite", "skip", "error"];

/** Highest levels. zstd has further ones, which take ten times as long for some percent. */
const MAX_LEVELS = { gzip: 9, zstd: 12, auto: 9 } as const;

const DEFAULT_MEMORY_BUDGET = 64 * 1024 * 1024;
/** Small layers and the files beside them must be held. */
export const MIN_MEMORY_BUDGET = 1024 * 1024;

/** What compresses layers, where something does. */
export interface CompressionSettings {
  compression: Exclude<CompressionChoice, "keep">;
  level: number | undefined;
  /** Whether manifests that have signatures are compressed too. */
  force: boolean;
}

/** {@linkcode PushOptions} with every value checked and filled in. */
export type ResolvedOptions = ReturnType<typeof resolveOptions>;

/**
 * Checks options once, before anything is read or sent.
 *
 * @throws {RangeError} If a number is out of range.
 * @throws {TypeError} If an option is of another kind, or a word none of those that are known.
 */
export function resolveOptions(options: PushOptions) {
  const {
    concurrency = 3,
    signal = new AbortController().signal,
    onEvent,
    images = [],
    platforms = [],
    allTags = false,
    rename = [],
    verify = false,
    force = false,
    dryRun = false,
    chunkSize,
    memoryBudget = DEFAULT_MEMORY_BUDGET,
    mountFrom = [],
    mountRecorded = true,
    shareBlob,
    manifestType = "auto",
    onExisting = "overwrite",
    compression = "keep",
    compressionLevel,
    forceCompress = false,
  } = options;
  for (const [name, list] of Object.entries({ images, platforms, rename, mountFrom })) {
    // A text is a list of its letters.
    if (Array.isArray(list)) continue;
    throw new TypeError(`Cannot use ${name} ${JSON.stringify(list)}: expected a list`);
  }
  // Told before anything is read; parsed for each plan, which notes what it used.
  for (const pair of rename) parseRename(pair);
  for (const repository of mountFrom) requireMountPlace(repository);
  requireOneOf("compression", compression, COMPRESSIONS);
  requireOneOf("manifestType", manifestType, MANIFEST_TYPES);
  requireOneOf("onExisting", onExisting, ON_EXISTING);
  requireCount("concurrency", concurrency);
  // One of another realm is one, too.
  if (typeof signal?.throwIfAborted !== "function") {
    throw new TypeError(`Cannot use signal: it is ${typeof signal}, expected an AbortSignal`);
  }
  if (onEvent && typeof onEvent !== "function") {
    throw new TypeError(`Cannot use onEvent: it is ${typeof onEvent}, expected a function`);
  }
  if (chunkSize !== undefined && !(Number.isInteger(chunkSize) && chunkSize > 0)) {
    throw new RangeError(
      `Cannot use chunkSize ${chunkSize}: expected a whole number of bytes above 0`,
    );
  }
  if (!(memoryBudget >= MIN_MEMORY_BUDGET)) {
    throw new RangeError(
      `Cannot use memoryBudget ${memoryBudget}: expected at least ${MIN_MEMORY_BUDGET} bytes`,
    );
  }
  return {
    concurrency,
    signal,
    memoryBudget,
    chunkSize,
    emit: async (event: PushEvent): Promise<void> => await onEvent?.(event),
    images,
    platforms: parsePlatforms(platforms),
    allTags,
    rename,
    verify,
    force,
    dryRun,
    mountFrom,
    mountRecorded,
    shareBlob,
    manifestType,
    onExisting,
    compression: resolveCompression(compression, compressionLevel, forceCompress, manifestType),
    ...resolveRequestOptions(options),
  };
}

/** @throws {SyntaxError} If something is no name of a repository: what is mounted comes from the same registry. */
function requireMountPlace(text: string): void {
  if (typeof text === "string" && isRepository(text)) return;
  throw new SyntaxError(
    `Cannot mount from ${quoteName(withoutSecrets(String(text)))}: it is no valid name, ` +
      "expected a repository of the same registry, such as team/base",
  );
}

function requireOneOf(name: string, value: string, words: readonly string[]): void {
  if (words.includes(value)) return;
  const list = words.map((word) => JSON.stringify(word)).join(", ");
  throw new TypeError(`Cannot use ${name} ${JSON.stringify(value)}: expected one of ${list}`);
}

/**
 * Checks the options of compression.
 *
 * @returns Undefined where nothing is compressed.
 * @throws {RangeError} If there is no such level.
 * @throws {TypeError} If they contradict each other.
 */
function resolveCompression(
  compression: CompressionChoice,
  level: number | undefined,
  force: boolean,
  manifestType: string,
): CompressionSettings | undefined {
  if (compression === "keep") {
    if (level === undefined && !force) return undefined;
    const option = level === undefined
      ? "forceCompress (--force-compress)"
      : "compressionLevel (--level)";
    throw new TypeError(
      `Cannot use ${option}: compression is "keep", expected another one with it`,
    );
  }
  const most = MAX_LEVELS[compression];
  if (level !== undefined && !(Number.isInteger(level) && level >= 1 && level <= most)) {
    throw new RangeError(
      `Cannot use compressionLevel ${level} (--level): expected a whole number from 1 to ${most}`,
    );
  }
  if (compression === "zstd" && manifestType === "docker") {
    throw new TypeError(
      'Cannot use compression "zstd" with manifestType "docker": only OCI\'s types can say zstd',
    );
  }
  return { compression, level, force };
}
