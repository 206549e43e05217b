import { copyImage, type CopyOptions } from "../push/copy.ts";
import type { Host } from "../runtime/host.ts";
import type { CopyCommand } from "./command.ts";
import { connectionOptions, registryOf } from "./connection.ts";
import { EXIT } from "./exit.ts";
import { showTransfer } from "./transfer.ts";

/** `tarpush copy`: copies an image, shows how it goes, and prints each name as soon as it stands. */
export async function runCopy(
  command: CopyCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  await showTransfer(command, host, signal, async (hooks) => {
    const options = await toCopyOptions(command, host);
    return await copyImage(command.source, command.targets, { ...options, ...hooks });
  });
  return EXIT.done;
}

async function toCopyOptions(command: CopyCommand, host: Host): Promise<CopyOptions> {
  const { source, targets, platforms, referrers, concurrency, dryRun, onExisting, retries } =
    command;
  const options: CopyOptions = {
    ...await connectionOptions(command, [source, ...targets].map(registryOf), host),
    platforms,
    referrers,
    dryRun,
  };
  if (concurrency !== undefined) options.concurrency = concurrency;
  if (onExisting !== undefined) options.onExisting = onExisting;
  if (retries !== undefined) options.retry = { attempts: retries + 1 };
  return options;
}
