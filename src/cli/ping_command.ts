import { failureDocument } from "../failure_document.ts";
import { parseTarget } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import type { PingCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { quote, UsageError } from "./options.ts";
import { writeDocument } from "./json_document.ts";
import { openRegistry } from "./registry_client.ts";
import { formatDuration, printable } from "./render.ts";

/** `tarpush ping`: one line where a registry answers, else why not. */
export async function runPing(
  command: PingCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const target = parseTarget(command.registry);
  if (target.kind === "reference" || target.place.prefix !== "") {
    throw new UsageError(
      `Cannot ping ${quote(command.registry)}: it has a path, expected HOST[:PORT]`,
    );
  }
  await using client = await openRegistry(target.place, command, host, signal);
  const { error, ...result } = await client.ping();
  if (command.json) {
    await writeDocument(host, error ? { ...result, error: failureDocument(error) } : result);
  }
  if (error) throw error;
  if (command.json || command.quiet) return EXIT.done;
  const version = result.apiVersion ? ` (${printable(result.apiVersion)})` : "";
  const took = result.milliseconds < 100
    ? `${result.milliseconds} ms`
    : formatDuration(result.milliseconds);
  await host.stdout.write(`${client.origin} is a registry${version}, ${took}\n`);
  return EXIT.done;
}
