import { asyncDispose } from "../../async_dispose.ts";
import type { Bytes } from "../../bytes.ts";
import { compressBlocks } from "../../codec/compress.ts";
import type { Encoding } from "../../codec/block_encoder.ts";
import type { LayerCompression } from "../../codec/magic.ts";
import { type Encoders, useEncoders } from "../../codec/encoder_pool.ts";
import { OnceEach } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import type { CompressionSettings, ResolvedOptions } from "../options.ts";
import type { RegistryState, RepositoryState } from "../repository_state.ts";
import type { LayerEncoding } from "./compress_layer.ts";
import { measureLink } from "./measure_link.ts";
import { WholeHashes } from "./whole_hash.ts";

/** What a layer becomes when it is compressed, and how it was; "kept" where it would not become smaller. */
export type LayerResult = { digest: Digest; size: number; encoding: Encoding } | "kept";

/** What the archives of a call share. */
export class CompressionMemory {
  /** What became of layers, by their digests. */
  readonly layers = new OnceEach<Digest, LayerResult>();
  /** Bytes a second that registries take; undefined where that cannot be measured. */
  readonly links = new OnceEach<RegistryState, number | undefined>();
}

/** What a push has for compressing. */
type CompressionLimits = Pick<
  ResolvedOptions,
  "memoryBudget" | "concurrency" | "hasher" | "dryRun" | "emit"
>;

/** Levels where the caller names none: of those that make images no larger than other programs do, the fastest. */
const DEFAULT_LEVELS: Readonly<Record<LayerCompression, number>> = { gzip: 1, zstd: 2 };
/** What "auto" chooses where the link leaves time for it. */
const PATIENT_LEVEL = 6;

/** So much of a layer tells how fast layers are compressed, and how well. */
export const SAMPLE_BYTES = 2 * 1024 * 1024;
/** So much has to be compressed before it tells anything: less takes no longer than to ask a worker. */
const LEAST_SAMPLE_BYTES = 256 * 1024;

/** What compresses the layers of one push. */
export class Compressing implements AsyncDisposable {
  /** Whether images with signatures are compressed too. */
  readonly force: boolean;
  /** How layers are compressed where nothing is chosen. */
  readonly usual: Encoding;
  /** Hashes of what is compressed. */
  readonly hashes: WholeHashes;
  readonly #settings: CompressionSettings;
  readonly #memory: CompressionMemory;
  readonly #limits: CompressionLimits;
  readonly #encoders = new Map<string, Promise<Encoders>>();
  readonly #chosen = new Map<RegistryState, Promise<Encoding | undefined>>();

  constructor(settings: CompressionSettings, memory: CompressionMemory, limits: CompressionLimits) {
    this.#settings = settings;
    this.#memory = memory;
    this.#limits = limits;
    this.force = settings.force;
    const kind = settings.compression === "auto" ? "gzip" : settings.compression;
    this.usual = { kind, level: settings.level ?? DEFAULT_LEVELS[kind] };
    this.hashes = new WholeHashes(limits.memoryBudget, limits.hasher);
  }

  /** What compresses; started when it is first asked for. */
  encoders(encoding: Encoding): Promise<Encoders> {
    const key = `${encoding.kind} ${encoding.level}`;
    const known = this.#encoders.get(key) ?? useEncoders(encoding);
    this.#encoders.set(key, known);
    return known;
  }

  /** What a layer is compressed with. Of the result its share of the memory may be held, or what the caller says. */
  async layerEncoding(
    encoding: Encoding,
    signal: AbortSignal,
    holdBytes?: number,
  ): Promise<LayerEncoding> {
    const { memoryBudget, concurrency, hasher } = this.#limits;
    return {
      encoders: await this.encoders(encoding),
      holdBytes: holdBytes ?? Math.floor(memoryBudget / concurrency),
      hasher,
      signal,
    };
  }

  /**
   * How layers for a registry are compressed; where there is a choice, it is told.
   *
   * @param sample Gives the first MiBs of one.
   * @returns Undefined where they are not.
   */
  async encodingFor(
    target: RepositoryState,
    sample: () => Promise<Bytes>,
    hooks: UploadHooks,
  ): Promise<Encoding | undefined> {
    if (this.#settings.compression !== "auto") return this.usual;
    const { registry } = target;
    const chosen = this.#chosen.get(registry) ?? this.#choose(target, sample, hooks);
    this.#chosen.set(registry, chosen);
    return await chosen;
  }

  /** Whether a layer of some size says how those for a registry are compressed, or that was settled before. */
  canTell({ registry }: RepositoryState, size: number): boolean {
    return this.#settings.compression !== "auto" || this.#chosen.has(registry) ||
      size >= LEAST_SAMPLE_BYTES;
  }

  /** Whether this call has compressed a layer already, or is at it. */
  isKnown(digest: Digest): boolean {
    return this.#memory.layers.has(digest);
  }

  /** What became of a layer; whoever comes first compresses it, others wait for that. */
  async once(digest: Digest, compress: () => Promise<LayerResult>): Promise<LayerResult> {
    return await this.#memory.layers.get(digest, compress);
  }

  async [asyncDispose](): Promise<void> {
    for (const encoders of this.#encoders.values()) {
      // Who needed them was told of a failure.
      await encoders.then((each) => each[asyncDispose](), () => {});
    }
    this.#encoders.clear();
  }

  /** Compresses where that takes less time than to send what it spares, as well as there is time for. */
  async #choose(
    target: RepositoryState,
    readSample: () => Promise<Bytes>,
    hooks: UploadHooks,
  ): Promise<Encoding | undefined> {
    const say = (message: string) => this.#limits.emit({ type: "warning", message });
    if (this.#limits.dryRun) {
      await say(
        "layers are taken as they are: a dry run sends nothing, so the link is not measured",
      );
      return undefined;
    }
    const sample = await readSample();
    const link = await this.#memory.links.get(
      target.registry,
      () => measureLink(target, hooks),
    );
    if (link === undefined) {
      await say("layers are pushed as they are: the speed of the link could not be measured");
      return undefined;
    }
    // Hashing and sending want their share of the machine as well.
    const secondsOf = ({ rate, ratio }: Measured) => Math.max(2 / rate, ratio / link);
    let best = await this.#measure(this.usual, sample, target);
    const isFaster = secondsOf(best) < 1 / link;
    if (isFaster && this.#settings.level === undefined) {
      const better = await this.#measure({ ...this.usual, level: PATIENT_LEVEL }, sample, target);
      if (secondsOf(better) < secondsOf(best)) best = better;
    }
    const { encoding: { kind, level: chosen }, rate, ratio } = best;
    const what = isFaster ? `compressed with ${kind}, level ${chosen}` : "pushed as they are";
    await say(
      `layers are ${what}: the link takes ${formatRate(link)}, and this machine compresses ` +
        `${formatRate(rate)} to ${Math.round(ratio * 100)}%`,
    );
    return isFaster ? best.encoding : undefined;
  }

  async #measure(encoding: Encoding, sample: Bytes, target: RepositoryState): Promise<Measured> {
    const { now } = target.http.retry;
    const encoders = await this.encoders(encoding);
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
    return { encoding, rate: sample.length / seconds, ratio: made / Math.max(1, sample.length) };
  }
}

/** How fast something is compressed, in bytes a second, and what is left of a byte. */
interface Measured {
  encoding: Encoding;
  rate: number;
  ratio: number;
}

function formatRate(bytesPerSecond: number): string {
  return `${Math.max(1, Math.round(bytesPerSecond / 1e6))} MB/s`;
}
