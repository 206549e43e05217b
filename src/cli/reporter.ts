import type { PushEvent } from "../push/events.ts";

/** Shows a running push: results on stdout, everything else on stderr. */
export interface Reporter {
  /** Takes an event in; to be awaited, so that a slow reader slows the push. */
  handle(event: PushEvent): Promise<void>;
  /** Writes a line for people. */
  note(line: string): Promise<void>;
  /** Ends the display, after success with a closing line. */
  finish(milliseconds?: number): Promise<void>;
}

/** What is shown, and how. */
export interface ReporterOptions {
  /** Nothing on stderr. */
  quiet: boolean;
  /** No lines on stdout: a document follows. */
  json: boolean;
  /** No lines on stdout: no name stands. */
  dryRun: boolean;
  /**
   * What became of a blob that was transferred.
   * @default {"pushed"}
   */
  word?: string;
}

type TagEvent = Extract<PushEvent, { type: "tag" }>;

/** Whether an event says that an image's name stands, and that is to be printed. */
export function isResult(event: PushEvent, { json, dryRun }: ReporterOptions): event is TagEvent {
  return event.type === "tag" && event.subject === undefined && !json && !dryRun;
}

/** What a push would send is missing so far. */
export function wordOf({ dryRun, word }: ReporterOptions): string | undefined {
  return dryRun ? "missing" : word;
}
