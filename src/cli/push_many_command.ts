import { mapAll } from "../concurrency.ts";
import type { PushOptions } from "../push/options.ts";
import { type ArchiveInput, type ArchiveResult, type GivenTag, pushAll } from "../push/push_all.ts";
import type { FileInfo, Host } from "../runtime/host.ts";
import { ArchivesReporter, resultDocument } from "./archives_reporter.ts";
import type { PushManyCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { openInput, shownAs, urlOf } from "./input.ts";
import { withErrorLine } from "./json_document.ts";
import { UsageError } from "./options.ts";
import { PIPE_EXAMPLE, requireOutputs, toPushOptions, writeDigests } from "./push_command.ts";
import { Receipts, type SourceIdentity } from "./receipts.ts";
import { counted, jsonLine, plannedLines } from "./render.ts";
import { takeShard } from "./shard.ts";
import { type ListedSource, type ListLine, listSources, settleTargets } from "./source_list.ts";

/** An archive to push. */
interface Source extends ListedSource {
  /** What it is called in lines and receipts. */
  name: string;
  /** Its place among the sources, counted from 1, where its name does not tell it from all others. */
  number?: number;
}

/** What tells an archive from what it was at another time; nothing does for a pipe. */
interface IdentifiedSource extends Source {
  identity: SourceIdentity | undefined;
}

/** An archive that the receipts say is done, and what stands of it. */
interface SkippedSource extends Source {
  tags: readonly GivenTag[];
}

/** `tarpush push SOURCE... --to TARGET`: pushes many archives; one that fails does not stop the others. */
export async function runPushMany(
  command: PushManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  return await withErrorLine(command, host, () => pushMany(command, host, signal));
}

async function pushMany(
  command: PushManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const start = performance.now();
  const lines = await listArchives(command, host, signal);
  const whole = nameAll(settleTargets(lines, command.targets));
  const listed = await takeOwn(whole, command);
  await requireOutputs(command, listed.map(({ source }) => source), host);
  const options = await toPushOptions(command, host);
  const receipts = command.receipts === undefined
    ? undefined
    : await Receipts.open(host, command.receipts, !command.dryRun);
  const all = await identify(listed, command, options, signal, host);
  const sources: IdentifiedSource[] = [];
  const skipped: SkippedSource[] = [];
  for (const source of all) {
    const tags = source.identity && receipts?.find(source.identity);
    if (tags) skipped.push({ ...source, tags });
    else sources.push(source);
  }
  const sizes = sources.map(({ identity }) => identity?.size);
  const reporter = await ArchivesReporter.create(host, command, sizes);
  if (command.shard) {
    await reporter.note(
      `${all.length} of ${counted(whole.length, "archive")} belong to this shard`,
    );
  }
  await tellSkipped(skipped, all.length, command, reporter);
  const standing = skipped.flatMap(({ tags }) => tags);
  const digests = new Set<string>(standing.map(({ digest }) => digest));
  try {
    for await (
      const result of pushAll(sources.map((source) => toInput(source, host)), undefined, {
        ...options,
        ...(command.archives !== undefined && { archives: command.archives }),
        failFast: command.failFast,
        given: standing,
        signal,
        onEvent: (event, archive) => reporter.handle(event, archive),
      })
    ) {
      for (const { digest } of result.images) digests.add(digest);
      await reporter.end(result);
      const source = sources[result.index];
      if (source) await record(source, result, receipts, command, reporter);
      if (command.dryRun) await reporter.note(...plannedLines("push", result.images));
    }
  } finally {
    const left = sources.length - reporter.ended;
    await reporter.finish(performance.now() - start, skipped.length, left);
  }
  await writeDigests(command, host, digests);
  return reporter.hasFailed ? EXIT.failed : EXIT.done;
}

async function listArchives(
  command: PushManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<ListLine[]> {
  const { from, shard } = command;
  const example = "ls *.tar | tarpush push --from - --to TARGET";
  const nothing = { verb: "push", noun: "archive" };
  const lines = await listSources(command, host, example, nothing, signal);
  const pipes = lines.filter(({ source }) => source === "-").length + (from === "-" ? 1 : 0);
  if (pipes > 1) throw new UsageError("stdin can be read once only, expected one -");
  if (shard && lines.some(({ source }) => source === "-")) {
    throw new UsageError("Cannot push - with --shard: other processes have another stdin");
  }
  return lines;
}

/** Names the archives: what a URL has after its path may be what tells some apart, and is not shown. */
function nameAll(listed: readonly ListedSource[]): Source[] {
  const sources = new Map<string, string>();
  const several = new Set<string>();
  for (const { source } of listed) {
    const name = nameOf(source);
    if ((sources.get(name) ?? source) !== source) several.add(name);
    sources.set(name, source);
  }
  return listed.map((each, at) => {
    const name = nameOf(each.source);
    return { ...each, name, ...several.has(name) && { number: at + 1 } };
  });
}

/** What an archive is called in lines and receipts: what a URL has after its path may be new each time. */
function nameOf(source: string): string {
  return source === "-" ? "stdin" : shownAs(source);
}

async function takeOwn(listed: Source[], { shard }: PushManyCommand): Promise<Source[]> {
  if (!shard) return listed;
  return await takeShard(listed, shard, ({ name }) => name);
}

/** Finds out what tells the archives from what they were at another time. */
async function identify(
  listed: readonly Source[],
  command: PushManyCommand,
  options: PushOptions,
  signal: AbortSignal,
  host: Host,
): Promise<IdentifiedSource[]> {
  const choice = choiceOf(command);
  const asking = { isAsked: command.receipts !== undefined, signal };
  return await mapAll(listed, IDENTIFY_CONCURRENCY, async (each) => {
    const { source, targets, name, number } = each;
    const version = number === undefined
      ? await findVersion(source, options, asking, host)
      : undefined;
    const identity = version && { source: name, ...version, target: targets, ...choice };
    return { ...each, identity };
  });
}

/** The options that decide what of an archive stands in the end, and as what; `force` has what stood sent again. */
function choiceOf(command: PushManyCommand): Pick<SourceIdentity, "options"> {
  const { images, platforms, rename, allTags, force, onExisting } = command;
  const { compression, compressionLevel, forceCompress, manifestType } = command;
  const typed = {
    ...{ images, platforms, rename, allTags: allTags ? [true] : [], force, onExisting },
    ...{ compression, compressionLevel, forceCompress, manifestType },
  };
  const isTyped = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  const options = Object.entries(typed).filter(([, value]) => isTyped(value));
  return options.length > 0 ? { options: Object.fromEntries(options) } : {};
}

/** Files and servers asked at once. */
const IDENTIFY_CONCURRENCY = 8;

async function findVersion(
  source: string,
  { fetch, timeouts }: PushOptions,
  { isAsked, signal }: { isAsked: boolean; signal: AbortSignal },
  host: Host,
): Promise<{ size: number; modified: string } | undefined> {
  const url = urlOf(source);
  if (url) {
    if (!isAsked) return undefined;
    const { findUrlVersion } = await import("../source/http_source.ts");
    return await findUrlVersion(url, signal, { fetch, timeouts });
  }
  const info = source === "-" ? undefined : await imageInfo(source, host);
  return info && { size: info.size, modified: new Date(info.modified).toISOString() };
}

/** What is known of an archive; a folder is as old as the document that names all that it holds. */
async function imageInfo(path: string, host: Host): Promise<FileInfo | undefined> {
  const info = await host.fileInfo(path);
  if (info?.kind === "file") return info;
  if (info?.kind !== "directory") return undefined;
  return await host.fileInfo(`${path}/index.json`) ?? await host.fileInfo(`${path}/manifest.json`);
}

function toInput({ source, name, number, targets }: Source, host: Host): ArchiveInput {
  return {
    name: number === undefined ? name : `${name} (#${number})`,
    target: targets,
    source: async () => (await openInput(source, host, PIPE_EXAMPLE)).source,
  };
}

async function tellSkipped(
  skipped: readonly SkippedSource[],
  count: number,
  { json, receipts }: PushManyCommand,
  reporter: ArchivesReporter,
): Promise<void> {
  if (skipped.length === 0) return;
  await reporter.note(
    `${skipped.length} of ${count} archives are skipped: ${receipts} says that they are done`,
  );
  if (!json) return;
  const lines = skipped.map((source) => {
    const images = source.tags.map(({ reference, digest }) => ({ reference, digest }));
    return jsonLine({ ...wordsOf(source), status: "skipped", images });
  });
  await reporter.print(...lines);
}

/** What tells an archive from the others of a call, for programs. */
function wordsOf({ name, number, targets }: Source) {
  return { source: name, ...number !== undefined && { number }, target: targets };
}

/** Writes down what became of an archive, for the next run and for programs. */
async function record(
  source: IdentifiedSource,
  result: ArchiveResult,
  receipts: Receipts | undefined,
  { json, dryRun }: PushManyCommand,
  reporter: ArchivesReporter,
): Promise<void> {
  const words = wordsOf(source);
  if (!dryRun) await receipts?.add(source.identity ?? words, result);
  if (!json) return;
  await reporter.print(resultDocument(result, words, dryRun));
}
