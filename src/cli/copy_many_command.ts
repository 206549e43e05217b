import { failureDocument } from "../failure_document.ts";
import { nameFilter } from "../name_pattern.ts";
import { copyAll } from "../push/copy_all.ts";
import type { ArchiveResult } from "../push/push_all.ts";
import { parseReference, parseTarget } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import { ArchivesReporter } from "./archives_reporter.ts";
import type { CopyManyCommand } from "./command.ts";
import { registryOf } from "./connection.ts";
import { toCopyOptions } from "./copy_command.ts";
import { EXIT } from "./exit.ts";
import { quote, UsageError } from "./options.ts";
import { jsonLine, resultLine } from "./render.ts";
import {
  type ListedSource,
  type ListLine,
  listName,
  readSourceList,
  settleTargets,
} from "./source_list.ts";

/** `tarpush copy --all-tags`, `--from` and `--to`: copies many images; one that fails does not stop the others. */
export async function runCopyMany(
  command: CopyManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const start = performance.now();
  const allTags = command.allTags || command.tags.length > 0;
  const lines = await listSources(command, host);
  for (const line of lines) checkSource(line, allTags);
  // What is wrong with a pattern is wrong usage, and no end of a copy.
  nameFilter(command.tags);
  const listed = settleTargets(lines, command.targets, "copy");
  if (allTags) new Set(listed.flatMap(({ targets }) => targets)).forEach(refuseOneImage);
  const registries = listed.flatMap(({ source, targets }) => [source, ...targets]).map(registryOf);
  const options = await toCopyOptions(command, registries, host);
  const sizes = allTags ? undefined : listed.map(() => undefined);
  const reporter = await ArchivesReporter.create(host, command, sizes);
  const ended = { all: 0, failed: 0 };
  try {
    const inputs = listed.map(({ source, targets }) => ({ source, target: targets }));
    for await (
      const result of copyAll(inputs, undefined, {
        ...options,
        allTags,
        tags: command.tags,
        failFast: command.failFast,
        ...(command.images !== undefined && { images: command.images }),
        signal,
        onEvent: (event, image) => reporter.handle(event, image),
      })
    ) {
      ended.all++;
      if (result.status === "failed") ended.failed++;
      if (command.json) {
        await reporter.print(documentOf(result, allTags ? undefined : listed[result.index]));
      }
      await reporter.end(result);
      if (command.dryRun && result.status === "pushed") await tellPlanned(result, reporter);
    }
  } finally {
    const left = allTags ? 0 : listed.length - ended.all;
    await reporter.finish(performance.now() - start, 0, left);
  }
  return ended.failed > 0 ? EXIT.failed : EXIT.done;
}

/** What the command line names, then what the list does. */
async function listSources(
  { sources, from }: CopyManyCommand,
  host: Host,
): Promise<ListLine[]> {
  const place = "on the command line";
  const lines: ListLine[] = sources.map((source) => ({ source, target: undefined, place }));
  if (from === undefined) return lines;
  lines.push(...await readSourceList(from, host, "tarpush copy --from images.txt --to HOST"));
  if (lines.length > 0) return lines;
  throw new UsageError(`Nothing to copy: ${listName(from)} names no image`);
}

function checkSource({ source, place }: ListLine, allTags: boolean): void {
  try {
    parseReference(source);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(`${error.message} (${place})`);
  }
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

/** What became of an image, for programs. */
function documentOf(result: ArchiveResult, listed: ListedSource | undefined): string {
  const { index: _index, name, ...told } = result;
  const target = listed ? { target: listed.targets } : {};
  const failure = result.status === "failed" ? { error: failureDocument(result.error) } : {};
  return jsonLine({ source: name, ...target, ...told, ...failure });
}

async function tellPlanned({ images }: ArchiveResult, reporter: ArchivesReporter): Promise<void> {
  const lines = images.map(({ reference, digest }) =>
    `would copy ${resultLine(reference, digest)}`
  );
  await reporter.note(...lines);
}
