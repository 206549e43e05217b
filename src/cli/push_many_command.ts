import { type ArchiveInput, type ArchiveResult, type GivenTag, pushAll } from "../push/push_all.ts";
import { type PushOptions, resolveOptions } from "../push/options.ts";
import type { Host } from "../runtime/host.ts";
import { ArchivesReporter, resultDocument } from "./archives_reporter.ts";
import type { PushManyCommand } from "./command.ts";
import { InsecureHosts } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { withErrorDocument } from "./json_document.ts";
import type { UsageError } from "./options.ts";
import { requireOutputs, toPushOptions, writeDigests } from "./push_command.ts";
import {
  type IdentifiedSource,
  PushSources,
  type SkippedSource,
  type Source,
  toInput,
} from "./push_sources.ts";
import { Receipts } from "./receipts.ts";
import { counted, jsonLine, plannedLines } from "./render.ts";
import { type ListLine, listSources, untilUnusable } from "./source_list.ts";

/** `tarpush push SOURCE... --to TARGET`: pushes many archives; one that fails does not stop the others. */
export async function runPushMany(
  command: PushManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const run = () => pushMany(command, host, signal);
  return await withErrorDocument(command, host.stdout, run, jsonLine);
}

async function pushMany(
  command: PushManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const start = performance.now();
  const example = "ls *.tar | tarpush push --from - --to TARGET";
  const { lines, later } = await listSources(command, host, example, signal);
  const sources = new PushSources(command, host);
  const own = await sources.take(lines);
  const named = own.map(({ source }) => source);
  await requireOutputs(command, named, host);
  const insecureHosts = new InsecureHosts(command);
  insecureHosts.add(own.flatMap(({ targets }) => targets));
  const options = { ...await toPushOptions(command, host, insecureHosts), signal };
  // What is wrong with an option is wrong usage, and no end of a push.
  resolveOptions(options);
  const receipts = command.receipts === undefined
    ? undefined
    : await Receipts.open(host, command.receipts, !command.dryRun);
  const { left, skipped } = await sources.part(own, options, receipts);
  // Of a list that is still coming nobody knows how much there is.
  const sizes = later ? undefined : left.map(({ identity }) => identity?.size);
  const reporter = await ArchivesReporter.create(host, command, sizes);
  if (!later) await reporter.note(...countLines(sources.count, own, skipped, command));
  const run = new ManyPushes(command, host, {
    sources,
    options,
    insecureHosts,
    receipts,
    reporter,
  });
  await run.skip(skipped);
  try {
    await run.push(left, skipped, later);
  } finally {
    await reporter.finish(performance.now() - start, run.skipped, run.left);
  }
  await writeDigests(command, host, run.digests);
  if (run.unusable) throw run.unusable;
  return reporter.hasFailed ? EXIT.failed : EXIT.done;
}

/** How many of all archives are left to be done by this process. */
function countLines(
  count: number,
  own: readonly Source[],
  skipped: readonly SkippedSource[],
  { shard, receipts }: PushManyCommand,
): string[] {
  return [
    ...shard ? [`${own.length} of ${counted(count, "archive")} belong to this shard`] : [],
    ...skipped.length > 0
      ? [
        `${skipped.length} of ${own.length} archives are skipped: ${receipts} says that they are done`,
      ]
      : [],
  ];
}

/** What a push of many works with. */
interface Tools {
  sources: PushSources;
  options: PushOptions & { signal: AbortSignal };
  insecureHosts: InsecureHosts;
  receipts: Receipts | undefined;
  reporter: ArchivesReporter;
}

/** The pushes of one call. */
class ManyPushes {
  /** Digests of what stands. */
  readonly digests = new Set<string>();
  /** Archives that were done before. */
  skipped = 0;
  /** What is wrong with a line that ended the list. */
  unusable: UsageError | undefined;
  readonly #command: PushManyCommand;
  readonly #host: Host;
  readonly #tools: Tools;
  readonly #running = new Map<number, IdentifiedSource>();
  #listed = 0;

  constructor(command: PushManyCommand, host: Host, tools: Tools) {
    this.#command = command;
    this.#host = host;
    this.#tools = tools;
  }

  /** Archives that were to be pushed, and that nobody came to. */
  get left(): number {
    return this.#listed - this.#tools.reporter.ended;
  }

  /** Takes in what the receipts say is done, and tells programs. */
  async skip(skipped: readonly SkippedSource[]): Promise<void> {
    this.skipped += skipped.length;
    for (const { digest } of skipped.flatMap(({ tags }) => tags)) this.digests.add(digest);
    if (!this.#command.json || skipped.length === 0) return;
    const lines = skipped.map((source) => {
      const images = source.tags.map(({ reference, digest }) => ({ reference, digest }));
      return jsonLine({ ...wordsOf(source), status: "skipped", images });
    });
    await this.#tools.reporter.print(...lines);
  }

  /** Pushes archives that are left, and what comes later; what was skipped before keeps its tags. */
  async push(
    left: readonly IdentifiedSource[],
    skipped: readonly SkippedSource[],
    later: AsyncIterable<ListLine> | undefined,
  ): Promise<void> {
    const { archives, failFast } = this.#command;
    const { options, reporter } = this.#tools;
    this.#listed = left.length;
    for await (
      const result of pushAll(this.#inputs(left, later), undefined, {
        ...options,
        ...(archives !== undefined && { archives }),
        failFast,
        given: skipped.flatMap(({ tags }) => tags),
        onEvent: (event, archive) => reporter.handle(event, archive),
      })
    ) await this.#end(result);
  }

  async *#inputs(
    left: readonly IdentifiedSource[],
    later: AsyncIterable<ListLine> | undefined,
  ): AsyncGenerator<ArchiveInput, void, void> {
    for (const [at, source] of left.entries()) {
      this.#running.set(at, source);
      yield toInput(source, this.#host);
    }
    if (later) yield* untilUnusable(this.#come(later), (error) => void (this.unusable = error));
  }

  /** What comes later, one after the other: each as soon as its line is there. */
  async *#come(later: AsyncIterable<ListLine>): AsyncGenerator<ArchiveInput, void, void> {
    const { sources, options, insecureHosts, receipts } = this.#tools;
    const given: GivenTag[] = [];
    for await (const line of later) {
      const own = await sources.take([line]);
      await sources.refuseOutputs(own);
      insecureHosts.add(own.flatMap(({ targets }) => targets));
      const { left, skipped } = await sources.part(own, options, receipts);
      await this.skip(skipped);
      given.push(...skipped.flatMap(({ tags }) => tags));
      for (const source of left) {
        this.#running.set(this.#listed++, source);
        yield { ...toInput(source, this.#host), given: given.splice(0) };
      }
    }
  }

  async #end(result: ArchiveResult): Promise<void> {
    const { reporter } = this.#tools;
    const source = this.#running.get(result.index);
    this.#running.delete(result.index);
    for (const { digest } of result.images) this.digests.add(digest);
    await reporter.end(result);
    if (source) await this.#record(source, result);
    if (this.#command.dryRun) await reporter.note(...plannedLines("push", result.images));
  }

  /** Writes down what became of an archive, for the next run and for programs. */
  async #record(source: IdentifiedSource, result: ArchiveResult): Promise<void> {
    const { json, dryRun } = this.#command;
    const { receipts, reporter } = this.#tools;
    const words = wordsOf(source);
    if (!dryRun) await receipts?.add(source.identity ?? words, result);
    if (json) await reporter.print(resultDocument(result, words, dryRun));
  }
}

/** What tells an archive from the others of a call, for programs. */
function wordsOf({ name, number, targets }: Source) {
  return { source: name, ...number !== undefined && { number }, target: targets };
}
