import { OciError } from "../errors.ts";
import { messageOf } from "../failure_document.ts";
import type { Host } from "../runtime/host.ts";
import type { AnsweredRequest } from "../server/observer.ts";
import type { ServeCommand } from "./command.ts";
import { LogLines } from "./log_lines.ts";
import { formatSize, jsonLine, printable } from "./render.ts";

/** What `tarpush serve` says while it runs: on stderr for people, on stdout as JSON lines with `--json`. */
export interface ServeLog {
  /** That it listens, and where; the line for people, and the same for programs. */
  listening(line: string, document: { url: string; kept: string }): Promise<void>;
  /** What a person should know. */
  note(line: string): void;
  /** What is wrong, also where only errors are asked for. */
  error(line: string): void;
  request(request: AnsweredRequest): void;
  /** Settled when all of it has been written. */
  written(): Promise<void>;
}

/** Makes the log that the options ask for. */
export function createServeLog(
  { json, quiet }: Pick<ServeCommand, "json" | "quiet">,
  host: Pick<Host, "stdout" | "stderr">,
): ServeLog {
  return json ? jsonLog(host, quiet) : textLog(host, quiet);
}

function textLog({ stderr }: Pick<Host, "stderr">, quiet: boolean): ServeLog {
  const lines = new LogLines(stderr, (missing) => `${missingText(missing)}\n`);
  const write = (line: string) => lines.add(`${printable(line)}\n`);
  const tell = quiet ? () => {} : write;
  return {
    listening: (line) => {
      tell(line);
      return lines.written();
    },
    note: tell,
    error: (line) => write(`tarpush: ${line}`),
    request: (request) => tell(requestLine(request)),
    written: () => lines.written(),
  };
}

function jsonLog({ stdout }: Pick<Host, "stdout">, quiet: boolean): ServeLog {
  const format = (type: string, document: object, time = Date.now()) =>
    `${jsonLine({ type, time: new Date(time).toISOString(), ...document })}\n`;
  const lines = new LogLines(
    stdout,
    (missing) => format("note", { message: missingText(missing) }),
  );
  const tell = quiet ? () => {} : (line: string) => lines.add(line);
  return {
    listening: (_line, document) => {
      tell(format("listening", document));
      return lines.written();
    },
    note: (message) => tell(format("note", { message })),
    error: (message) => lines.add(format("error", { message })),
    request: ({ time, ...request }) => tell(format("request", request, time)),
    written: () => lines.written(),
  };
}

function missingText(count: number): string {
  return `${count} lines are missing here: they came faster than they were read`;
}

function requestLine(request: AnsweredRequest): string {
  const { time, client, method, path, status, bytes, milliseconds } = request;
  const words = [new Date(time).toISOString(), client, method, path, `${status}`];
  if (bytes > 0) words.push(formatSize(bytes));
  words.push(`${milliseconds} ms`);
  return words.filter(Boolean).join(" ");
}

/** What an error says, with the hint that it has. */
export function errorText(error: unknown): string {
  if (error instanceof OciError && error.hint) return `${error.message} (${error.hint})`;
  return messageOf(error);
}
