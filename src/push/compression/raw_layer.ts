import { type Bytes, createStream } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import type { IncrementalHash } from "../../incremental_hash.ts";

/** What a layer is hashed with, if it is. */
export type RawHash = IncrementalHash | Promise<IncrementalHash> | undefined;

/** A layer as it is in the archive, while it is compressed. */
export class RawLayer {
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #hash: RawHash;
  #kept: Bytes[] | undefined;
  #keptBytes = 0;

  /**
   * Takes a stream over.
   *
   * @param isOnce Whether it cannot be had again: it is kept then until {@linkcode forget} is called.
   */
  constructor(stream: ReadableStream<Bytes>, hash: RawHash, isOnce: boolean) {
    this.#reader = stream.getReader();
    this.#hash = hash;
    this.#kept = isOnce ? [] : undefined;
  }

  /** How many bytes are kept. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** The next piece; undefined at the end. */
  async read(): Promise<Bytes | undefined> {
    const { value } = await this.#reader.read();
    if (!value) return undefined;
    await (await this.#hash)?.update(value);
    if (this.#kept) {
      // Whoever reads may free what it has read.
      this.#kept.push(value.slice());
      this.#keptBytes += value.length;
    }
    return value;
  }

  /** Lets go of what was kept: nobody wants the layer as it is. */
  forget(): void {
    this.#kept = undefined;
    this.#keptBytes = 0;
  }

  /** All of the content from its first byte, where it was kept. */
  whole(): ReadableStream<Bytes> {
    const kept = this.#kept ?? [];
    this.forget();
    return createStream(() => kept.shift() ?? this.read(), (reason) => this.cancel(reason));
  }

  /** The digest of the content, once all of it was read. */
  async digest(): Promise<Digest | undefined> {
    return await (await this.#hash)?.digest();
  }

  async cancel(reason: unknown): Promise<void> {
    await this.#reader.cancel(reason);
  }
}
