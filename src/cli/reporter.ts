import type { PushEvent } from "../push/events.ts";
import type { ProgressState } from "./progress_state.ts";
import { eventLines, type Paint, resultLine, summaryLine } from "./render.ts";

/** What is shown, and how. */
export interface ReporterOptions<Verb extends keyof typeof DONE = keyof typeof DONE> {
  verb: Verb;
  /** Nothing on stderr. */
  quiet: boolean;
  /** No lines on stdout: a document follows. */
  json: boolean;
  /** No lines on stdout: no name stands. */
  dryRun: boolean;
}

/** What became of what was transferred. */
export const DONE = { push: "pushed", copy: "copied", save: "saved" };

/** Where a reporter writes. */
export interface Display {
  /** Shows lines on stderr; to be awaited, so that a slow reader slows the push. */
  add(...lines: readonly string[]): void | Promise<void>;
  /** Writes text to stdout, after the lines before it. */
  print(text: string): Promise<void>;
  /** Shows what is left. */
  finish(): Promise<void>;
}

/** Shows a running push: results on stdout, everything else on stderr. */
export class Reporter {
  readonly #display: Display;
  readonly #options: ReporterOptions;
  readonly #paint: Paint;
  readonly #state: ProgressState;

  constructor(display: Display, options: ReporterOptions, paint: Paint, state: ProgressState) {
    this.#display = display;
    this.#options = options;
    this.#paint = paint;
    this.#state = state;
  }

  /** Takes an event in; to be awaited, so that a slow reader slows the push. */
  async handle(event: PushEvent): Promise<void> {
    if (!this.#options.quiet) {
      this.#state.apply(event, performance.now());
      await this.#display.add(...eventLines(event, this.#paint, this.#word));
    }
    if (isResult(event, this.#options)) {
      await this.#display.print(`${resultLine(event.reference, event.digest)}\n`);
    }
  }

  /** Writes a line for people. */
  async note(line: string): Promise<void> {
    if (!this.#options.quiet) await this.#display.add(line);
  }

  /** Ends the display, after success with a closing line. */
  async finish(milliseconds?: number): Promise<void> {
    // After a failure that is what counts, not one of the display.
    if (milliseconds === undefined) return await this.#display.finish().catch(() => {});
    await this.note(summaryLine(this.#state, milliseconds, this.#word));
    await this.#display.finish();
  }

  /** What a push would send is missing so far. */
  get #word(): string {
    return this.#options.dryRun ? "missing" : DONE[this.#options.verb];
  }
}

type TagEvent = Extract<PushEvent, { type: "tag" }>;

/** Whether an event says that an image's name stands, and that is to be printed. */
export function isResult(event: PushEvent, { json, dryRun }: ReporterOptions): event is TagEvent {
  return event.type === "tag" && event.subject === undefined && !json && !dryRun;
}
