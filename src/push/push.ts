import { asyncDispose } from "../async_dispose.ts";
import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type ImageArchive, openArchive } from "../image/archive.ts";
import { isNetworkFetch } from "../network_fetch.ts";
import { type Reference, registryOrigin } from "../reference.ts";
import type { Http } from "../registry/http/call.ts";
import { httpFor } from "../registry/http/request_options.ts";
import {
  openSource,
  type PassingInput,
  type PushSource,
  type RandomInput,
} from "../source/open_source.ts";
import type { BesideOf } from "./beside.ts";
import type { Compressing, CompressionMemory } from "./compression/compressing.ts";
import { ImagePush, type PushedImage } from "./image_push.ts";
import {
  type CompressionSettings,
  type PushOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options.ts";
import {
  parsePushTargets,
  planImages,
  type PlannedImage,
  type PushTarget,
  totalsOf,
} from "./plan.ts";
import { type RegistryState, type RepositoryState, repositoryState } from "./repository_state.ts";
import type { Sharing } from "./sharing.ts";
import { type Claim, COPY_WORDS, PUSH_WORDS, type PushSettings, warn } from "./upload_settings.ts";

/** What {@linkcode pushImage} did. */
export interface PushResult {
  /** The references that stand, in the order in which they were written. */
  images: PushedImage[];
  /** Bytes of blobs that were sent; manifests are not counted. */
  bytesUploaded: number;
  /** Bytes that were read of the source. */
  bytesRead: number;
  /** Wall time of the whole call. */
  milliseconds: number;
}

/**
 * Pushes images of a tar to a registry.
 *
 * Blobs go first, then manifests, then tags: at no instant does a tag name something incomplete. Blobs that the
 * registry has are not read, let alone sent. Existing manifests are pushed byte for byte.
 *
 * @example Pushing to a registry in the same process
 * ```ts
 * import { pushImage } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * async function push(tar: Blob) {
 *   const { images } = await pushImage(tar, "localhost:5000/team/app:1.0", { fetch: createRegistry() });
 *   return images[0]?.digest;
 * }
 * ```
 *
 * @param source The archive. A `Blob` or file stays the caller's and is read at any offset; a stream is read once, and
 * cancelled when the push fails; a URL is read by ranges where its server can, else once. gzip, zstd and xz are undone.
 * @param target `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, several of them, or a place for the archive's own names:
 * `HOST[:PORT]`, or a prefix ending in `/`.
 * @param options Settings; see {@linkcode PushOptions}.
 * @returns What was pushed.
 * @throws {SyntaxError} If a target, or a repository of `mountFrom`, does not parse.
 * @throws {TypeError} If an option is none, or does not go with the target.
 * @throws {AmbiguousImageError} If several images compete for one reference.
 * @throws {OciError} If the tar, the archive or the registry does not allow it; its `pushed` holds the images that were
 * complete by then.
 */
export async function pushImage(
  source: PushSource,
  target: string | readonly string[],
  options: PushOptions = {},
): Promise<PushResult> {
  const resolved = resolveOptions(options);
  return await pushSource(source, parsePushTargets(target, resolved), new Push(resolved));
}

/**
 * Pushes one archive as a part of a call.
 *
 * @param push What the archive's push is told and remembers; for this archive alone.
 */
export async function pushSource(
  source: PushSource,
  targets: readonly PushTarget[],
  push: Push,
): Promise<PushResult> {
  const start = performance.now();
  const { settings } = push;
  await using input = await openInput(source, settings);
  settings.signal.throwIfAborted();
  const work = async () => {
    try {
      if (input.kind === "random") {
        return await push.archive(await openArchive(input.source, settings), targets);
      }
      const { pushPassing } = await import("./one_pass/one_pass.ts");
      await pushPassing(input, targets, push);
    } catch (error) {
      const { withChange } = await import("../source/changed_source.ts");
      throw await withChange(input, error);
    }
  };
  return await push.run(work, start, () => input.read());
}

/** Opens the source of a push. */
export async function openInput(
  source: PushSource,
  { fetch, timeouts, retry, signal }: Pick<
    ResolvedOptions,
    "fetch" | "timeouts" | "retry" | "signal"
  >,
): Promise<RandomInput | PassingInput> {
  // A registry in this process, or what else stands in for one, has no archives.
  const archives = isNetworkFetch(fetch) ? fetch : undefined;
  return await openSource(source, signal, { fetch: archives, timeouts, retry });
}

/** A repository that content is copied from. */
export interface SourceRepository {
  /** Scheme, host and port of its registry. */
  origin: string;
  repository: string;
}

/** What the archives of one call have in common. */
export interface SharedPush {
  readonly registries: Map<string, RegistryState>;
  /** What is known of registries, those included that are only read. */
  readonly seen: Map<string, Http["seen"]>;
  /** Layers that a warning has named already. */
  readonly toldLayers: Set<Digest>;
  /** What archives of the set put under each reference. */
  readonly claims: Map<string, Claim>;
  /** Makes what keeps the archives apart at a registry; absent where there is one alone. */
  readonly share: (() => Sharing) | undefined;
  /** What is known of compressing their layers, once one has to be. */
  compressed?: CompressionMemory;
}

/** What is known when a call begins: nothing. */
export function startShared(share?: () => Sharing): SharedPush {
  return {
    ...{ registries: new Map(), seen: new Map(), claims: new Map() },
    ...{ toldLayers: new Set(), share },
  };
}

/** What a push is part of. */
export interface PushContext {
  /** The repository that is copied from. */
  source?: SourceRepository;
  /** The call that it shares its knowledge with, and what this archive of it is called. */
  shared?: SharedPush;
  archive?: string;
}

/** The push of one archive, or one copy: what has been pushed, and what is known of the registries. */
export class Push {
  readonly pushed: PushedImage[] = [];
  bytesUploaded = 0;
  /** Whether a manifest was written, be it under a tag that named another; in a dry run, whether one would be. */
  hasWritten = false;
  readonly settings: PushSettings;
  readonly #source: SourceRepository | undefined;
  readonly #shared: SharedPush;
  readonly #repositories = new Map<string, RepositoryState>();
  #compressing: Promise<Compressing> | undefined;

  constructor(
    options: ResolvedOptions,
    { source, shared = startShared(), archive }: PushContext = {},
  ) {
    this.#source = source;
    this.#shared = shared;
    const { compression } = options;
    this.settings = {
      ...options,
      toldLayers: shared.toldLayers,
      words: source ? COPY_WORDS : PUSH_WORDS,
      isStanding: false,
      archive,
      claims: shared.claims,
      compressing: compression && (() => this.#compress(compression, options)),
      onUploaded: (bytes) => void (this.bytesUploaded += options.dryRun ? 0 : bytes),
      onWritten: () => void (this.hasWritten = true),
    };
  }

  /** Pushes what an archive holds to the targets, image by image. */
  async archive(archive: ImageArchive, targets: readonly PushTarget[]): Promise<void> {
    const { planned, notices } = planImages(archive, targets, this.settings);
    const all = [...archive.notices, ...notices];
    if (archive.leftOut) {
      const { findLeftOut } = await import("./left_out.ts");
      await findLeftOut(planned, archive.leftOut, targets, this);
    }
    if (archive.beside.length === 0) return await this.images(planned, all, () => []);
    const { findBeside, noticeOfLeft } = await import("./beside.ts");
    const left = new Set(archive.beside);
    await this.images(planned, all, (root) => findBeside(root, archive.beside, left));
    const message = noticeOfLeft(planned, [...left]);
    if (message !== undefined) await warn(this.settings, message);
  }

  /** Pushes images to references, one after the other, each with what goes beside it. */
  async images(
    planned: readonly PlannedImage[],
    notices: readonly string[],
    besideOf: BesideOf,
  ): Promise<void> {
    for (const message of notices) await warn(this.settings, message);
    await this.settings.emit({ type: "plan", images: planned.length, ...totalsOf(planned) });
    for (const { image, reference } of planned) {
      const push = new ImagePush(this.repository(reference), reference, this.settings);
      const pushed = await push.run(image, besideOf);
      if (!pushed) continue;
      this.pushed.push(pushed);
      if (this.settings.dryRun) continue;
      const { reference: name, digest } = pushed;
      await this.settings.emit({ type: "tag", reference: name, digest });
    }
  }

  /**
   * Does the work of the push, and gives back what it has used.
   *
   * @param start When the push began, as `performance.now()` has it.
   * @returns What came of it; an error has what was pushed before it.
   */
  async run(
    work: () => Promise<void>,
    start: number,
    bytesRead: () => number,
  ): Promise<PushResult> {
    try {
      await work();
    } catch (error) {
      if (error instanceof OciError) error.pushed = this.pushed;
      throw error;
    } finally {
      await (await this.#compressing)?.[asyncDispose]();
    }
    return {
      images: this.pushed,
      bytesUploaded: this.bytesUploaded,
      bytesRead: bytesRead(),
      milliseconds: Math.round(performance.now() - start),
    };
  }

  /** What compresses layers; started when the first has to be. */
  #compress(settings: CompressionSettings, limits: ResolvedOptions): Promise<Compressing> {
    const shared = this.#shared;
    return this.#compressing ??= import("./compression/compressing.ts").then((module) => {
      shared.compressed ??= new module.CompressionMemory();
      return new module.Compressing(settings, shared.compressed, limits);
    });
  }

  /** What is known of the repository that a reference names. */
  repository(reference: Reference): RepositoryState {
    const origin = registryOrigin(reference, this.settings.plainHttp);
    const name = `${origin}/${reference.repository}`;
    const known = this.#repositories.get(name);
    if (known) return known;
    const sources = this.#source?.origin === origin ? [this.#source.repository] : [];
    const state = repositoryState(this.#registry(origin), reference.repository, sources);
    this.#repositories.set(name, state);
    return state;
  }

  /** What is known of a registry, be it one that is only read. */
  seenOf(origin: string): Http["seen"] {
    const seen = this.#shared.seen.get(origin) ?? { answered: false };
    this.#shared.seen.set(origin, seen);
    return seen;
  }

  #registry(origin: string): RegistryState {
    const { registries, share } = this.#shared;
    const known = registries.get(origin);
    if (known) return known;
    const registry = {
      http: httpFor(origin, this.settings, this.seenOf(origin)),
      repositories: new Map(),
      holders: new Map(),
      buffers: [],
      all: registries,
      sharing: share?.(),
    };
    registries.set(origin, registry);
    return registry;
  }
}
