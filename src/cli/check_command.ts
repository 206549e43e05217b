import { checkArchive } from "../archive/check_archive.ts";
import type { Host } from "../runtime/host.ts";
import { openArchiveWords, partsHint } from "./archive_words.ts";
import { startByteProgress } from "./byte_progress.ts";
import { findingLines, verdictLine } from "./check_table.ts";
import { ARCHIVE_PATH, type CheckCommand } from "./command.ts";
import { connectionOptions, isReference } from "./connection.ts";
import { choosePaint } from "./create_reporter.ts";
import { EXIT } from "./exit.ts";
import { urlOf } from "./input.ts";
import { quote, UsageError } from "./options.ts";
import { printable } from "./render.ts";
import { withErrorDocument, writeDocument } from "./registry_client.ts";

/** `tarpush check`: reads a whole archive and tells what is wrong with it. */
export function runCheck(command: CheckCommand, host: Host, signal: AbortSignal): Promise<number> {
  return withErrorDocument(command, host, async () => {
    if (await meansImage(command, host)) {
      const { runCheckImage } = await import("./check_image_command.ts");
      return await runCheckImage(command, host, signal);
    }
    const { source, json, quiet } = command;
    const { fetch } = await connectionOptions(command, [], host);
    const example = "docker save IMAGE | tarpush check -";
    const reading = { verify: "all", signal, fetch } as const;
    await using input = await openArchiveWords(command, host, example, reading);
    const progress = await startByteProgress(host, "checking", quiet);
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
    const hint = check.ok ? undefined : partsHint(command);
    if (hint !== undefined) await host.stderr.write(`hint: ${printable(hint)}\n`);
    return exitCode;
  });
}

/**
 * Whether what is to be checked is an image in a registry. What is a file or folder here is that; of the rest, what parses as a
 * reference, is called like no archive, and, where it begins as a URL does, has a tag or a digest.
 */
async function meansImage(
  { source, parts, quick, repair }: CheckCommand,
  host: Host,
): Promise<boolean> {
  const option = repair !== undefined ? "--repair TAR" : quick ? "--quick" : undefined;
  const isArchive = parts.length > 0 || source === "-" ||
    await host.fileInfo(source) !== undefined;
  if (isArchive && option !== undefined) {
    throw new UsageError(
      `${option} is for an image in a registry, and ${quote(source)} is an archive`,
      `tarpush check ${option} HOST/REPOSITORY:TAG`,
    );
  }
  const name = source.slice(source.lastIndexOf("/") + 1);
  const isCalledArchive = ARCHIVE_PATH.test(source) || ARCHIVE_PATH.test(name);
  if (isArchive || isCalledArchive || !isReference(source)) return false;
  return option !== undefined || !urlOf(source) || /[:@][^/]*$/.test(new URL(source).pathname);
}
