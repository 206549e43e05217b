import type { PushEvent } from "../push/events.ts";
import type { Host } from "../runtime/host.ts";
import { ProgressState } from "./progress_state.ts";
import { eventLines, type Paint, resultLine, summaryLine } from "./render.ts";
import { type Frame, liveLines, replaceFrame, toFrame } from "./render_live.ts";
import { isResult, type Reporter, type ReporterOptions, wordOf } from "./reporter.ts";

/** Ten frames a second look smooth; more only cost. */
const FRAME_MILLISECONDS = 100;

/** Bars on a terminal that can move its cursor. */
export class LiveReporter implements Reporter {
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
