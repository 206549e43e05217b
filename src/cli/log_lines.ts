import type { TextOutput } from "../runtime/host.ts";

/** Most characters that wait for who reads a log: some thousand lines. */
const MAX_WAITING = 1024 * 1024;

/**
 * Lines on their way to a log. Those that come while others are being written go together; where nobody reads them fast
 * enough (a terminal that stands still, a pipe to what hangs) those that do not fit are counted and no more.
 */
export class LogLines {
  readonly #output: Pick<TextOutput, "write">;
  readonly #countLine: (missing: number) => string;
  #waiting: string[] = [];
  #characters = 0;
  #missing = 0;
  #writing: Promise<void> | undefined;

  /** @param countLine Makes the line that stands for those that are missing. */
  constructor(output: Pick<TextOutput, "write">, countLine: (missing: number) => string) {
    this.#output = output;
    this.#countLine = countLine;
  }

  /** Adds a line, with its end. */
  add(line: string): void {
    if (this.#characters + line.length > MAX_WAITING) {
      this.#missing++;
      return;
    }
    this.#waiting.push(line);
    this.#characters += line.length;
    this.#writing ??= this.#write();
  }

  /** Settled when all lines have been written. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      if (this.#missing > 0) lines.push(this.#countLine(this.#missing));
      [this.#waiting, this.#characters, this.#missing] = [[], 0, 0];
      // A log that cannot be written, on a full disk say, is no reason to end; there is nobody to tell of it either.
      await this.#output.write(lines.join("")).catch(() => {});
    }
    this.#writing = undefined;
  }
}
