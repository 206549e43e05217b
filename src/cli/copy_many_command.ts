import { nameFilter } from "../name_pattern.ts";
import { copyAll } from "../push/copy_all.ts";
import { parseReference, parseTarget } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import { ArchivesReporter, resultDocument } from "./archives_reporter.ts";
import type { CopyManyCommand } from "./command.ts";
import { registryOf } from "./connection.ts";
import { toCopyOptions } from "./copy_command.ts";
import { EXIT } from "./exit.ts";
import { withErrorLine } from "./json_document.ts";
import { quote, UsageError } from "./options.ts";
import { plannedLines } from "./render.ts";
import { type ListLine, listSources, requireUse, settleTargets } from "./source_list.ts";

/** `tarpush copy --all-tags`, `--from` and `--to`: copies many images; one that fails does not stop the others. */
export async function runCopyMany(
  command: CopyManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  return await withErrorLine(command, host, () => copyMany(command, host, signal));
}

async function copyMany(
  command: CopyManyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const start = performance.now();
  const allTags = command.allTags || command.tags.length > 0;
  const example = "tarpush copy --from images.txt --to HOST";
  const nothing = { verb: "copy", noun: "image" };
  const lines = await listSources(command, host, example, nothing, signal);
  for (const line of lines) checkSource(line, allTags);
  // What is wrong with a pattern is wrong usage, and no end of a copy.
  nameFilter(command.tags);
  const listed = settleTargets(lines, command.targets, "copy");
  if (allTags) new Set(listed.flatMap(({ targets }) => targets)).forEach(refuseOneImage);
  const registries = listed.flatMap(({ source, targets }) => [source, ...targets]).map(registryOf);
  const options = await toCopyOptions(command, registries, host);
  const sizes = allTags ? undefined : listed.map(() => undefined);
  const reporter = await ArchivesReporter.create(host, command, sizes);
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
      if (command.json) {
        const target = allTags ? {} : { target: listed[result.index]?.targets };
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
    const left = allTags ? 0 : listed.length - reporter.ended;
    await reporter.finish(performance.now() - start, 0, left);
  }
  return reporter.hasFailed ? EXIT.failed : EXIT.done;
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
