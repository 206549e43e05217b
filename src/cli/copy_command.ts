import { copyImage, type CopyOptions } from "../push/copy.ts";
import type { Host } from "../runtime/host.ts";
import type { CopyCommand, CopyOneCommand } from "./command.ts";
import { connectionOptions, type InsecureHosts } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { given, retryOf } from "./options.ts";
import { showTransfer } from "./reporter.ts";

/** `tarpush copy`: copies an image, shows how it goes, and prints each name as soon as it stands. */
export async function runCopy(
  command: CopyOneCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  await showTransfer(command, host, signal, async (hooks) => {
    const options = await toCopyOptions(command, host);
    return await copyImage(command.source, command.targets, { ...options, ...hooks });
  });
  return EXIT.done;
}

/** The options of a copy, as they were typed; `insecureHosts` are there where a list names some. */
export async function toCopyOptions(
  command: CopyCommand,
  host: Host,
  insecureHosts?: InsecureHosts,
): Promise<Omit<CopyOptions, "onEvent">> {
  const { platforms, referrers, concurrency, dryRun, onExisting } = command;
  return {
    ...await connectionOptions(command, host, insecureHosts),
    ...{ platforms, referrers, dryRun },
    ...given({ concurrency, onExisting, retry: retryOf(command) }),
  };
}
