import type { Host } from "../runtime/host.ts";
import type { Display } from "./plain_lines.ts";
import { type Frame, replaceFrame, toFrame } from "./render_live.ts";

/** Ten frames a second look smooth; more only cost. */
const FRAME_MILLISECONDS = 100;

/** What is to be seen now, on a terminal of this size. */
export type LinesNow = (now: number, size: { columns: number; rows: number }) => string[];

/** The lower part of a terminal, drawn again and again; other lines scroll away above it. */
export class LiveScreen implements Display {
  readonly #host: Host;
  readonly #linesNow: LinesNow;
  readonly #timer: ReturnType<typeof setInterval>;
  #above: string[] = [];
  #frame: Frame = [];
  #isDrawing = false;
  #isCleared = false;

  constructor(host: Host, linesNow: LinesNow) {
    this.#host = host;
    this.#linesNow = linesNow;
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
    const lines = this.#linesNow(performance.now(), this.#host.stderr.size());
    this.#isDrawing = true;
    // A terminal that went away is no reason to fail: the push goes on without a display.
    this.#replace(lines).catch(() => clearInterval(this.#timer)).finally(() =>
      this.#isDrawing = false
    );
  }

  #replace(lines: string[]): Promise<void> {
    if (this.#frame.length + this.#above.length + lines.length === 0) return Promise.resolve();
    const text = replaceFrame(this.#frame, this.#above, lines, this.#host.stderr.size().columns);
    this.#frame = toFrame(lines);
    this.#above = [];
    return this.#host.stderr.write(text);
  }
}
