import type { ArchiveCheck } from "../archive/check_archive.ts";
import type { Finding, Severity } from "../image/check/findings.ts";
import type { Host } from "../runtime/host.ts";
import { type Color, counted, formatSize, linesText, type Paint, printable } from "./render.ts";
import { choosePaint } from "./reporter.ts";

const COLORS: Readonly<Record<Severity, Color>> = { error: "red", warning: "yellow", note: "dim" };
/** Wide enough for the longest severity. */
const SEVERITY_WIDTH = 7;
const GAP = "  ";
/** So that a digest fits a line of 80 columns. */
const INDENT = "  ";

/** Writes the findings of a check to stdout, only errors where `isQuiet` says so, and what else there is to say of it. */
export async function writeFindings(
  findings: readonly Finding[],
  isQuiet: boolean,
  host: Host,
  furtherLines: (paint: Paint) => readonly string[],
): Promise<void> {
  const { stdout } = host;
  const paint = await choosePaint(host, stdout);
  const columns = await stdout.isTerminal() ? stdout.size().columns : undefined;
  const shown = isQuiet ? findings.filter(({ severity }) => severity === "error") : findings;
  const lines = [...findingLines(shown, paint, columns), ...furtherLines(paint)];
  await stdout.write(linesText(lines));
}

/**
 * The findings of a check for people: one line each in columns, or, where a terminal is too narrow for that, the
 * message in lines of its own below.
 *
 * @param columns Width of the terminal; undefined for a file or pipe.
 * @returns Lines without line ends.
 */
export function findingLines(
  findings: readonly Finding[],
  paint: Paint,
  columns?: number,
): string[] {
  const width = Math.max(0, ...findings.map(({ code }) => code.length));
  return findings.flatMap(({ severity, code, message }) => {
    const text = printable(message);
    const label = `${paint(COLORS[severity], severity)}${
      " ".repeat(SEVERITY_WIDTH - severity.length)
    }`;
    const needed = SEVERITY_WIDTH + GAP.length + width + GAP.length + text.length;
    if (columns === undefined || needed < columns) {
      return [`${label}${GAP}${code.padEnd(width)}${GAP}${text}`];
    }
    const lines = wrap(text, columns - 1 - INDENT.length);
    return [`${label}${GAP}${code}`, ...lines.map((line) => INDENT + line)];
  });
}

/** The last line of a check: what became of it. */
export function verdictLine(name: string, check: ArchiveCheck, paint: Paint): string {
  const { dialect, files, bytes } = check;
  const what = `${dialect ? `${dialect} archive, ` : ""}${counted(files, "file")}, ${
    formatSize(bytes)
  }`;
  return `${printable(name)}: ${verdictText(check, paint)} (${what})`;
}

/** What became of a check in a word, and how many findings there are. */
export function verdictText(
  { ok, findings }: Pick<ArchiveCheck, "ok" | "findings">,
  paint: Paint,
): string {
  const counts = (["error", "warning", "note"] as const).map((severity) =>
    countOf(findings, severity)
  ).filter((text) => text !== "");
  const verdict = ok ? paint("green", "ok") : paint("red", "broken");
  return [verdict, ...counts].join(", ");
}

function countOf(findings: readonly Finding[], severity: Severity): string {
  const all = findings.filter((finding) => finding.severity === severity).reduce(
    (sum, { code, actual }) => sum + (code === "further-findings" ? Number(actual) : 1),
    0,
  );
  return all === 0 ? "" : counted(all, severity);
}

/** Breaks a text at spaces; a word that is longer than a line stands alone. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
