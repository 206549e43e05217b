import type { Host, TextOutput } from "../runtime/host.ts";
import { PlainLines } from "./plain_lines.ts";
import { type LiveState, ProgressState } from "./progress_state.ts";
import { type Paint, paintColors, paintNothing } from "./render.ts";
import { type Display, Reporter, type ReporterOptions } from "./reporter.ts";

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
