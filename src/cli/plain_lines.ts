import type { Host } from "../runtime/host.ts";

/** Where a reporter writes. */
export interface Display {
  /** Shows lines on stderr; to be awaited, so that a slow reader slows the push. */
  add(...lines: readonly string[]): void | Promise<void>;
  /** Writes text to stdout, after the lines before it. */
  print(text: string): Promise<void>;
  /** Shows what is left. */
  finish(): Promise<void>;
}

/** Between two writes, in milliseconds: nobody reads faster, and a write costs as much as the question for a blob. */
const PAUSE_MILLISECONDS = 100;
/** What may wait for a slow reader, in characters, before the push waits for it, too. */
const MOST_WAITING = 64 * 1024;

/** Line after line, for logs and for pipes. */
export class PlainLines implements Display {
  readonly #host: Host;
  #waiting = "";
  #writing: Promise<void> | undefined;
  #isHurried = false;
  #goOn = () => {};
  #failure: { error: unknown } | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  // An upload does not wait for its line: what comes while one is written, or soon after, goes with the next.
  async add(...lines: readonly string[]): Promise<void> {
    for (const line of lines) this.#waiting += `${line}\n`;
    if (this.#waiting !== "") this.#writing ??= this.#writeWaiting();
    if (this.#waiting.length > MOST_WAITING) await this.#writeNow();
    if (this.#failure) throw this.#failure.error;
  }

  async print(text: string): Promise<void> {
    await this.finish();
    await this.#host.stdout.write(text);
  }

  async finish(): Promise<void> {
    await this.#writeNow();
    if (this.#failure) throw this.#failure.error;
  }

  async #writeWaiting(): Promise<void> {
    try {
      while (this.#waiting !== "") {
        const text = this.#waiting;
        this.#waiting = "";
        await this.#host.stderr.write(text);
        if (!this.#isHurried) await this.#pause();
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#writing = undefined;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
      // setTimeout() would make Deno load its timers.
      AbortSignal.timeout(PAUSE_MILLISECONDS).addEventListener("abort", () => resolve());
    });
  }

  /** Has what waits written without a pause. */
  async #writeNow(): Promise<void> {
    this.#isHurried = true;
    this.#goOn();
    await this.#writing;
    this.#isHurried = false;
  }
}
