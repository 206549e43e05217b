import { nameFilter } from "../name_pattern.ts";
import { copyAll } from "../push/copy_all.ts";
import { resolveOptions } from "../push/options.ts";
import type { CopyInput } from "../push/copy_list.ts";
import type { ArchiveResult } from "../push/push_all.ts";
import { parseReference, parseTarget } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import { ArchivesReporter, resultDocument } from "./archives_reporter.ts";
import type { CopyManyCommand } from "./command.ts";
import { toCopyOptions } from "./copy_command.ts";
import { InsecureHosts } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { withErrorDocument } from "./json_document.ts";
import { quote, UsageError } from "./options.ts";
import { jsonLine, plannedLines } from "./render.ts";
import {
  type ListedSource,
  type ListLine,
  listSources,
  requireUse,
  settleTargets,
  untilUnusable,
} from "./source_list.ts";

/** `tarpush copy --all-tags`, `--from` and `--to`: copies many images; one that fails does not stop the others. */
export async function runCopyMany(
  command: CopyManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const run = () => copyMany(command, host, signal);
  return await withErrorDocument(command, host.stdout, run, jsonLine);
}

async function copyMany(
  command: CopyManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const start = performance.now();
  const allTags = command.allTags || command.tags.length > 0;
  const example = "tarpush copy --from images.txt --to HOST";
  const { lines, later } = await listSources(command, host, example, signal);
  const insecureHosts = new InsecureHosts(command);
  const copies = new ListedCopies(command.targets, allTags, insecureHosts, later);
  // What is wrong with a pattern or an option is wrong usage, and no end of a copy.
  nameFilter(command.tags);
  const listed = copies.add(lines);
  const options = await toCopyOptions(command, host, insecureHosts);
  resolveOptions(options);
  const sizes = allTags || later ? undefined : listed.map(() => undefined);
  const reporter = await ArchivesReporter.create(host, command, sizes);
  try {
    for await (
      const result of copyAll(copies.inputs(listed), undefined, {
        ...options,
        allTags,
        tags: command.tags,
        failFast: command.failFast,
        ...(command.images !== undefined && { images: command.images }),
        signal,
        onEvent: (event, image) => reporter.handle(event, image),
      })
    ) {
      const target = copies.take(result);
      if (command.json) {
        await reporter.print(
          resultDocument(result, { source: result.name, ...target }, command.dryRun),
        );
      }
      await reporter.end(result);
      if (command.dryRun && result.status === "pushed") {
        await reporter.note(...plannedLines("copy", result.images));
      }
    }
  } finally {
    const left = allTags ? 0 : copies.count - reporter.ended;
    await reporter.finish(performance.now() - start, 0, left);
  }
  if (copies.unusable) throw copies.unusable;
  return reporter.hasFailed ? EXIT.failed : EXIT.done;
}

/** What a call copies, as far as it has been listed. */
class ListedCopies {
  /** Lines so far. */
  count = 0;
  /** What is wrong with a line that ended the list. */
  unusable: UsageError | undefined;
  readonly #targets: readonly string[];
  readonly #allTags: boolean;
  readonly #insecureHosts: InsecureHosts;
  readonly #later: AsyncIterable<ListLine> | undefined;
  /** Where images go that have not ended, by their places in the list. */
  readonly #running = new Map<number, readonly string[]>();

  /**
   * @param insecureHosts Get those of what is listed.
   * @param later What comes by a pipe.
   */
  constructor(
    targets: readonly string[],
    allTags: boolean,
    insecureHosts: InsecureHosts,
    later: AsyncIterable<ListLine> | undefined,
  ) {
    this.#targets = targets;
    this.#allTags = allTags;
    this.#insecureHosts = insecureHosts;
    this.#later = later;
  }

  /**
   * Takes in the next lines.
   *
   * @throws {UsageError} If one cannot be used.
   */
  add(lines: readonly ListLine[]): ListedSource[] {
    for (const line of lines) checkSource(line, this.#allTags);
    const listed = settleTargets(lines, this.#targets, { verb: "copy", allTags: this.#allTags });
    if (this.#allTags) new Set(listed.flatMap(({ targets }) => targets)).forEach(refuseOneImage);
    for (const { source, targets } of listed) {
      this.#insecureHosts.add([source, ...targets]);
      this.#running.set(this.count++, targets);
    }
    return listed;
  }

  /** What `copyAll` is given: what is listed, then what comes later. */
  async *inputs(listed: readonly ListedSource[]): AsyncGenerator<CopyInput, void, void> {
    for (const { source, targets } of listed) yield { source, target: targets };
    if (this.#later) {
      yield* untilUnusable(this.#come(this.#later), (error) => void (this.unusable = error));
    }
  }

  async *#come(later: AsyncIterable<ListLine>): AsyncGenerator<CopyInput, void, void> {
    for await (const line of later) {
      for (const { source, targets } of this.add([line])) yield { source, target: targets };
    }
  }

  /** Where an image went that has ended; of repositories nobody can tell by its place. */
  take({ index }: ArchiveResult): { target?: readonly string[] | undefined } {
    if (this.#allTags) return {};
    const target = this.#running.get(index);
    this.#running.delete(index);
    return { target };
  }
}

function checkSource({ source, place }: ListLine, allTags: boolean): void {
  requireUse(place, () => parseReference(source));
  if (allTags) refuseOneImage(source);
}

/** All tags go from repository to repository, or to a place. */
function refuseOneImage(text: string): void {
  const target = parseTarget(text);
  if (target.kind === "place") return;
  const { tag, digest } = target.reference;
  if (tag === undefined && !digest) return;
  throw new UsageError(
    `Cannot copy all tags with ${quote(text)}: it names one image, expected HOST/REPOSITORY alone`,
  );
}
