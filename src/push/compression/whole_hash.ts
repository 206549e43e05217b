import { Budget } from "../../concurrency.ts";
import type { Bytes } from "../../bytes.ts";
import { type DigestAlgorithm, digestBytes } from "../../digest.ts";
import {
  createHash,
  type Hasher,
  hasNativeHash,
  type IncrementalHash,
} from "../../incremental_hash.ts";
import { detach } from "../../owned_bytes.ts";

/** A hash, and what it holds until it is given up. */
export interface HeldHash {
  hash: IncrementalHash;
  /** Can be called again: nothing is held then. */
  release(): void;
}

/**
 * Hashes for layers. Where the runtime has no hasher that takes pieces, as on Deno, Web Crypto is four times as fast as
 * WebAssembly, but takes all at once: as many layers as fit are held for it, others wait for their turn.
 */
export class WholeHashes {
  readonly #budget: Budget;
  readonly #hasher: Hasher;
  #spare: Bytes | undefined;

  /** @param hasher Makes hashes where nothing is held: one that the caller of the push chose, and for larger layers. */
  constructor(bytes: number, hasher: Hasher) {
    this.#budget = new Budget(bytes);
    this.#hasher = hasher;
  }

  /** Starts the hash of `size` bytes. */
  async start(algorithm: DigestAlgorithm, size: number): Promise<HeldHash> {
    // Browsers keep Web Crypto from some pages.
    const { subtle }: { subtle?: SubtleCrypto } = crypto;
    const fits = subtle && this.#hasher === createHash && !hasNativeHash(algorithm) &&
      size <= this.#budget.size;
    if (!fits) return { hash: await this.#hasher(algorithm), release() {} };
    await this.#budget.take(size);
    const memory = this.#takeMemory(size);
    let filled = 0;
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      this.#keep(memory);
      this.#budget.giveBack(size);
    };
    return {
      hash: {
        update(piece) {
          memory.set(piece, filled);
          filled += piece.length;
        },
        digest() {
          const digest = digestBytes(memory.subarray(0, filled), algorithm);
          // Web Crypto works on a copy of its own: the next layer need not wait for it.
          release();
          return digest;
        },
      },
      release,
    };
  }

  /** Memory that was used before, where it is large enough: the system is slow to give tens of MiB. */
  #takeMemory(size: number): Bytes {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare && spare.length >= size) return spare;
    if (spare) detach(spare.buffer);
    return new Uint8Array(size);
  }

  #keep(memory: Bytes): void {
    if (this.#spare) detach(this.#spare.buffer);
    this.#spare = memory;
  }
}
