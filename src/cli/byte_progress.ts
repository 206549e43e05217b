import type { Host } from "../runtime/host.ts";
import { canMoveCursor } from "./create_reporter.ts";
import { formatSeconds, formatSize } from "./render.ts";
import { type Frame, replaceFrame, toFrame } from "./render_live.ts";

/** A line on a terminal that tells how far a reading is. */
export interface ByteProgress {
  /** Takes in how far it is; costs nothing, whatever the number of calls. */
  report: (progress: { bytes: number; total?: number }) => void;
  /** Takes the line away. */
  finish(): Promise<void>;
}

const FRAME_MILLISECONDS = 100;
/** What is over by then needs no line. */
const FIRST_MILLISECONDS = 500;

/** Shows progress on stderr where that is a terminal; elsewhere nothing is written. */
export async function startByteProgress(
  host: Host,
  verb: string,
  isQuiet: boolean,
): Promise<ByteProgress> {
  const isLive = !isQuiet && await canMoveCursor(host);
  if (!isLive) return { report: () => {}, finish: () => Promise.resolve() };
  return new Line(host, verb);
}

class Line implements ByteProgress {
  readonly #host: Host;
  readonly #verb: string;
  readonly #start = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #progress: { bytes: number; total?: number } = { bytes: 0 };
  #frame: Frame = [];
  #writing: Promise<void> | undefined;

  constructor(host: Host, verb: string) {
    this.#host = host;
    this.#verb = verb;
    this.#timer = setInterval(() => this.#tick(), FRAME_MILLISECONDS);
  }

  readonly report: ByteProgress["report"] = (progress) => void (this.#progress = progress);

  async finish(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    if (this.#frame.length > 0) await this.#draw([]).catch(() => {});
  }

  #tick(): void {
    const elapsed = performance.now() - this.#start;
    // A terminal that is slower than the frames gets fewer of them.
    if (this.#writing || elapsed < FIRST_MILLISECONDS) return;
    const line = byteProgressLine(this.#verb, this.#progress, elapsed);
    const { columns } = this.#host.stderr.size();
    // A terminal that went away is no reason to fail.
    this.#writing = this.#draw([line.slice(0, columns - 1)])
      .catch(() => clearInterval(this.#timer))
      .finally(() => this.#writing = undefined);
  }

  #draw(lines: string[]): Promise<void> {
    const text = replaceFrame(this.#frame, [], lines, this.#host.stderr.size().columns);
    this.#frame = toFrame(lines);
    return this.#host.stderr.write(text);
  }
}

/** The line for a reading under way. */
export function byteProgressLine(
  verb: string,
  { bytes, total }: { bytes: number; total?: number },
  milliseconds: number,
): string {
  const rate = bytes * 1000 / milliseconds;
  const parts = [verb];
  if (total !== undefined && total > 0) {
    parts.push(
      `${Math.floor(bytes * 100 / total)}%`,
      `${formatSize(bytes)} of ${formatSize(total)}`,
    );
  } else parts.push(formatSize(bytes));
  parts.push(`${formatSize(Math.round(rate))}/s`);
  if (total !== undefined && rate > 0 && total > bytes) {
    parts.push(`${formatSeconds((total - bytes) * 1000 / rate)} left`);
  }
  return parts.join("  ");
}
