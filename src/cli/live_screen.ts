import type { Host } from "../runtime/host.ts";
import type { LiveState } from "./progress_state.ts";
import type { Paint } from "./render.ts";
import { type Frame, liveLines, replaceFrame, toFrame } from "./render_live.ts";

/** Ten frames a second look smooth; more only cost. */
const FRAME_MILLISECONDS = 100;

/** The lower part of a terminal, drawn again and again from a state; other lines scroll away above it. */
export class LiveScreen {
  readonly #host: Host;
  readonly #state: LiveState;
  readonly #paint: Paint;
  readonly #timer: ReturnType<typeof setInterval>;
  #above: string[] = [];
  #frame: Frame = [];
  #isDrawing = false;
  #isCleared = false;

  constructor(host: Host, state: LiveState, paint: Paint) {
    this.#host = host;
    this.#state = state;
    this.#paint = paint;
    this.#timer = setInterval(() => this.#tick(), FRAME_MILLISECONDS);
  }

  /** Puts lines above the bars, with the next frame. */
  add(...lines: readonly string[]): void {
    this.#above.push(...lines);
  }

  /** Writes to stdout, which may be the same terminal: the bars make room for that. */
  async print(text: string): Promise<void> {
    this.#isCleared = true;
    try {
      await this.#replace([]);
      await this.#host.stdout.write(text);
    } finally {
      this.#isCleared = false;
    }
    // Where lines follow each other closely, there would be no bars else.
    this.#tick();
  }

  /** Takes the bars away. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
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

  #replace(lines: string[]): Promise<void> {
    const text = replaceFrame(this.#frame, this.#above, lines, this.#host.stderr.size().columns);
    this.#frame = toFrame(lines);
    this.#above = [];
    return this.#host.stderr.write(text);
  }
}
