import { mapAll } from "../concurrency.ts";
import type { PushOptions } from "../push/options.ts";
import { type ArchiveInput, type ArchiveResult, pushAll } from "../push/push_all.ts";
import type { FileInfo, Host } from "../runtime/host.ts";
import { ArchivesReporter, resultDocument } from "./archives_reporter.ts";
import type { PushManyCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { openInput, urlOf } from "./input.ts";
import { UsageError } from "./options.ts";
import { PIPE_EXAMPLE, toPushOptions, writeDigests } from "./push_command.ts";
import { Receipts, type SourceIdentity } from "./receipts.ts";
import { counted, jsonLine, plannedLines } from "./render.ts";
import { takeShard } from "./shard.ts";
import { type ListedSource, type ListLine, listSources, settleTargets } from "./source_list.ts";

/** An archive to push, and what tells it from what it was at another time; nothing does for a pipe. */
interface Source extends ListedSource {
  identity: SourceIdentity | undefined;
}

/** `tarpush push SOURCE... --to TARGET`: pushes many archives; one that fails does not stop the others. */
export async function runPushMany(
  command: PushManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const start = performance.now();
  const whole = settleTargets(await listArchives(command, host), command.targets);
  const listed = await takeOwn(whole, command);
  const options = await toPushOptions(command, host);
  const receipts = command.receipts === undefined
    ? undefined
    : await Receipts.open(host, command.receipts, !command.dryRun);
  const all = await identify(listed, command, options, signal, host);
  const done = all.map(({ identity }) => identity && receipts?.find(identity));
  const sources = all.filter((_, at) => done[at] === undefined);
  const sizes = sources.map(({ identity }) => identity?.size);
  const reporter = await ArchivesReporter.create(host, command, sizes);
  if (command.shard) {
    await reporter.note(
      `${all.length} of ${counted(whole.length, "archive")} belong to this shard`,
    );
  }
  await tellSkipped(all, sources, command, reporter);
  const digests = new Set<string>();
  try {
    for await (
      const result of pushAll(sources.map((source) => toInput(source, host)), undefined, {
        ...options,
        ...(command.archives !== undefined && { archives: command.archives }),
        failFast: command.failFast,
        given: done.flatMap((tags) => tags ?? []),
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
    const skipped = all.length - sources.length;
    await reporter.finish(performance.now() - start, skipped, sources.length - reporter.ended);
  }
  await writeDigests(command, host, digests);
  return reporter.hasFailed ? EXIT.failed : EXIT.done;
}

async function listArchives(command: PushManyCommand, host: Host): Promise<ListLine[]> {
  const { from, shard } = command;
  const example = "ls *.tar | tarpush push --from - --to TARGET";
  const lines = await listSources(command, host, example, { verb: "push", noun: "archive" });
  const pipes = lines.filter(({ source }) => source === "-").length + (from === "-" ? 1 : 0);
  if (pipes > 1) throw new UsageError("stdin can be read once only, expected one -");
  if (shard && lines.some(({ source }) => source === "-")) {
    throw new UsageError("Cannot push - with --shard: other processes have another stdin");
  }
  return lines;
}

async function takeOwn(
  listed: ListedSource[],
  { shard }: PushManyCommand,
): Promise<ListedSource[]> {
  if (!shard) return listed;
  return await takeShard(listed, shard, ({ source }) => nameOf(source));
}

/** Finds out what tells the archives from what they were at another time. */
async function identify(
  listed: readonly ListedSource[],
  { images, platforms, allTags, rename, receipts }: PushManyCommand,
  options: PushOptions,
  signal: AbortSignal,
  host: Host,
): Promise<Source[]> {
  const chosen = { images, platforms, rename, allTags: allTags ? [true] : [] };
  const given = Object.entries(chosen).filter(([, values]) => values.length > 0);
  const choice = given.length > 0 ? { options: Object.fromEntries(given) } : {};
  const asking = { isAsked: receipts !== undefined, signal };
  const ambiguous = namesOfSeveral(listed);
  return await mapAll(listed, IDENTIFY_CONCURRENCY, async ({ source, targets }) => {
    const name = nameOf(source);
    const version = ambiguous.has(name)
      ? undefined
      : await findVersion(source, options, asking, host);
    const identity = version && { source: name, ...version, target: targets, ...choice };
    return { source, targets, identity };
  });
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
    return await findUrlVersion(url, signal, { fetch, idle: timeouts?.idle });
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

/** What an archive is called in lines and receipts: what a URL has after its path may be secret, and new each time. */
function nameOf(source: string): string {
  const url = urlOf(source);
  if (url) return url.origin + url.pathname;
  return source === "-" ? "stdin" : source;
}

/** Names that several sources have: what a URL has after its path may be what tells them apart. */
function namesOfSeveral(listed: readonly ListedSource[]): Set<string> {
  const sources = new Map<string, string>();
  const several = new Set<string>();
  for (const { source } of listed) {
    const name = nameOf(source);
    if ((sources.get(name) ?? source) !== source) several.add(name);
    sources.set(name, source);
  }
  return several;
}

function toInput({ source, targets }: Source, host: Host): ArchiveInput {
  return {
    name: nameOf(source),
    target: targets,
    source: async () => (await openInput(source, host, PIPE_EXAMPLE)).source,
  };
}

async function tellSkipped(
  all: readonly Source[],
  left: readonly Source[],
  { json, receipts }: PushManyCommand,
  reporter: ArchivesReporter,
): Promise<void> {
  const kept = new Set(left);
  const skipped = all.filter((source) => !kept.has(source));
  if (skipped.length === 0) return;
  await reporter.note(
    `${skipped.length} of ${all.length} archives are skipped: ${receipts} says that they are done`,
  );
  if (!json) return;
  const lines = skipped.map(({ source, targets }) =>
    jsonLine({ source: nameOf(source), target: targets, status: "skipped" })
  );
  await reporter.print(...lines);
}

/** Writes down what became of an archive, for the next run and for programs. */
async function record(
  { source, targets, identity }: Source,
  result: ArchiveResult,
  receipts: Receipts | undefined,
  { json, dryRun }: PushManyCommand,
  reporter: ArchivesReporter,
): Promise<void> {
  const what = { source: nameOf(source), target: targets };
  if (!dryRun) await receipts?.add(identity ?? what, result);
  if (!json) return;
  await reporter.print(resultDocument(result, what));
}
