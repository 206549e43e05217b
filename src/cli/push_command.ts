import type { PushOptions } from "../push/options.ts";
import { pushImage } from "../push/push.ts";
import type { Host } from "../runtime/host.ts";
import type { PushCommand, PushOneCommand } from "./command.ts";
import { connectionOptions, type InsecureHosts } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { type Input, openInput, shownAs } from "./input.ts";
import { given, retryOf, UsageError } from "./options.ts";
import { linesText, printable } from "./render.ts";
import { showTransfer } from "./reporter.ts";

/** How something is piped in. */
export const PIPE_EXAMPLE = "docker save IMAGE | tarpush push - REFERENCE";

/** `tarpush push`: pushes, shows how it goes, and prints each name as soon as it stands. */
export async function runPush(
  command: PushOneCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  if (command.targets.length === 0) {
    const { withErrorDocument } = await import("./json_document.ts");
    return await withErrorDocument(
      command,
      host.stdout,
      () => refuseWithoutTarget(command, host, signal),
    );
  }
  const result = await showTransfer(command, host, signal, async (hooks) => {
    const files = await filesRead(command, host);
    await requireOutputs(command, files, host);
    const options = await toPushOptions(command, host);
    try {
      await using input = await openSource(command, files, host, { ...options, signal });
      return await pushImage(input.source, command.targets, { ...options, ...hooks });
    } catch (error) {
      const { withPartsHint } = await import("./archive_words.ts");
      throw withPartsHint(command, error);
    }
  });
  await writeDigests(command, host, new Set(result.images.map(({ digest }) => digest)));
  return EXIT.done;
}

async function openSource(
  { source, parts, verify: isVerified }: PushOneCommand,
  files: readonly string[],
  host: Host,
  { fetch, timeouts, retry, signal }: PushOptions & { signal: AbortSignal },
): Promise<Input> {
  if (parts.length === 0) return await openInput(source, host, PIPE_EXAMPLE);
  const { openParts } = await import("./parts_input.ts");
  const verify = isVerified ? "all" : "auto";
  return await openParts(files, host, { verify, signal, fetch, timeouts, retry });
}

/** The files of the archive, for which nothing more is loaded unless it is in parts. */
async function filesRead(
  { source, parts }: PushOneCommand,
  host: Host,
): Promise<readonly string[]> {
  if (parts.length === 0) return [source];
  const { withLists } = await import("./parts_input.ts");
  return await withLists(parts, host);
}

/**
 * Finds out before anything is sent that what `--digestfile` names can be written, and is nothing that is read or kept.
 *
 * @param read What is pushed.
 */
export async function requireOutputs(
  { digestfile, receipts, from, ca, dryRun }: PushCommand,
  read: readonly string[],
  host: Host,
): Promise<void> {
  if (dryRun) return;
  const isThere = digestfile !== undefined && await host.requireWritable(digestfile);
  if (!isThere && receipts === undefined) return;
  const { refuseToWriteOver } = await import("./written_files.ts");
  await refuseToWriteOver([digestfile, receipts], [...read, from, ca], host);
  await refuseToWriteOver([digestfile], [receipts], host);
}

export async function writeDigests(
  { digestfile, dryRun }: PushCommand,
  host: Host,
  digests: ReadonlySet<string>,
): Promise<void> {
  if (digestfile === undefined || dryRun) return;
  await host.writeTextFile(digestfile, linesText([...digests]));
}

/** The options of a push, as they were typed; `insecureHosts` are there where a list names some. */
export async function toPushOptions(
  command: PushCommand,
  host: Host,
  insecureHosts?: InsecureHosts,
): Promise<PushOptions> {
  const { images, platforms, allTags, rename, verify, force, dryRun, mountFrom } = command;
  const { concurrency, chunkSize, manifestType, onExisting } = command;
  const { compression, compressionLevel, forceCompress } = command;
  return {
    ...await connectionOptions(command, host, insecureHosts),
    ...{ images, platforms, allTags, rename, verify, force, dryRun, mountFrom },
    ...given({ concurrency, chunkSize, manifestType, onExisting, compression, compressionLevel }),
    ...given({ retry: retryOf(command) }),
    ...(forceCompress && { forceCompress }),
  };
}

/** Wrong usage, but the archive can tell what to type. */
async function refuseWithoutTarget(
  command: PushOneCommand,
  host: Host,
  signal: AbortSignal,
): Promise<never> {
  const { source, parts } = command;
  const message = "No target given, expected a reference such as localhost:5000/team/app:1.0";
  if (parts.length > 0) {
    throw new UsageError(message, `tarpush push --parts ${source} ... REFERENCE`);
  }
  if (source === "-") throw new UsageError(message, `tarpush push ${source} REFERENCE`);
  const shown = shownAs(source);
  const { openArchive } = await import("../archive/open_archive.ts");
  await using input = await openInput(source, host, PIPE_EXAMPLE);
  const connection = await connectionOptions(command, host);
  const { images } = await openArchive(input.source, { signal, ...connection, verify: false });
  const names = images.flatMap((image) => image.names);
  const tags = images.flatMap((image) => image.tags);
  if (names.length + tags.length === 0) {
    throw new UsageError(message, `tarpush push ${source} REFERENCE`);
  }
  const lines = linesText([...names, ...tags].map((name) => `  ${printable(name)}`));
  await host.stderr.write(`${printable(shown)} holds:\n${lines}`);
  throw new UsageError(
    message,
    names.length > 0
      ? `tarpush push ${shown} HOST[:PORT] keeps these names`
      : `tarpush push ${shown} HOST[:PORT]/REPOSITORY --all-tags keeps these tags`,
  );
}
