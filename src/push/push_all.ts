import { asyncDispose } from "../async_dispose.ts";
import type { PushSource } from "../source/open_source.ts";
import { requireCount } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { resultsAsTheyEnd } from "./as_they_end.ts";
import type { PushEvent } from "./events.ts";
import type { PushedImage } from "./image_push.ts";
import {
  MIN_MEMORY_BUDGET,
  type PushOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options.ts";
import { parsePushTargets } from "./plan.ts";
import { Push, type PushResult, pushSource, type SharedPush, startShared } from "./push.ts";
import { Sharing } from "./sharing.ts";

/** An archive of many. */
export interface ArchiveInput {
  /** The archive, or what opens it when its turn comes; what was opened so is disposed of where it can be. */
  source: PushSource | (() => Promise<PushSource & Partial<AsyncDisposable>>);
  /**
   * Where this archive goes.
   * @default the target of the call
   */
  target?: string | readonly string[];
  /**
   * What it is called in events, results and messages.
   * @default the name of a `File`, a URL without what may be secret in it, else `#N`
   */
  name?: string;
  /**
   * As `given` of the options: what is found out only now, where archives come one after the other.
   * @default {[]}
   */
  given?: readonly GivenTag[];
}

/** Which archive of a call something is about. */
export interface ArchiveName {
  /** Its place among the sources, counted from 0. */
  index: number;
  /** What it is called. */
  name: string;
}

/** Options for {@linkcode pushAll}; `concurrency` holds for all archives together, so does `memoryBudget`. */
export interface PushAllOptions extends Omit<PushOptions, "onEvent"> {
  /**
   * Archives that are worked on at the same time.
   * @default {4}
   */
  archives?: number;
  /**
   * Whether the first archive that fails ends the rest.
   * @default {false}
   */
  failFast?: boolean;
  /** Tags that archives of the same set were given before: one that would name something else now is refused. */
  given?: Iterable<GivenTag>;
  /** Told what happens with which archive; a promise it returns is awaited before that archive goes on. */
  onEvent?: (event: PushEvent, archive: ArchiveName) => void | Promise<void>;
}

/** What an earlier call has put under a tag, and from which archive. */
export interface GivenTag {
  /** As the result of a push names it: `localhost:5000/team/app:1.0`. */
  reference: string;
  /** Digest of the manifest or index that stands there. */
  digest: Digest;
  /** What the archive is called. */
  archive: string;
}

/** What became of one archive. */
export type ArchiveResult = PushedArchive | FailedArchive;

/** An archive whose images stand. */
export interface PushedArchive extends ArchiveName, PushResult {
  /** `exists` where nothing was written: its images stood already, or their tags were to be left as they are; those are not among `images`. */
  status: "pushed" | "exists";
}

/** An archive that could not be pushed, or not all of it. */
export interface FailedArchive extends ArchiveName {
  /** Some of it does not stand; what does is among `images`. */
  status: "failed";
  /** Why. */
  error: unknown;
  /** Images of it that were complete by then. */
  images: PushedImage[];
  /** Bytes of blobs that were sent. */
  bytesUploaded: number;
}

/**
 * Pushes many archives in one go. What a registry has is asked once, a blob that several archives hold is sent once and
 * mounted where else it is needed, and all archives together have no more than `concurrency` uploads in flight at a
 * registry. An archive that fails is a result like the others.
 *
 * Results come as the archives end. Who stops asking for them stops the push: what is in flight is aborted.
 *
 * @example Pushing a folder full of archives
 * ```ts
 * import { pushAll } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * async function pushFiles(files: File[]): Promise<string[]> {
 *   const failed: string[] = [];
 *   for await (const result of pushAll(files, "localhost:5000", { fetch: createRegistry() })) {
 *     if (result.status === "failed") failed.push(`${result.name}: ${result.error}`);
 *   }
 *   return failed;
 * }
 * ```
 *
 * @param sources The archives, or what opens them when their turn comes; they may come from somewhere themselves.
 * @param target Where those go that name no target of their own; see {@linkcode pushImage}.
 * @param options Settings; see {@linkcode PushAllOptions}.
 * @returns What became of each archive, as they end.
 * @throws {SyntaxError} If the target, or a repository of `mountFrom`, does not parse.
 * @throws {RangeError} If a number among the options is out of range.
 * @throws {TypeError} If the sources are no list, or an option is none, or does not go with the target.
 */
export async function* pushAll(
  sources: Iterable<PushSource | ArchiveInput> | AsyncIterable<PushSource | ArchiveInput>,
  target: string | readonly string[] | undefined,
  options: PushAllOptions = {},
): AsyncGenerator<ArchiveResult, void, void> {
  const { archives = 4, failFast = false, given = [], onEvent, ...rest } = options;
  requireCount("archives", archives);
  const resolved = resolveOptions(rest);
  if (target !== undefined) parsePushTargets(target, resolved);
  const shared = startShared(() => new Sharing(resolved.concurrency));
  for (const tag of given) shared.claims.set(tag.reference, tag);
  const call: Call = {
    target,
    settings: {
      ...resolved,
      memoryBudget: Math.max(MIN_MEMORY_BUDGET, Math.floor(resolved.memoryBudget / archives)),
    },
    onEvent,
    shared,
  };
  yield* resultsAsTheyEnd(
    sources,
    archives,
    failFast,
    (input, index, signal) => pushOne(input, index, call, signal),
    resolved.signal,
  );
}

interface Call {
  target: string | readonly string[] | undefined;
  settings: ResolvedOptions;
  onEvent: PushAllOptions["onEvent"];
  shared: SharedPush;
}

async function pushOne(
  input: PushSource | ArchiveInput,
  index: number,
  { target, settings, onEvent, shared }: Call,
  signal: AbortSignal,
): Promise<ArchiveResult> {
  const given = isArchiveInput(input) ? input : { source: input };
  const archive: ArchiveName = { index, name: given.name ?? nameOf(given.source, index) };
  for (const tag of given.given ?? []) {
    if (!shared.claims.has(tag.reference)) shared.claims.set(tag.reference, tag);
  }
  const resolved = settingsOfOne(settings, archive, onEvent, signal);
  const push = new Push(resolved, { shared, archive: archive.name });
  return await resultOfOne(archive, push, async () => {
    signal.throwIfAborted();
    const targets = parsePushTargets(given.target ?? target ?? [], settings);
    return await withSource(given.source, (source) => pushSource(source, targets, push));
  });
}

/** The settings of a call for one of its archives, or for one of the images that it copies. */
export function settingsOfOne(
  settings: ResolvedOptions,
  archive: ArchiveName,
  onEvent: PushAllOptions["onEvent"],
  signal: AbortSignal,
): ResolvedOptions {
  return { ...settings, signal, emit: async (event) => await onEvent?.(event, archive) };
}

/** Pushes one of the archives of a call, and tells what became of it. */
export async function resultOfOne(
  archive: ArchiveName,
  push: Push,
  run: () => Promise<PushResult & { status?: "exists" }>,
): Promise<ArchiveResult> {
  try {
    const result = await run();
    const status = push.hasWritten ? "pushed" : "exists";
    return { ...archive, status, ...result };
  } catch (error) {
    const { pushed: images, bytesUploaded } = push;
    return { ...archive, status: "failed", error, images, bytesUploaded };
  }
}

async function withSource<T>(
  source: ArchiveInput["source"],
  use: (source: PushSource) => Promise<T>,
): Promise<T> {
  if (typeof source !== "function") return await use(source);
  const opened = await source();
  try {
    return await use(opened);
  } finally {
    await opened[asyncDispose]?.();
  }
}

function isArchiveInput(input: PushSource | ArchiveInput): input is ArchiveInput {
  // What is neither is a failure of its own, told by whoever opens it.
  return typeof input === "object" && input !== null && "source" in input;
}

function nameOf(source: ArchiveInput["source"], index: number): string {
  if (source instanceof URL) return source.origin + source.pathname;
  if (source instanceof File) return source.name;
  return `#${index + 1}`;
}
