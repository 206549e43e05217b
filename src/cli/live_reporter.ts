import type { PushEvent } from "../push/events.ts";
import type { Host } from "../runtime/host.ts";
import { LiveScreen } from "./live_screen.ts";
import { ProgressState } from "./progress_state.ts";
import { eventLines, type Paint, resultLine, summaryLine } from "./render.ts";
import { liveLines } from "./render_live.ts";
import { isResult, type Reporter, type ReporterOptions, wordOf } from "./reporter.ts";

/** Bars on a terminal that can move its cursor. */
export class LiveReporter implements Reporter {
  readonly #options: ReporterOptions;
  readonly #paint: Paint;
  readonly #state = new ProgressState();
  readonly #screen: LiveScreen;

  constructor(host: Host, options: ReporterOptions, paint: Paint) {
    this.#options = options;
    this.#paint = paint;
    this.#screen = new LiveScreen(
      host,
      (now, size) => liveLines(this.#state, now, size, paint),
    );
  }

  async handle(event: PushEvent): Promise<void> {
    this.#state.apply(event, performance.now());
    this.#screen.add(...eventLines(event, this.#paint, wordOf(this.#options)));
    if (!isResult(event, this.#options)) return;
    await this.#screen.print(`${resultLine(event.reference, event.digest)}\n`);
  }

  note(line: string): Promise<void> {
    this.#screen.add(line);
    return Promise.resolve();
  }

  async finish(milliseconds?: number): Promise<void> {
    if (milliseconds !== undefined) {
      this.#screen.add(summaryLine(this.#state, milliseconds, wordOf(this.#options)));
    }
    await this.#screen.finish();
  }
}
