import { type Bytes, concat, createStream } from "../../bytes.ts";
import { compressBlocks, compressBound, type EncodedBlock } from "../../codec/compress.ts";
import { BLOCK_BYTES, type Encoders } from "../../codec/encoder_pool.ts";
import { type Digest, digestBytes } from "../../digest.ts";
import { free } from "../../owned_bytes.ts";
import type { Hasher, IncrementalHash } from "../../incremental_hash.ts";

/** What a layer is hashed with, if it is. */
type RawHash = IncrementalHash | Promise<IncrementalHash> | undefined;

/** A layer that is to be compressed. */
export interface LayerContent {
  /** Length in bytes. */
  size: number;
  /** Its bytes. */
  stream: ReadableStream<Bytes>;
  /** Whether they come only once. */
  isOnce: boolean;
  /** Gets them; there where what they should be has to be checked. */
  hash: RawHash;
}

/** What compresses, and how much of the result it may hold. */
export interface LayerEncoding {
  encoders: Omit<Encoders, keyof AsyncDisposable>;
  /** Most bytes of the result to hold: a longer one passes. */
  holdBytes: number;
  hasher: Hasher;
  signal: AbortSignal;
}

/** What becomes of a layer. */
export type Compressed =
  | {
    /** It does not become smaller, as far as can be told. `whole` has it from the first byte where it comes once. */
    kind: "kept";
    whole: ReadableStream<Bytes> | undefined;
  }
  | {
    /** All of it is there. */
    kind: "held";
    bytes: Bytes;
    digest: Digest;
    /** Digest of the layer itself, where that was hashed. */
    raw: Digest | undefined;
  }
  | {
    /** It is longer than may be held. */
    kind: "passing";
    passing: PassingLayer;
  };

/** A compressed layer that passes by. */
export interface PassingLayer {
  stream: ReadableStream<Bytes>;
  /** Tells what it was, once the stream has ended. */
  ended(): CompressedEnd;
}

/** What a compressed layer turned out to be. */
export interface CompressedEnd {
  digest: Digest;
  size: number;
  /** Digest of the layer itself, where that was hashed. */
  raw: Digest | undefined;
}

/**
 * So much of a layer tells whether it becomes smaller, be it read from a file or a pipe, which has to hold it meanwhile: of the
 * same layer the same becomes wherever it comes from, and however many encoders there are.
 */
export const BEGINNING_BYTES = 4 * BLOCK_BYTES;
/** What the beginning of a longer layer has to come to: as much noise as would make up for the rest no layer has. */
const MOST_LEFT = 0.99;

/**
 * Compresses a layer. What becomes of it is settled as soon as it can be: it is kept where it would become larger, or its
 * beginning hardly smaller, held where it is small, and passes otherwise.
 *
 * @param layer The layer; its stream is read or cancelled.
 */
export async function compressLayer(
  layer: LayerContent,
  { encoders, holdBytes, hasher, signal }: LayerEncoding,
): Promise<Compressed> {
  const { size, isOnce } = layer;
  const { raw, blocks } = begin(layer, { encoders, signal });
  const beginning = Math.min(size, BEGINNING_BYTES);
  const most = size > beginning ? beginning * MOST_LEFT : size;
  const held: Bytes[] = [];
  let [done, made] = [0, 0];
  try {
    for (;;) {
      const { done: isEnded, value } = await blocks.next();
      if (isEnded) break;
      held.push(value.bytes);
      made += value.bytes.length;
      done += value.size;
      if (!raw.isSettled) {
        if (made + compressBound(beginning - done) < most) raw.settle();
        else if (done < beginning) continue;
        else return await keep(raw, isOnce, blocks);
      }
      if (made <= holdBytes) continue;
      return { kind: "passing", passing: passing(held, blocks, raw, hasher) };
    }
    if (!raw.isSettled) return await keep(raw, isOnce, blocks);
    const bytes = join(held, made);
    const [digest, rawDigest] = await Promise.all([digestBytes(bytes), raw.digest()]);
    return { kind: "held", bytes, digest, raw: rawDigest };
  } catch (error) {
    await raw.cancel(error).catch(() => {});
    throw error;
  }
}

/** Compresses a layer that has to be sent again, from its first byte. */
export function compressAgain(layer: LayerContent, encoding: LayerEncoding): PassingLayer {
  const { raw, blocks } = begin(layer, encoding);
  return passing([], blocks, raw, encoding.hasher);
}

function begin(
  { stream, hash, isOnce }: LayerContent,
  { encoders, signal }: Pick<LayerEncoding, "encoders" | "signal">,
) {
  const raw = new RawLayer(stream, hash, isOnce);
  const blocks = compressBlocks(async () => {
    signal.throwIfAborted();
    return await raw.read();
  }, encoders);
  return { raw, blocks };
}

/** Joins blocks, and frees them. */
function join(blocks: readonly Bytes[], size: number): Bytes {
  const bytes = concat(blocks, size);
  if (blocks.length > 1) { for (const block of blocks) free(block); }
  return bytes;
}

async function keep(
  raw: RawLayer,
  isOnce: boolean,
  blocks: AsyncGenerator<EncodedBlock, void, void>,
): Promise<Compressed> {
  await blocks.return();
  if (isOnce) return { kind: "kept", whole: raw.whole() };
  await raw.cancel(undefined);
  return { kind: "kept", whole: undefined };
}

/** The held blocks and those that follow, hashed on the way. */
function passing(
  held: Bytes[],
  blocks: AsyncGenerator<EncodedBlock, void, void>,
  raw: RawLayer,
  hasher: Hasher,
): PassingLayer {
  let hash: IncrementalHash | undefined;
  let end: CompressedEnd | undefined;
  let size = 0;
  const next = async () => {
    hash ??= await hasher("sha256");
    const bytes = held.shift() ?? (await blocks.next()).value?.bytes;
    if (bytes) {
      await hash.update(bytes);
      size += bytes.length;
    } else end = { digest: await hash.digest(), size, raw: await raw.digest() };
    return bytes;
  };
  const stream = createStream(next, async (reason) => {
    await raw.cancel(reason);
    await blocks.return();
  });
  return {
    stream,
    ended() {
      if (end) return end;
      throw new TypeError("Cannot tell what a compressed layer is before it has ended");
    },
  };
}

const NOTHING: Bytes = new Uint8Array(0);

/** A layer as it is in the archive, while it is compressed. */
class RawLayer {
  /** Whether it becomes smaller. */
  isSettled = false;
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #hash: RawHash;
  #digest: Promise<Digest | undefined> | undefined;
  /** What was read, in order. */
  #kept: Bytes[] | undefined;
  #keptBytes = 0;
  /** What of a piece comes after the beginning. */
  #rest: Bytes | undefined;

  /**
   * Takes a stream over.
   *
   * @param isOnce Whether it cannot be had again: its beginning is kept then until {@linkcode settle} is called.
   */
  constructor(stream: ReadableStream<Bytes>, hash: RawHash, isOnce: boolean) {
    this.#reader = stream.getReader();
    this.#hash = hash;
    this.#kept = isOnce ? [] : undefined;
  }

  /** The next piece; undefined at the end, and an empty one behind a beginning that is kept as long as nothing is settled. */
  async read(): Promise<Bytes | undefined> {
    const room = this.#kept ? BEGINNING_BYTES - this.#keptBytes : Infinity;
    if (room === 0) return NOTHING;
    const piece = await this.#next(room);
    if (!piece) {
      // It takes its time, in which the last blocks are compressed and the next layer is begun.
      if (this.isSettled) this.digest().catch(() => {});
      return undefined;
    }
    await (await this.#hash)?.update(piece);
    // Whoever reads may free what it has read.
    this.#kept?.push(piece.slice());
    this.#keptBytes += piece.length;
    return piece;
  }

  async #next(most: number): Promise<Bytes | undefined> {
    const piece = this.#rest ?? (await this.#reader.read()).value;
    this.#rest = undefined;
    if (!piece || piece.length <= most) return piece;
    this.#rest = piece.slice(most);
    return piece.subarray(0, most);
  }

  /** Notes that it becomes smaller, and lets go of what was kept: nobody wants the layer as it is. */
  settle(): void {
    this.isSettled = true;
    this.#kept = undefined;
  }

  /** All of the content from its first byte, where it was kept. */
  whole(): ReadableStream<Bytes> {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    return createStream(() => kept.shift() ?? this.read(), (reason) => this.cancel(reason));
  }

  /** The digest of the content, once all of it was read. */
  digest(): Promise<Digest | undefined> {
    return this.#digest ??= Promise.resolve(this.#hash).then((hash) => hash?.digest());
  }

  async cancel(reason: unknown): Promise<void> {
    await this.#reader.cancel(reason);
  }
}
