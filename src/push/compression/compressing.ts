import type { Bytes } from "../../bytes.ts";
import { compressBlocks } from "../../codec/compress.ts";
import type { EncodedKind } from "../../codec/block_encoder.ts";
import { type Encoders, useEncoders } from "../../codec/encoder_pool.ts";
import type { Digest } from "../../digest.ts";
import type { Hasher } from "../../incremental_hash.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import type { CompressionSettings } from "../compression_options.ts";
import type { RegistryState, RepositoryState } from "../repository_state.ts";
import type { LayerEncoding } from "./compress_layer.ts";
import { measureLink } from "./measure_link.ts";
import { WholeHashes } from "./whole_hash.ts";

/** What a layer becomes when it is compressed; "kept" where it would not become smaller. */
export type LayerResult = { digest: Digest; size: number } | "kept";

/** What is known of layers by their digests; the archives of a call share it. */
export type LayerMemory = Map<Digest, Promise<LayerResult>>;

/** What a push has for compressing. */
export interface CompressionLimits {
  memoryBudget: number;
  concurrency: number;
  hasher: Hasher;
}

/** Levels where the caller names none: of those that make images no larger than other programs do, the fastest. */
const DEFAULT_LEVELS: Readonly<Record<EncodedKind, number>> = { gzip: 1, zstd: 2 };

/** So much of a layer tells how fast layers are compressed, and how well. */
export const SAMPLE_BYTES = 4 * 1024 * 1024;

/** What compresses the layers of one push. */
export class Compressing implements AsyncDisposable {
  readonly force: boolean;
  readonly #settings: CompressionSettings;
  readonly #layers: LayerMemory;
  readonly #encoders = new Map<EncodedKind, Promise<Encoders>>();
  readonly #chosen = new Map<RegistryState, Promise<EncodedKind | undefined>>();

  /** Hashes of what is compressed. */
  readonly hashes: WholeHashes;
  readonly #limits: CompressionLimits;

  constructor(settings: CompressionSettings, layers: LayerMemory, limits: CompressionLimits) {
    this.#settings = settings;
    this.#layers = layers;
    this.#limits = limits;
    this.force = settings.force;
    this.hashes = new WholeHashes(limits.memoryBudget, limits.hasher);
  }

  /** What compresses a layer; of the result it may hold its share of the memory, or what the caller says. */
  async encoding(kind: EncodedKind, holdBytes?: number): Promise<LayerEncoding> {
    const { memoryBudget, concurrency, hasher } = this.#limits;
    return {
      encoders: await this.encoders(kind),
      holdBytes: holdBytes ?? Math.floor(memoryBudget / concurrency),
      hasher,
    };
  }

  /** The level that layers are compressed with. */
  level(kind: EncodedKind): number {
    return this.#settings.level ?? DEFAULT_LEVELS[kind];
  }

  /** What compresses; started when it is first asked for. */
  encoders(kind: EncodedKind): Promise<Encoders> {
    const known = this.#encoders.get(kind) ?? useEncoders(kind, this.level(kind));
    this.#encoders.set(kind, known);
    return known;
  }

  /**
   * How layers for a registry are compressed.
   *
   * @param target Where they go.
   * @param sample Gives the first MiBs of one.
   * @param hooks Signal and listeners.
   * @param say Is told what was chosen, where there was a choice.
   * @returns Undefined where they are not.
   */
  async kindFor(
    target: RepositoryState,
    sample: () => Promise<Bytes>,
    hooks: UploadHooks,
    say: (message: string) => Promise<void>,
  ): Promise<EncodedKind | undefined> {
    const { compression } = this.#settings;
    if (compression !== "auto") return compression;
    const { registry } = target;
    const chosen = this.#chosen.get(registry) ?? this.#choose(target, await sample(), hooks, say);
    this.#chosen.set(registry, chosen);
    return await chosen;
  }

  /** What became of a layer; whoever comes first compresses it, others wait for that. */
  async once(digest: Digest, compress: () => Promise<LayerResult>): Promise<LayerResult> {
    const known = this.#layers.get(digest);
    if (known) return await known;
    const compressing = compress();
    this.#layers.set(digest, compressing);
    try {
      return await compressing;
    } catch (error) {
      // Another archive may have it whole.
      this.#layers.delete(digest);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const encoders of this.#encoders.values()) {
      // Who needed them was told of a failure.
      await encoders.then((each) => each[Symbol.asyncDispose](), () => {});
    }
    this.#encoders.clear();
  }

  /** Compresses where that takes less time than to send what it spares. */
  async #choose(
    target: RepositoryState,
    sample: Bytes,
    hooks: UploadHooks,
    say: (message: string) => Promise<void>,
  ): Promise<EncodedKind | undefined> {
    const kind = "gzip";
    const link = await measureLink(target, hooks);
    const { rate, ratio } = await this.#measure(kind, sample, target.http.retry.now);
    const isFaster = link !== undefined && Math.max(1 / rate, ratio / link) < 1 / link;
    await say(
      link === undefined
        ? "layers are pushed as they are: the speed of the link could not be measured"
        : `layers are ${
          isFaster ? `compressed with ${kind}` : "pushed as they are"
        }: the link takes ${formatRate(link)}, and this machine compresses ${formatRate(rate)} to ${
          Math.round(ratio * 100)
        }%`,
    );
    return isFaster ? kind : undefined;
  }

  async #measure(
    kind: EncodedKind,
    sample: Bytes,
    now: () => number,
  ): Promise<{ rate: number; ratio: number }> {
    const encoders = await this.encoders(kind);
    const run = async () => {
      let made = 0;
      const pieces = [sample.slice()];
      for await (const { bytes } of compressBlocks(() => Promise.resolve(pieces.pop()), encoders)) {
        made += bytes.length;
      }
      return made;
    };
    // The first time is that of code that has only just been loaded.
    const made = await run();
    const start = now();
    await run();
    const seconds = Math.max(1, now() - start) / 1000;
    return { rate: sample.length / seconds, ratio: made / Math.max(1, sample.length) };
  }
}

function formatRate(bytesPerSecond: number): string {
  return `${Math.max(1, Math.round(bytesPerSecond / 1e6))} MB/s`;
}
