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
import { type Frame, liveLines, replaceFrame, toFrame } from "./render_live.ts";

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
  return isLive ? new LiveReporter(host, options, paint) : new PlainReporter(host, options, paint);
}

/** Colours for a terminal, unless the person asked for none (https://no-color.org). */
export async function choosePaint(host: Host, output: TextOutput): Promise<Paint> {
  const isColored = await output.isTerminal() && !host.env("NO_COLOR") &&
    host.env("TERM") !== "dumb";
  return isColored ? paintColors : paintNothing;
}

type TagEvent = Extract<PushEvent, { type: "tag" }>;

function isResult(event: PushEvent, { json, dryRun }: ReporterOptions): event is TagEvent {
  return event.type === "tag" && !json && !dryRun;
}

/** What a push would send is missing so far. */
function wordOf({ dryRun, word }: ReporterOptions): string | undefined {
  return dryRun ? "missing" : word;
}

class PlainReporter implements Reporter {
  readonly #host: Host;
  readonly #options: ReporterOptions;
  readonly #paint: Paint;
  readonly #state = new ProgressState();

  constructor(host: Host, options: ReporterOptions, paint: Paint) {
    this.#host = host;
    this.#options = options;
    this.#paint = paint;
  }

  async handle(event: PushEvent): Promise<void> {
    if (!this.#options.quiet) {
      this.#state.apply(event, performance.now());
      for (const line of eventLines(event, this.#paint, wordOf(this.#options))) {
        await this.note(line);
      }
    }
    if (isResult(event, this.#options)) {
      await this.#host.stdout.write(`${resultLine(event.reference, event.digest)}\n`);
    }
  }

  async note(line: string): Promise<void> {
    if (!this.#options.quiet) await this.#host.stderr.write(`${line}\n`);
  }

  async finish(milliseconds?: number): Promise<void> {
    if (milliseconds !== undefined) {
      await this.note(summaryLine(this.#state, milliseconds, this.#options.word));
    }
  }
}

/** Ten frames a second look smooth; more only cost. */
const FRAME_MILLISECONDS = 100;

class LiveReporter implements Reporter {
  readonly #host: Host;
  readonly #options: ReporterOptions;
  readonly #paint: Paint;
  readonly #state = new ProgressState();
  readonly #timer: ReturnType<typeof setInterval>;
  #above: string[] = [];
  #frame: Frame = [];
  #isDrawing = false;
  #isCleared = false;

  constructor(host: Host, options: ReporterOptions, paint: Paint) {
    this.#host = host;
    this.#options = options;
    this.#paint = paint;
    this.#timer = setInterval(() => this.#tick(), FRAME_MILLISECONDS);
  }

  async handle(event: PushEvent): Promise<void> {
    this.#state.apply(event, performance.now());
    this.#above.push(...eventLines(event, this.#paint, wordOf(this.#options)));
    if (!isResult(event, this.#options)) return;
    // stdout may be the same terminal: the bars make room, and the next frame brings them back.
    await this.#whileCleared(() =>
      this.#host.stdout.write(`${resultLine(event.reference, event.digest)}\n`)
    );
  }

  note(line: string): Promise<void> {
    this.#above.push(line);
    return Promise.resolve();
  }

  async finish(milliseconds?: number): Promise<void> {
    clearInterval(this.#timer);
    if (milliseconds !== undefined) {
      this.#above.push(summaryLine(this.#state, milliseconds, this.#options.word));
    }
    await this.#replace([]);
  }

  #tick(): void {
    // A terminal that is slower than the frames gets fewer of them.
    if (this.#isDrawing || this.#isCleared) return;
    const lines = liveLines(this.#state, performance.now(), this.#host.stderr.size(), this.#paint);
    this.#isDrawing = true;
    // A terminal that went away is no reason to fail: the push goes on without a display.
    this.#replace(lines).catch(() => clearInterval(this.#timer)).finally(() =>
      this.#isDrawing = false
    );
  }

  async #whileCleared(write: () => Promise<void>): Promise<void> {
    this.#isCleared = true;
    try {
      await this.#replace([]);
      await write();
    } finally {
      this.#isCleared = false;
    }
  }

  #replace(lines: string[]): Promise<void> {
    const text = replaceFrame(this.#frame, this.#above, lines, this.#host.stderr.size().columns);
    this.#frame = toFrame(lines);
    this.#above = [];
    return this.#host.stderr.write(text);
  }
}
