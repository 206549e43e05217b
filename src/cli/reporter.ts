import type { PushEvent } from "../push/events.ts";
import type { Host, TextOutput } from "../runtime/host.ts";
import { ProgressState } from "./progress_state.ts";
import {
  eventLines,
  type Paint,
  paintColors,
  paintNothing,
  resultLine,
  summaryLine,
} from "./render.ts";

/** Shows a running push: results on stdout, everything else on stderr. */
export interface Reporter {
  /** Takes an event in; to be awaited, so that a slow reader slows the push. */
  handle(event: PushEvent): Promise<void>;
  /** Writes a line for people. */
  note(line: string): Promise<void>;
  /** Ends the display, after success with a closing line. */
  finish(milliseconds?: number): Promise<void>;
}

/** What is shown, and how. */
export interface ReporterOptions {
  /** Nothing on stderr. */
  quiet: boolean;
  /** No lines on stdout: a document follows. */
  json: boolean;
  /** No lines on stdout: no name stands. */
  dryRun: boolean;
  /**
   * What became of a blob that was transferred.
   * @default {"pushed"}
   */
  word?: string;
}

/** Picks bars for a terminal that can move its cursor, else plain lines, else silence. */
export async function createReporter(host: Host, options: ReporterOptions): Promise<Reporter> {
  if (options.quiet) return new PlainReporter(host, options, paintNothing);
  const isLive = await host.stderr.isTerminal() && host.env("TERM") !== "dumb";
  const paint = await choosePaint(host, host.stderr);
  if (!isLive) return new PlainReporter(host, options, paint);
  const { LiveReporter } = await import("./live_reporter.ts");
  return new LiveReporter(host, options, paint);
}

/** Colours for a terminal, unless the person asked for none (https://no-color.org). */
export async function choosePaint(host: Host, output: TextOutput): Promise<Paint> {
  const isColored = await output.isTerminal() && !host.env("NO_COLOR") &&
    host.env("TERM") !== "dumb";
  return isColored ? paintColors : paintNothing;
}

type TagEvent = Extract<PushEvent, { type: "tag" }>;

/** Whether an event says that a name stands, and that is to be printed. */
export function isResult(event: PushEvent, { json, dryRun }: ReporterOptions): event is TagEvent {
  return event.type === "tag" && !json && !dryRun;
}

/** What a push would send is missing so far. */
export function wordOf({ dryRun, word }: ReporterOptions): string | undefined {
  return dryRun ? "missing" : word;
}

/** What may wait for a slow reader, in characters, before the push waits for it, too. */
const MOST_WAITING = 64 * 1024;

class PlainReporter implements Reporter {
  readonly #host: Host;
  readonly #options: ReporterOptions;
  readonly #paint: Paint;
  readonly #state = new ProgressState();
  #waiting = "";
  #writing: Promise<void> | undefined;
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
    if (milliseconds === undefined) return await this.#writing;
    await this.note(summaryLine(this.#state, milliseconds, this.#options.word));
    await this.#flush();
  }

  // An upload does not wait for its line: what comes while one is written goes with the next.
  async #write(lines: readonly string[]): Promise<void> {
    for (const line of lines) this.#waiting += `${line}\n`;
    if (this.#waiting !== "") this.#writing ??= this.#writeWaiting();
    if (this.#waiting.length > MOST_WAITING) await this.#writing;
    if (this.#failure) throw this.#failure.error;
  }

  async #writeWaiting(): Promise<void> {
    try {
      while (this.#waiting !== "") {
        const text = this.#waiting;
        this.#waiting = "";
        await this.#host.stderr.write(text);
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#writing = undefined;
    }
  }

  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#failure) throw this.#failure.error;
  }
}
