import { checkArchive } from "../archive/check_archive.ts";
import type { Host } from "../runtime/host.ts";
import { startByteProgress } from "./byte_progress.ts";
import { findingLines, verdictLine } from "./check_table.ts";
import type { CheckCommand } from "./command.ts";
import { connectionOptions } from "./connection.ts";
import { choosePaint } from "./create_reporter.ts";
import { EXIT } from "./exit.ts";
import { openInput } from "./input.ts";
import { withErrorDocument, writeDocument } from "./registry_client.ts";

/** `tarpush check`: reads a whole archive and tells what is wrong with it. */
export function runCheck(command: CheckCommand, host: Host, signal: AbortSignal): Promise<number> {
  return withErrorDocument(command, host, async () => {
    const { source, json, quiet } = command;
    await using input = await openInput(source, host, "docker save IMAGE | tarpush check -");
    const progress = await startByteProgress(host, "checking", quiet);
    const { fetch } = await connectionOptions(command, [], host);
    const check = await checkArchive(input.source, { signal, fetch, onProgress: progress.report })
      .finally(() => progress.finish());
    const exitCode = check.ok ? EXIT.done : EXIT.failed;
    if (json) {
      await writeDocument(host, check);
      return exitCode;
    }
    const paint = await choosePaint(host, host.stdout);
    const isTerminal = await host.stdout.isTerminal();
    const shown = quiet
      ? check.findings.filter(({ severity }) => severity === "error")
      : check.findings;
    const columns = isTerminal ? host.stdout.size().columns : undefined;
    const name = source === "-" ? "stdin" : source;
    const lines = [...findingLines(shown, paint, columns), verdictLine(name, check, paint)];
    await host.stdout.write(lines.map((line) => `${line}\n`).join(""));
    return exitCode;
  });
}
