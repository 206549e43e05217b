import { checkImage, type ImageCheck } from "../pull/check_image.ts";
import type { Host } from "../runtime/host.ts";
import { startByteProgress } from "./byte_progress.ts";
import { findingLines, verdictText } from "./check_table.ts";
import type { CheckCommand } from "./command.ts";
import { connectionOptions, registryOf } from "./connection.ts";
import { choosePaint } from "./create_reporter.ts";
import { EXIT } from "./exit.ts";
import { counted, formatSize, type Paint, printable } from "./render.ts";
import { writeDocument } from "./registry_client.ts";

/** `tarpush check REFERENCE`: reads all that a registry has of an image and tells what is wrong with it. */
export async function runCheckImage(
  command: CheckCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const { source, quick, json } = command;
  const connection = await connectionOptions(command, [registryOf(source)], host);
  const progress = await startByteProgress(host, "checking", command.quiet);
  const check = await checkImage(source, {
    ...connection,
    signal,
    quick,
    onProgress: progress.report,
  }).finally(() => progress.finish());
  if (json) await writeDocument(host, check);
  else await showCheck(check, command, host);
  return check.ok ? EXIT.done : EXIT.failed;
}

async function showCheck(check: ImageCheck, command: CheckCommand, host: Host): Promise<void> {
  const { quiet } = command;
  const paint = await choosePaint(host, host.stdout);
  const isTerminal = await host.stdout.isTerminal();
  const shown = quiet
    ? check.findings.filter(({ severity }) => severity === "error")
    : check.findings;
  const columns = isTerminal ? host.stdout.size().columns : undefined;
  const lines = [...findingLines(shown, paint, columns), verdictOf(check, command, paint)];
  await host.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

function verdictOf(check: ImageCheck, { source, quick }: CheckCommand, paint: Paint): string {
  const { manifests, blobs, bytes } = check;
  const what = [
    counted(manifests, "manifest"),
    counted(blobs, "blob"),
    `${formatSize(bytes)}${quick ? " not read" : ""}`,
  ];
  return `${printable(source)}: ${verdictText(check, paint)} (${what.join(", ")})`;
}
