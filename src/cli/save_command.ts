import { OciError } from "../errors.ts";
import { failureDocument } from "../failure_document.ts";
import type { PullEvent } from "../pull/events.ts";
import type { PullOptions } from "../pull/options.ts";
import type { ArchiveFormat } from "../image/write_archive.ts";
import { pullImage } from "../pull/pull.ts";
import type { PushEvent } from "../push/events.ts";
import { parseReference } from "../reference.ts";
import type { Host, TextOutput } from "../runtime/host.ts";
import type { SaveCommand } from "./command.ts";
import { connectionOptions } from "./connection.ts";
import { createReporter } from "./create_reporter.ts";
import { EXIT } from "./exit.ts";
import { UsageError } from "./options.ts";
import { jsonText, resultLine } from "./render.ts";

type PlanEvent = Extract<PullEvent, { type: "plan" }>;

/** `tarpush save`: writes an image of a registry to a file or a pipe, and shows how it goes. */
export async function runSave(
  command: SaveCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  try {
    if (isPiped(command) && await host.byteStdout.isTerminal()) throw refuseTerminal(command);
    return await save(command, host, signal);
  } catch (cause) {
    const error = signal.aborted && cause === signal.reason ? interrupted(command, cause) : cause;
    if (command.json) {
      const document = { error: failureDocument(error) };
      await resultsOf(command, host).write(`${jsonText(document)}\n`);
    }
    throw error;
  }
}

async function save(command: SaveCommand, host: Host, signal: AbortSignal): Promise<number> {
  const start = performance.now();
  const isFolder = await isFolderName(command.tar, host);
  const format = command.format ?? (isFolder ? "oci" : "docker");
  if (isFolder && format !== "oci") {
    throw new UsageError(`Cannot write ${format} into a folder, expected --format oci`);
  }
  const options = await toPullOptions(command, format, host);
  const reporter = await createReporter(host, { ...command, dryRun: false, word: "saved" });
  signal.addEventListener("abort", () => {
    // Where nothing can be written, the rest of the display tells.
    reporter.note("Stopping; Ctrl-C again ends at once").catch(() => {});
  }, { once: true });
  try {
    let plan: PlanEvent | undefined;
    const pulling: PullOptions & { signal: AbortSignal } = {
      ...options,
      signal,
      onEvent: async (event) => {
        if (event.type === "plan") plan = event;
        await reporter.handle(toPushEvent(event));
      },
    };
    const isWhole = isFolder
      ? await writeToFolder(command, pulling, host)
      : await writeTar(pullImage(command.reference, pulling), command, host);
    const milliseconds = Math.round(performance.now() - start);
    await reporter.finish(isWhole ? milliseconds : undefined);
    // Whoever was to read it knows why it went away.
    if (!isWhole || !plan) return EXIT.failed;
    await resultsOf(command, host).write(`${resultText(command, format, plan, milliseconds)}\n`);
    return EXIT.done;
  } catch (error) {
    await reporter.finish();
    throw error;
  }
}

function isPiped({ tar }: SaveCommand): boolean {
  return tar === "-";
}

/** Where results go: a tar has stdout for itself. */
function resultsOf(command: SaveCommand, host: Host): TextOutput {
  return isPiped(command) ? host.stderr : host.stdout;
}

function resultText(
  { json, tar }: SaveCommand,
  format: ArchiveFormat,
  { reference, digest, mediaType, size }: PlanEvent,
  milliseconds: number,
): string {
  if (!json) return resultLine(reference, digest);
  const document = { reference, digest, mediaType, format, tar, size, milliseconds };
  return jsonText(document);
}

/** Whether a name is that of a folder: one that is there, or a new one. */
async function isFolderName(name: string, host: Host): Promise<boolean> {
  if (name === "-") return false;
  return /[/\\]$/.test(name) || (await host.fileInfo(name))?.kind === "directory";
}

async function writeToFolder(
  { reference, tar }: SaveCommand,
  options: PullOptions,
  host: Host,
): Promise<boolean> {
  const { pullToFolder } = await import("../pull/pull_to_folder.ts");
  const path = (name: string) => `${tar.replace(/[/\\]+$/, "")}/${name}`;
  await pullToFolder(reference, {
    name: tar,
    isEmpty: async () => await isEmptyFolder(tar, host),
    size: async (name) => (await host.fileInfo(path(name)))?.size,
    read: async (name) => await host.readTextFile(path(name)),
    makeFolder: async (name) => await host.makeDirectory(path(name)),
    create: async (name) => await host.createFile(path(name)),
  }, options);
  return true;
}

async function isEmptyFolder(path: string, host: Host): Promise<boolean> {
  if (!await host.fileInfo(path)) return true;
  const folder = await host.openDirectory(path);
  for await (const _ of folder.files()) return false;
  return true;
}

async function writeTar(
  tar: ReadableStream<Uint8Array>,
  command: SaveCommand,
  host: Host,
): Promise<boolean> {
  return await (isPiped(command) ? writeToPipe(tar, host) : writeToFile(tar, command, host));
}

async function writeToFile(
  tar: ReadableStream<Uint8Array>,
  command: SaveCommand,
  host: Host,
): Promise<boolean> {
  await using file = await host.createFile(command.tar);
  for await (const bytes of gather(tar)) await file.write(bytes);
  await file.commit();
  return true;
}

/** Writes to stdout; false where its reader went away before the end. */
async function writeToPipe(tar: ReadableStream<Uint8Array>, host: Host): Promise<boolean> {
  for await (const bytes of gather(tar)) {
    if (!await host.byteStdout.write(bytes)) return false;
  }
  return true;
}

/** Bytes that are written at once: a network hands out a few KiB at a time, and each write costs. */
const WRITE_BYTES = 512 * 1024;

/** Small pieces put together; the bytes of one are only good until the next is asked for. */
async function* gather(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(WRITE_BYTES);
  let filled = 0;
  for await (const piece of stream) {
    if (filled + piece.length > WRITE_BYTES) {
      yield buffer.subarray(0, filled);
      filled = 0;
    }
    if (piece.length > WRITE_BYTES) yield piece;
    else {
      buffer.set(piece, filled);
      filled += piece.length;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

async function toPullOptions(
  command: SaveCommand,
  format: ArchiveFormat,
  host: Host,
): Promise<PullOptions> {
  const { reference, namesFirst, platforms, retries } = command;
  const { registry } = parseReference(reference);
  const options: PullOptions = {
    ...await connectionOptions(command, [registry], host),
    format,
    namesFirst,
    platforms,
    signatures: true,
  };
  if (retries !== undefined) options.retry = { attempts: retries + 1 };
  return options;
}

/** What the display of a push makes of it. */
function toPushEvent(event: PullEvent): PushEvent {
  switch (event.type) {
    case "plan":
      return { type: "plan", images: 1, blobs: event.blobs, bytes: event.bytes };
    case "blob-progress":
      return { type: "blob-progress", digest: event.digest, sent: event.received };
    case "blob-done":
      return { ...event, status: event.exists ? "exists" : "pushed" };
    default:
      return event;
  }
}

function refuseTerminal({ reference }: SaveCommand): UsageError {
  return new UsageError(
    "Cannot write a tar to a terminal, expected a pipe or a file",
    `tarpush save ${reference} image.tar`,
  );
}

function interrupted({ tar }: SaveCommand, cause: unknown): OciError {
  const hint = tar === "-" ? "what was written is not whole" : `${tar} is as it was before`;
  return new OciError("Interrupted", { hint, cause });
}
