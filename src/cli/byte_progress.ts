import type { Host } from "../runtime/host.ts";
import { LiveScreen } from "./live_screen.ts";
import { formatSeconds, formatSize } from "./render.ts";
import { canMoveCursor } from "./reporter.ts";

/** How far a check is, in bytes; `total` where that is known. */
type Progress = { bytes: number; total?: number };

/** What is over by then needs no line. */
const FIRST_MILLISECONDS = 500;

/**
 * Runs a check, and shows on stderr how far it is where that is a terminal; elsewhere nothing is written.
 *
 * @param check Told of progress any number of times: that costs nothing.
 */
export async function showByteProgress<T>(
  host: Host,
  isQuiet: boolean,
  check: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  if (isQuiet || !await canMoveCursor(host)) return await check(() => {});
  const start = performance.now();
  let latest: Progress = { bytes: 0 };
  const screen = new LiveScreen(host, (now, { columns }) => {
    const elapsed = now - start;
    if (elapsed < FIRST_MILLISECONDS) return [];
    return [byteProgressLine(latest, elapsed).slice(0, columns - 1)];
  });
  try {
    return await check((progress) => void (latest = progress));
  } finally {
    // A terminal that went away is no reason to fail.
    await screen.finish().catch(() => {});
  }
}

/** The line for a check under way. */
export function byteProgressLine({ bytes, total }: Progress, milliseconds: number): string {
  const rate = bytes * 1000 / milliseconds;
  const parts = ["checking"];
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
