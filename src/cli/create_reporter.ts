import type { Host, TextOutput } from "../runtime/host.ts";
import { PlainReporter } from "./plain_reporter.ts";
import { type Paint, paintColors, paintNothing } from "./render.ts";
import type { Reporter, ReporterOptions } from "./reporter.ts";

/** Makes the display of what ends at the first Ctrl-C, and says so then. */
export async function createReporter(
  host: Host,
  options: ReporterOptions,
  signal: AbortSignal,
): Promise<Reporter> {
  const reporter = await chooseReporter(host, options);
  signal.addEventListener("abort", () => {
    // Where nothing can be written, the rest of the display tells.
    reporter.note("Stopping; Ctrl-C again ends at once").catch(() => {});
  }, { once: true });
  return reporter;
}

/** Picks bars for a terminal that can move its cursor, else plain lines, else silence. */
async function chooseReporter(host: Host, options: ReporterOptions): Promise<Reporter> {
  if (options.quiet) return new PlainReporter(host, options, paintNothing);
  const paint = await choosePaint(host, host.stderr);
  if (!await canMoveCursor(host)) return new PlainReporter(host, options, paint);
  const { LiveReporter } = await import("./live_reporter.ts");
  return new LiveReporter(host, options, paint);
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
