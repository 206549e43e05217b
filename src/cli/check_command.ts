import { type ArchiveCheck, checkArchive } from "../archive/check_archive.ts";
import type { Finding } from "../image/check/findings.ts";
import type { Host } from "../runtime/host.ts";
import { openArchiveWords, partsHint } from "./archive_words.ts";
import { showByteProgress } from "./byte_progress.ts";
import { verdictLine, writeFindings } from "./check_table.ts";
import type { CheckCommand } from "./command.ts";
import { isArchivePath } from "./command_words.ts";
import { type ConnectionOptions, connectionOptions, isReference } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { shownAs, urlOf } from "./input.ts";
import { quote, UsageError } from "./options.ts";
import { printable } from "./render.ts";
import { withErrorDocument, writeDocument } from "./json_document.ts";

/** `tarpush check`: reads a whole archive and tells what is wrong with it. */
export function runCheck(command: CheckCommand, host: Host, signal: AbortSignal): Promise<number> {
  return withErrorDocument(command, host.stdout, async () => {
    if (await meansImage(command, host)) {
      const { runCheckImage } = await import("./check_image_command.ts");
      return await runCheckImage(command, host, signal);
    }
    const { source, json, quiet, against } = command;
    const connection = await connectionOptions(command, host);
    const example = "docker save IMAGE | tarpush check -";
    const reading = { verify: "all", signal, ...connection } as const;
    await using input = await openArchiveWords(command, host, example, reading);
    const checked = await showByteProgress(
      host,
      quiet,
      (onProgress) => checkArchive(input.source, { signal, ...connection, onProgress }),
    );
    const { absent, check } = await withAbsent(checked, against, { ...connection, signal });
    const exitCode = check.ok ? EXIT.done : EXIT.failed;
    if (json) {
      await writeDocument(host, check);
      return exitCode;
    }
    const { leftOut = [] } = check;
    const found = against !== undefined && leftOut.length > 0 && absent === 0
      ? [`${printable(against)} has all that it leaves out`]
      : [];
    await writeFindings(check.findings, quiet, host, (paint) => [
      ...found,
      verdictLine(shownAs(source), check, paint),
    ]);
    const hint = check.ok ? undefined : partsHint(command);
    if (hint !== undefined) await host.stderr.write(`hint: ${printable(hint)}\n`);
    return exitCode;
  });
}

/** Adds what an archive leaves out and a registry does not have, and counts it. */
async function withAbsent(
  check: ArchiveCheck,
  against: string | undefined,
  options: ConnectionOptions & { signal: AbortSignal },
): Promise<{ absent: number; check: ArchiveCheck }> {
  if (against === undefined) return { absent: 0, check };
  const { findAbsent } = await import("../archive/find_absent.ts");
  const absent = await findAbsent(check, against, options);
  const errors = absent.map(({ digest, repository, images }): Finding => ({
    severity: "error",
    code: "missing-blob",
    message: `${digest} is left out of the archive, and ${repository} does not have it (needed by ${
      images.map(quote).join(", ")
    })`,
    digest,
  }));
  const ok = check.ok && absent.length === 0;
  const findings = [...errors, ...check.findings];
  return { absent: absent.length, check: { ...check, ok, findings } };
}

/**
 * Whether what is to be checked is an image in a registry. What is a file or folder here is that; of the rest, what parses as a
 * reference, is called like no archive, and, where it begins as a URL does, has a tag or a digest.
 */
async function meansImage(
  { source, parts, quick, allTags, repair, against }: CheckCommand,
  host: Host,
): Promise<boolean> {
  const [option] = [
    ...repair !== undefined ? ["--repair TAR"] : [],
    ...quick ? ["--quick"] : [],
    ...allTags ? ["--all-tags"] : [],
  ];
  const isArchive = parts.length > 0 || source === "-" ||
    await host.fileInfo(source) !== undefined;
  if (isArchive && option !== undefined) {
    throw new UsageError(
      `${option} is for an image in a registry, and ${quote(source)} is an archive`,
      `tarpush check ${option} ${allTags ? "HOST/REPOSITORY" : "HOST/REPOSITORY:TAG"}`,
    );
  }
  if (isArchive || isArchivePath(source) || !isReference(source)) return false;
  const isUrl = urlOf(source) !== undefined;
  if (against !== undefined && isUrl) return false;
  if (against !== undefined) {
    throw new UsageError(
      `--against is for an archive, and ${quote(source)} is an image in a registry`,
    );
  }
  return option !== undefined || !isUrl || /[:@][^/]*$/.test(new URL(source).pathname);
}
