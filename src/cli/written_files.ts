import { mapAll } from "../concurrency.ts";
import type { Host } from "../runtime/host.ts";
import { urlOf } from "./input.ts";
import { quote, UsageError } from "./options.ts";

/** Files asked for at once. */
const CONCURRENCY = 8;

/**
 * Refuses to write where something is that is read as well, under whatever name: a link, another spelling.
 *
 * @param written What will be written.
 * @param read What must stay; pipes and URLs among it are passed over, and so is what is not given.
 * @throws {UsageError} If two are the same.
 */
export async function refuseToWriteOver(
  written: readonly (string | undefined)[],
  read: readonly (string | undefined)[],
  host: Host,
): Promise<void> {
  const outputs = await namesOf(written, host);
  if (outputs.size === 0) return;
  for (const [name, path] of await namesOf(read, host)) {
    const output = outputs.get(name);
    if (output === undefined) continue;
    const shown = output === path ? "it" : quote(path);
    throw new UsageError(
      `Cannot write to ${quote(output)}: ${shown} is read as well, expected another name`,
    );
  }
}

/** Paths by what tells files apart. */
async function namesOf(
  paths: readonly (string | undefined)[],
  host: Host,
): Promise<Map<string, string>> {
  const files = paths.filter((path) => path !== undefined && path !== "-" && !urlOf(path));
  const named = await mapAll(files, CONCURRENCY, async (path = ""): Promise<[string, string]> => {
    const info = await host.fileInfo(path);
    return [info?.id ?? plainPath(path), path];
  });
  return new Map(named);
}

/** A path without what leads nowhere, at its beginning and at its end. */
function plainPath(path: string): string {
  return path.replace(/^(?:\.\/+)+(?=.)/, "").replace(/(?<=.)[/\\]+$/, "");
}
