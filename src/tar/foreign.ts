import { describeFormat, HEAD_BYTES } from "../codec/formats.ts";
import { TarError } from "../errors.ts";

/**
 * Makes the error for input whose beginning is no tar header.
 *
 * @param head Its first bytes, as many as there are at hand.
 * @param state What is wrong with them, for a format that is not known.
 * @returns The error, not thrown.
 */
export function notTarError(head: Uint8Array, state: string): TarError {
  const known = describeFormat(head);
  const found = known ? `it is ${known.what}` : state;
  return new NotTarError(`Cannot read tar at byte 0: input is not a tar archive, ${found}`, {
    offset: 0,
    hint: known?.hint,
  });
}

/** The beginning is no header. */
class NotTarError extends TarError {}

/** Whether an error says that the beginning is no header, and not what it is: more of it may tell. */
export function isUnexplained(error: unknown): boolean {
  return error instanceof NotTarError && error.hint === undefined;
}

/**
 * Collects the first bytes of what may be no tar: its first block is no header, or two blocks of zeros end it at once,
 * which an ISO image has before all that tells it.
 */
export class ForeignHead {
  readonly #bytes = new Uint8Array(HEAD_BYTES);
  #filled = 0;
  readonly #error: unknown;

  /** @param error What the first block was refused with; nothing for zeros. */
  constructor(error?: unknown) {
    this.#error = error;
  }

  /** How many bytes are still to be added. */
  get needs(): number {
    return HEAD_BYTES - this.#filled;
  }

  /** Takes the next bytes, at most {@linkcode needs}. */
  add(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /** The error that says most; undefined for zeros that nothing known follows. */
  explain(): unknown {
    const head = this.#bytes.subarray(0, this.#filled);
    return describeFormat(head) ? notTarError(head, "") : this.#error;
  }
}
