import { OciError } from "../errors.ts";
import type { ArchiveFormat } from "../image/write_archive.ts";
import type { PullEvent } from "../pull/events.ts";
import type { ImageToPull } from "../pull/list_images.ts";
import type { PullImagesOptions } from "../pull/options.ts";
import type { PushEvent } from "../push/events.ts";
import type { Host, TextOutput } from "../runtime/host.ts";
import { filesOfNamed } from "./archive_words.ts";
import type { SaveCommand } from "./command.ts";
import { connectionOptions, InsecureHosts } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { withErrorDocument } from "./json_document.ts";
import { given, retryOf, UsageError } from "./options.ts";
import { counted, formatSize, jsonText, linesText, resultLine } from "./render.ts";
import { createReporter } from "./reporter.ts";
import {
  isFolderName,
  requireFolder,
  saveToFile,
  saveToFolder,
  saveToPipe,
} from "./save_output.ts";
import type { SavedParts } from "./save_parts.ts";
import { listImages, openOthers, partOthers } from "./save_words.ts";
import { refuseToWriteOver } from "./written_files.ts";

type PlanEvent = Extract<PullEvent, { type: "plan" }>;

/** `tarpush save`: writes images of registries to a file, a folder or a pipe, and shows how it goes. */
export async function runSave(
  command: SaveCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  return await withErrorDocument(command, resultsOf(command, host), async () => {
    if (isPiped(command) && await host.byteStdout.isTerminal()) throw refuseTerminal(command);
    try {
      return await save(command, host, signal);
    } catch (cause) {
      const isInterrupted = signal.aborted && cause === signal.reason;
      throw isInterrupted ? await interrupted(command, host, cause) : cause;
    }
  });
}

async function save(command: SaveCommand, host: Host, signal: AbortSignal): Promise<number> {
  const start = performance.now();
  const read = await filesRead(command, host);
  await refuseToWriteOver(writtenBy(command), read, host);
  const images = await listImages(command, host, signal);
  const isFolder = await isFolderName(command.tar, host);
  const format = command.format ?? (isFolder ? "oci" : "docker");
  if (isFolder && format !== "oci") {
    throw new UsageError(`Cannot write ${format} into a folder, expected --format oci`);
  }
  if (isFolder) await requireFolder(command.tar, host);
  if (isFolder && command.split !== undefined) {
    throw new UsageError("Cannot split what goes into a folder, expected a file");
  }
  if (isFolder && command.without.length > 0) {
    throw new UsageError("Cannot leave blobs out of a folder, expected a file or -");
  }
  const options = await toPullOptions(command, images, format, signal, host);
  const reporter = await createReporter(host, { ...command, dryRun: false }, signal);
  try {
    let plan: PlanEvent | undefined;
    const written = await write(images, { ...command, isFolder, read }, {
      ...options,
      signal,
      onEvent: async (event) => {
        if (event.type === "plan") plan = event;
        await reporter.handle(toPushEvent(event));
      },
    }, host);
    const milliseconds = Math.round(performance.now() - start);
    await reporter.finish(written.isWhole ? milliseconds : undefined);
    // Whoever was to read it knows why it went away.
    if (!written.isWhole || !plan) return EXIT.failed;
    if (plan.leftOut) await reporter.note(leftOutLine(plan.leftOut));
    const saved = { ...plan, format, milliseconds, ...written.parts };
    await resultsOf(command, host).write(resultText(command, saved));
    return EXIT.done;
  } catch (error) {
    await reporter.finish();
    throw error;
  }
}

/** Whether the archive was written to its end, and what it was split into. */
interface Written {
  isWhole: boolean;
  parts?: SavedParts;
}

async function write(
  images: readonly ImageToPull[],
  command: SaveCommand & { isFolder: boolean; read: readonly string[] },
  options: PullImagesOptions,
  host: Host,
): Promise<Written> {
  const { tar, split, isFolder, read } = command;
  if (isPiped(command)) return { isWhole: await saveToPipe(images, options, host) };
  if (split !== undefined) {
    const { saveToParts } = await import("./save_parts.ts");
    return {
      isWhole: true,
      parts: await saveToParts(images, { path: tar, partBytes: split, read }, options, host),
    };
  }
  await (isFolder ? saveToFolder : saveToFile)(images, tar, options, host);
  return { isWhole: true };
}

async function filesRead({ from, ca, without }: SaveCommand, host: Host): Promise<string[]> {
  const others = await Promise.all(without.map((other) => filesOfNamed(other, host)));
  return [from, ca, ...others.flat()].filter((path) => path !== undefined);
}

/** Files that a save replaces: of many parts those that every set has. */
function writtenBy({ tar, split }: SaveCommand): string[] {
  return split === undefined ? [tar] : ["001", "0001", "sha256"].map((end) => `${tar}.${end}`);
}

function isPiped({ tar }: SaveCommand): boolean {
  return tar === "-";
}

/** Whether a script has to reckon with several results. */
function isMany({ references, from, allTags, tags }: SaveCommand): boolean {
  return references.length > 1 || from !== undefined || allTags || tags.length > 0;
}

/** Where results go: a tar has stdout for itself. */
function resultsOf(command: SaveCommand, host: Host): TextOutput {
  return isPiped(command) ? host.stderr : host.stdout;
}

function resultText(
  command: SaveCommand,
  { images, format, size, leftOut, milliseconds, parts, checksums }:
    & PlanEvent
    & { format: ArchiveFormat; milliseconds: number }
    & Partial<SavedParts>,
): string {
  const { json, tar } = command;
  if (!json) {
    return linesText(images.map(({ reference, digest }) => resultLine(reference, digest)));
  }
  const saved = isMany(command) ? { images } : images[0];
  return `${jsonText({ ...saved, format, tar, size, leftOut, parts, checksums, milliseconds })}\n`;
}

function leftOutLine({ blobs, bytes }: NonNullable<PlanEvent["leftOut"]>): string {
  if (blobs === 0) return "nothing is left out: none of the layers is there";
  return `${counted(blobs, "layer")} of ${formatSize(bytes)} left out: ` +
    "the archive can be pushed to where they are, and not be loaded";
}

async function toPullOptions(
  command: SaveCommand,
  images: readonly ImageToPull[],
  format: ArchiveFormat,
  signal: AbortSignal,
  host: Host,
): Promise<PullImagesOptions> {
  const { namesFirst, platforms, tags, allTags, referrers } = command;
  const without = await partOthers(command.without, host);
  const hosts = new InsecureHosts(command);
  hosts.add(images.map(({ reference }) => reference));
  const connection = {
    ...await connectionOptions(command, host, hosts),
    ...given({ retry: retryOf(command) }),
  };
  return {
    ...connection,
    format,
    namesFirst,
    platforms,
    allTags: allTags || tags.length > 0,
    tags,
    without: [
      ...without.registries,
      ...await openOthers(without.archives, { signal, ...connection }, host),
    ],
    signatures: true,
    referrers,
  };
}

/** What the display of a push makes of it. */
function toPushEvent(event: PullEvent): PushEvent {
  switch (event.type) {
    case "plan":
      return {
        type: "plan",
        images: event.images.length,
        blobs: event.blobs,
        bytes: event.bytes,
      };
    case "blob-progress":
      return { type: "blob-progress", digest: event.digest, sent: event.received };
    case "blob-done":
      return { ...event, status: event.exists ? "exists" : "pushed" };
    default:
      return event;
  }
}

function refuseTerminal(
  { references: [reference = "--from images.txt"] }: SaveCommand,
): UsageError {
  return new UsageError(
    "Cannot write a tar to a terminal, expected a pipe or a file",
    `tarpush save ${reference} image.tar`,
  );
}

async function interrupted({ tar }: SaveCommand, host: Host, cause: unknown): Promise<OciError> {
  const hint = tar === "-"
    ? "what was written is not whole"
    : await isFolderName(tar, host)
    ? "run it again: blobs that are there by now are not fetched twice"
    : `${tar} is as it was before`;
  return new OciError("Interrupted", { hint, cause });
}
