import type { PushEvent } from "../push/events.ts";
import type { PushResult } from "../push/push.ts";
import type { Host, TextOutput } from "../runtime/host.ts";
import { type Display, PlainLines } from "./plain_lines.ts";
import { type LiveState, ProgressState } from "./progress_state.ts";
import {
  eventLines,
  jsonText,
  type Paint,
  paintColors,
  paintNothing,
  plannedLines,
  resultLine,
  summaryLine,
} from "./render.ts";

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

/** What a transfer heeds and tells. */
export interface TransferHooks {
  signal: AbortSignal;
  onEvent: (event: PushEvent) => Promise<void>;
}

/** Runs a push or a copy: shows how it goes, and prints each name as soon as it stands, or one document. */
export async function showTransfer(
  command: ReporterOptions<"push" | "copy">,
  host: Host,
  signal: AbortSignal,
  transfer: (hooks: TransferHooks) => Promise<PushResult>,
): Promise<PushResult> {
  const reporter = await createReporter(host, command, signal);
  try {
    const result = await transfer({ signal, onEvent: (event) => reporter.handle(event) });
    if (command.dryRun) {
      for (const line of plannedLines(command.verb, result.images)) await reporter.note(line);
    }
    await reporter.finish(result.milliseconds);
    if (command.json) {
      const { dryRun } = command;
      await host.stdout.write(`${jsonText({ ...dryRun && { dryRun }, ...result })}\n`);
    }
    return result;
  } catch (error) {
    await reporter.finish();
    if (command.json) {
      const { failureDocument, pushedBefore } = await import("../failure_document.ts");
      const document = { images: pushedBefore(error), error: failureDocument(error) };
      await host.stdout.write(`${jsonText(document)}\n`);
    }
    throw error;
  }
}

/** Makes the display of what ends at the first Ctrl-C, and says so then. */
export async function createReporter(
  host: Host,
  options: ReporterOptions,
  signal: AbortSignal,
): Promise<Reporter> {
  const paint = options.quiet ? paintNothing : await choosePaint(host, host.stderr);
  const state = new ProgressState();
  const display = await createDisplay(host, state, paint, options.quiet);
  const reporter = new Reporter(display, options, paint, state);
  signal.addEventListener("abort", () => {
    // Where nothing can be written, the rest of the display tells.
    reporter.note("Stopping; Ctrl-C again ends at once").catch(() => {});
  }, { once: true });
  return reporter;
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

/** Picks bars for a terminal that can move its cursor, else plain lines. */
export async function createDisplay(
  host: Host,
  state: LiveState,
  paint: Paint,
  isQuiet: boolean,
): Promise<Display> {
  if (isQuiet || !await canMoveCursor(host)) return new PlainLines(host);
  const { LiveScreen } = await import("./live_screen.ts");
  const { liveLines } = await import("./render_live.ts");
  return new LiveScreen(host, (now, size) => liveLines(state, now, size, paint));
}

/** Whether stderr is a terminal that can move its cursor. */
export async function canMoveCursor({ stderr, env }: Host): Promise<boolean> {
  return await stderr.isTerminal() && env("TERM") !== "dumb";
}

/** Colours for a terminal, unless the person asked for none (https://no-color.org). */
export async function choosePaint(host: Host, output: TextOutput): Promise<Paint> {
  const isColored = await output.isTerminal() && !host.env("NO_COLOR") &&
    host.env("TERM") !== "dumb";
  return isColored ? paintColors : paintNothing;
}

type TagEvent = Extract<PushEvent, { type: "tag" }>;

/** Whether an event says that an image's name stands, and that is to be printed. */
export function isResult(event: PushEvent, { json, dryRun }: ReporterOptions): event is TagEvent {
  return event.type === "tag" && event.subject === undefined && !json && !dryRun;
}
