import { MemoryBudget } from "../../archive/memory_budget.ts";
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
  readonly #budget: MemoryBudget;
  readonly #hasher: Hasher;

  /**
   * @param bytes Most to hold.
   * @param hasher Makes hashes where nothing is held: one that the caller of the push chose, and for larger layers.
   */
  constructor(bytes: number, hasher: Hasher) {
    this.#budget = new MemoryBudget(bytes);
    this.#hasher = hasher;
  }

  /** Starts the hash of `size` bytes. */
  async start(algorithm: DigestAlgorithm, size: number): Promise<HeldHash> {
    const isHeld = this.#hasher === createHash && !hasNativeHash(algorithm) &&
      size <= this.#budget.size;
    if (!isHeld) return { hash: await this.#hasher(algorithm), release() {} };
    await this.#budget.take(size);
    const bytes = new Uint8Array(size);
    let filled = 0;
    return {
      hash: {
        update(piece) {
          bytes.set(piece, filled);
          filled += piece.length;
        },
        digest: () => digestBytes(bytes.subarray(0, filled), algorithm),
      },
      release: () => {
        if (bytes.length === 0) return;
        detach(bytes.buffer);
        this.#budget.giveBack(size);
      },
    };
  }
}
