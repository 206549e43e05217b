import { parseTarget, type Target } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import type { ListCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { quote, UsageError } from "./options.ts";
import { withErrorDocument, writeDocument } from "./json_document.ts";
import { openRegistry } from "./registry_client.ts";
import { printable } from "./render.ts";

/** Characters of names that are written at once: a system call for each of 100,000 lines takes seconds. */
const BATCH_CHARACTERS = 8 * 1024;

/** `tarpush ls`: repositories, or the tags of one. */
export function runList(command: ListCommand, host: Host, signal: AbortSignal): Promise<number> {
  return withErrorDocument(command, host.stdout, async () => {
    const target = parseTarget(command.target);
    refuseTag(command.target, target);
    const registry = target.kind === "reference" ? target.reference : target.place;
    await using client = await openRegistry(registry, command, host, signal);
    let warning: string | undefined;
    const onWarning = (message: string) => void (warning = message);
    const names = target.kind === "reference"
      ? client.repository(target.reference.repository).tags({ onWarning })
      : below(client.repositories({ onWarning }), target.place.prefix);
    if (command.json) {
      const all = await Array.fromAsync(names);
      const listed = target.kind === "reference"
        ? { repository: target.reference.repository, tags: all }
        : { repositories: all };
      await writeDocument(host, { registry: registry.registry, ...listed, warning });
    } else await writeLines(names, host);
    if (warning) await host.stderr.write(`warning: ${printable(warning)}\n`);
    return EXIT.done;
  });
}

function refuseTag(text: string, target: Target): void {
  if (target.kind === "place") return;
  if (target.reference.tag === undefined && target.reference.digest === undefined) return;
  throw new UsageError(
    `Cannot list ${quote(text)}: it names one image, expected HOST[:PORT][/REPOSITORY]`,
    `tarpush info ${text} shows it`,
  );
}

/** Writes the first name at once, and no more often than needed after that. */
async function writeLines(names: AsyncIterable<string>, host: Host): Promise<void> {
  let lines = "";
  let isFirst = true;
  for await (const name of names) {
    lines += `${printable(name)}\n`;
    if (!isFirst && lines.length < BATCH_CHARACTERS) continue;
    await host.stdout.write(lines);
    [lines, isFirst] = ["", false];
  }
  await host.stdout.write(lines);
}

async function* below(names: AsyncIterable<string>, prefix: string): AsyncGenerator<string> {
  for await (const name of names) if (name.startsWith(prefix)) yield name;
}
