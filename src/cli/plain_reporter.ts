import type { PushEvent } from "../push/events.ts";
import type { Host } from "../runtime/host.ts";
import { ProgressState } from "./progress_state.ts";
import { eventLines, type Paint, resultLine, summaryLine } from "./render.ts";
import { isResult, type Reporter, type ReporterOptions, wordOf } from "./reporter.ts";

/** Between two writes, in milliseconds: nobody reads faster, and a write costs as much as the question for a blob. */
const PAUSE_MILLISECONDS = 100;
/** What may wait for a slow reader, in characters, before the push waits for it, too. */
const MOST_WAITING = 64 * 1024;

/** A line an event, for logs and for pipes. */
export class PlainReporter implements Reporter {
  readonly #host: Host;
  readonly #options: ReporterOptions;
  readonly #paint: Paint;
  readonly #state = new ProgressState();
  #waiting = "";
  #writing: Promise<void> | undefined;
  #isHurried = false;
  #goOn = () => {};
  #failure: { error: unknown } | undefined;

  constructor(host: Host, options: ReporterOptions, paint: Paint) {
    this.#host = host;
    this.#options = options;
    this.#paint = paint;
  }

  async handle(event: PushEvent): Promise<void> {
    if (!this.#options.quiet) {
      this.#state.apply(event, performance.now());
      await this.#write(eventLines(event, this.#paint, wordOf(this.#options)));
    }
    if (isResult(event, this.#options)) {
      await this.#flush();
      await this.#host.stdout.write(`${resultLine(event.reference, event.digest)}\n`);
    }
  }

  async note(line: string): Promise<void> {
    if (!this.#options.quiet) await this.#write([line]);
  }

  async finish(milliseconds?: number): Promise<void> {
    // After a failure that is what counts, not one of the display.
    if (milliseconds === undefined) return await this.#writeNow();
    await this.note(summaryLine(this.#state, milliseconds, wordOf(this.#options)));
    await this.#flush();
  }

  // An upload does not wait for its line: what comes while one is written, or soon after, goes with the next.
  async #write(lines: readonly string[]): Promise<void> {
    for (const line of lines) this.#waiting += `${line}\n`;
    if (this.#waiting !== "") this.#writing ??= this.#writeWaiting();
    if (this.#waiting.length > MOST_WAITING) await this.#writeNow();
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

  async #flush(): Promise<void> {
    await this.#writeNow();
    if (this.#failure) throw this.#failure.error;
  }
}
