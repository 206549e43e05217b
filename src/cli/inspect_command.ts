import { openArchive } from "../archive/open_archive.ts";
import type { ArchiveSummary } from "../image/inspect.ts";
import type { Host } from "../runtime/host.ts";
import { openArchiveWords, withPartsHint } from "./archive_words.ts";
import type { InspectCommand } from "./command.ts";
import { connectionOptions } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { inspectLines } from "./inspect_table.ts";
import { withErrorDocument, writeDocument } from "./json_document.ts";
import { linesText, printable } from "./render.ts";
import { choosePaint } from "./reporter.ts";

/** `tarpush inspect`: what an archive holds, for people or as JSON. */
export function runInspect(
  command: InspectCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  return withErrorDocument(command, host.stdout, async () => {
    const connection = await connectionOptions(command, host);
    try {
      const example = "docker save IMAGE | tarpush inspect -";
      const reading = { verify: "none", signal, ...connection } as const;
      await using input = await openArchiveWords(command, host, example, reading);
      const archive = await openArchive(input.source, { signal, ...connection, verify: false });
      return await show(command, host, archive);
    } catch (error) {
      throw withPartsHint(command, error);
    }
  });
}

async function show(command: InspectCommand, host: Host, archive: ArchiveSummary): Promise<number> {
  const paint = await choosePaint(host, host.stdout);
  if (command.json) await writeDocument(host, archive);
  else await host.stdout.write(linesText(inspectLines(archive, paint)));
  if (!command.quiet) {
    const lines = archive.notices.map((notice) => `warning: ${printable(notice)}`);
    await host.stderr.write(linesText(lines));
  }
  return EXIT.done;
}
