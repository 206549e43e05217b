import type { Host } from "../runtime/host.ts";
import { canMoveCursor } from "./create_reporter.ts";
import { LiveScreen } from "./live_screen.ts";
import { formatSeconds, formatSize } from "./render.ts";

/** A line on a terminal that tells how far a reading is. */
export interface ByteProgress {
  /** Takes in how far it is; costs nothing, whatever the number of calls. */
  report: (progress: { bytes: number; total?: number }) => void;
  /** Takes the line away. */
  finish(): Promise<void>;
}

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
  const start = performance.now();
  let latest: { bytes: number; total?: number } = { bytes: 0 };
  const screen = new LiveScreen(host, (now, { columns }) => {
    const elapsed = now - start;
    if (elapsed < FIRST_MILLISECONDS) return [];
    return [byteProgressLine(verb, latest, elapsed).slice(0, columns - 1)];
  });
  return {
    report: (progress) => void (latest = progress),
    // A terminal that went away is no reason to fail.
    finish: () => screen.finish().catch(() => {}),
  };
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
