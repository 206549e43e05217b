import { failureDocument } from "../failure_document.ts";
import { checkImage, type CheckImageOptions, type ImageCheck } from "../pull/check_image.ts";
import type { ImageRepair } from "../push/repair_image.ts";
import type { Host } from "../runtime/host.ts";
import { showByteProgress } from "./byte_progress.ts";
import { verdictText, writeFindings } from "./check_table.ts";
import type { CheckCommand } from "./command.ts";
import { type ConnectionOptions, connectionOptions } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { shownAs } from "./input.ts";
import { counted, formatSize, type Paint, printable } from "./render.ts";
import { writeDocument } from "./json_document.ts";

/** `tarpush check REFERENCE`: reads all that a registry has of an image and tells what is wrong with it. */
export async function runCheckImage(
  command: CheckCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const { source, quick, allTags, repair, json } = command;
  const connection = await connectionOptions(command, host);
  const { check, done } = await showByteProgress(host, command.quiet, async (onProgress) => {
    const options = { ...connection, signal, quick, allTags, onProgress };
    if (repair === undefined) return { check: await checkImage(source, options) };
    const done = await runRepair(source, repair, options, host);
    return { check: done.after, done };
  });
  if (json) await writeDocument(host, done ? repairDocument(done) : check);
  else await show(check, done, command, host);
  return check.ok ? EXIT.done : EXIT.failed;
}

async function runRepair(
  reference: string,
  tar: string,
  options: CheckImageOptions & ConnectionOptions & { signal: AbortSignal },
  host: Host,
): Promise<ImageRepair> {
  const { repairImage } = await import("../push/repair_image.ts");
  const { openNamed } = await import("./archive_words.ts");
  const example = "tarpush check REFERENCE --repair TAR";
  await using input = await openNamed(tar, host, example, { ...options, verify: "auto" });
  return await repairImage(reference, input.source, options);
}

function repairDocument({ before, sent, absent, failed, after }: ImageRepair): unknown {
  const failures = failed.map(({ digest, error }) => ({ digest, error: failureDocument(error) }));
  return { ...after, repair: { findings: before.findings, sent, absent, failed: failures } };
}

async function show(
  check: ImageCheck,
  repair: ImageRepair | undefined,
  command: CheckCommand,
  host: Host,
): Promise<void> {
  const { findings } = repair?.before ?? check;
  await writeFindings(findings, command.quiet, host, (paint) => [
    ...repair && !repair.before.ok ? repairLines(repair, command, paint) : [],
    verdictOf(check, command, paint),
  ]);
}

function repairLines(
  { sent, absent, failed }: ImageRepair,
  { repair = "" }: CheckCommand,
  paint: Paint,
): string[] {
  if (sent.length + absent.length + failed.length === 0) {
    const text = "nothing is sent, for nobody can tell what belongs there; to put an image there " +
      `all the same: tarpush push ${printable(shownAs(repair))} REFERENCE --force`;
    return [`${paint("yellow", "hint:")}    ${text}`];
  }
  return [
    ...sent.map((digest) => `${paint("green", "sent")}     ${digest}`),
    ...absent.map((digest) =>
      `${paint("red", "absent")}   ${digest}, which ${printable(shownAs(repair))} does not have`
    ),
    ...failed.flatMap(({ error: { message, hint } }) => [
      `${paint("red", "failed")}   ${printable(message)}`,
      ...hint === undefined ? [] : [`${paint("yellow", "hint:")}    ${printable(hint)}`],
    ]),
  ];
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
