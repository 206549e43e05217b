import type { PushEvent } from "../push/events.ts";
import type { PushResult } from "../push/push.ts";
import type { Host } from "../runtime/host.ts";
import { jsonText, plannedLines } from "./render.ts";
import { createReporter, type ReporterOptions } from "./reporter.ts";

/** What a transfer heeds and tells. */
export interface TransferHooks {
  signal: AbortSignal;
  onEvent: (event: PushEvent) => Promise<void>;
}

/** Runs a push or a copy: shows how it goes, and prints each name as soon as it stands, or one document. */
export async function showTransfer(
  command: ReporterOptions<"push" | "copy">,
  host: Host,
  signal: AbortSignal,
  transfer: (hooks: TransferHooks) => Promise<PushResult>,
): Promise<PushResult> {
  const reporter = await createReporter(host, command, signal);
  try {
    const result = await transfer({ signal, onEvent: (event) => reporter.handle(event) });
    if (command.dryRun) {
      for (const line of plannedLines(command.verb, result.images)) await reporter.note(line);
    }
    await reporter.finish(result.milliseconds);
    if (command.json) {
      const { dryRun } = command;
      await host.stdout.write(`${jsonText({ ...dryRun && { dryRun }, ...result })}\n`);
    }
    return result;
  } catch (error) {
    await reporter.finish();
    if (command.json) {
      const { failureDocument, pushedBefore } = await import("../failure_document.ts");
      const document = { images: pushedBefore(error), error: failureDocument(error) };
      await host.stdout.write(`${jsonText(document)}\n`);
    }
    throw error;
  }
}
