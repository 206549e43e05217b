import { OciError } from "../errors.ts";
import { messageOf } from "../failure_document.ts";
import type { Host } from "../runtime/host.ts";
import type { AnsweredRequest } from "../server/observer.ts";
import type { ServeCommand } from "./command.ts";
import { formatSize, jsonLine, printable } from "./render.ts";

/** What `tarpush serve` says while it runs: on stderr for people, on stdout as JSON lines with `--json`. */
export interface ServeLog {
  /** That it listens, and where; the line for people, and the same for programs. */
  listening(line: string, document: { url: string; kept: string }): Promise<void>;
  /** What a person should know. */
  note(line: string): void;
  /** What is wrong, also where only errors are asked for. */
  error(line: string): void;
  /** A request that was answered. */
  request(request: AnsweredRequest): void;
}

/** Makes the log that the options ask for. */
export function createServeLog({ json, quiet }: ServeCommand, host: Host): ServeLog {
  return json ? jsonLog(host, quiet) : textLog(host, quiet);
}

function textLog({ stderr }: Host, quiet: boolean): ServeLog {
  const write = (line: string) => stderr.write(`${printable(line)}\n`);
  return {
    listening: async (line) => {
      if (!quiet) await write(line);
    },
    note: (line) => {
      if (!quiet) void write(line);
    },
    error: (line) => void write(`tarpush: ${line}`),
    request: (request) => {
      if (!quiet) void write(requestLine(request));
    },
  };
}

function jsonLog({ stdout }: Host, quiet: boolean): ServeLog {
  const write = (type: string, document: object, time = Date.now()) =>
    stdout.write(`${jsonLine({ type, time: new Date(time).toISOString(), ...document })}\n`);
  return {
    listening: async (_line, document) => {
      if (!quiet) await write("listening", document);
    },
    note: (message) => {
      if (!quiet) void write("note", { message });
    },
    error: (message) => void write("error", { message }),
    request: ({ time, ...request }) => {
      if (!quiet) void write("request", request, time);
    },
  };
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
