import { describeFormat, HEAD_BYTES } from "../codec/describe_format.ts";
import type { TarError } from "../errors.ts";
import { NotTarError } from "./header.ts";

/**
 * Says what input is that does not begin as a tar does.
 *
 * @returns An error that says so; undefined where the block alone does not tell.
 */
export function explainHead({ head }: NotTarError): TarError | undefined {
  const known = describeFormat(head);
  return known && new NotTarError(`it is ${known.what}`, head, known.hint);
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
    return explainHead(new NotTarError("", head)) ?? this.#error;
  }
}
