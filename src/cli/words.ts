import { quote, UsageError } from "./options.ts";

/** The words that follow a command, taken one after the other. */
export class Words {
  readonly #verb: string;
  readonly #words: string[];

  /** @param verb The command, for hints. */
  constructor(verb: string, words: readonly string[]) {
    this.#verb = verb;
    this.#words = [...words];
  }

  /**
   * Takes the next one.
   *
   * @param problem What to say where there is none.
   * @throws {UsageError} Where there is none.
   */
  next(problem: string): string {
    const word = this.#words.shift();
    if (word !== undefined) return word;
    throw new UsageError(problem, `tarpush ${this.#verb} --help`);
  }

  /** Takes all that are left. */
  rest(): string[] {
    return this.#words.splice(0);
  }

  /** @throws {UsageError} Where one is left that nobody took. */
  refuseRest(): void {
    const [extra] = this.#words;
    if (extra !== undefined) throw new UsageError(`Unexpected argument ${quote(extra)}`);
  }
}
