import { openArchive, readArchive } from "../image/archive.ts";
import { summarizeArchive } from "../image/inspect.ts";
import type { Host } from "../runtime/host.ts";
import type { InspectCommand } from "./args.ts";
import { EXIT } from "./failure.ts";
import { inspectLines } from "./inspect_table.ts";
import { UsageError } from "./options.ts";
import { printable } from "./render.ts";
import { choosePaint } from "./reporter.ts";
import { readStreamedFiles } from "./streamed_files.ts";

/** `tarpush inspect`: what an archive holds, for people or as JSON. */
export async function runInspect(command: InspectCommand, host: Host): Promise<number> {
  if (command.source === "-") {
    if (await host.stdin.isTerminal()) {
      throw new UsageError("Nothing is piped in", "docker save IMAGE | tarpush inspect -");
    }
    const archive = await readArchive(await readStreamedFiles(host.stdin.stream()));
    return await show(command, host, archive);
  }
  await using file = await host.openFile(command.source);
  return await show(command, host, await openArchive(file));
}

type Archive = Awaited<ReturnType<typeof openArchive>>;

async function show(command: InspectCommand, host: Host, archive: Archive): Promise<number> {
  const summary = await summarizeArchive(archive);
  const paint = await choosePaint(host, host.stdout);
  const text = command.json
    ? JSON.stringify(summary, null, 2)
    : inspectLines(summary, paint).join("\n");
  await host.stdout.write(`${text}\n`);
  if (!command.quiet) {
    const lines = archive.notices.map((notice) => `warning: ${printable(notice)}\n`);
    await host.stderr.write(lines.join(""));
  }
  return EXIT.done;
}
