import type { Host } from "../runtime/host.ts";
import type { FolderRegistryStorage } from "../runtime/mod.ts";
import type { ServeCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { formatSize, jsonLine, printable } from "./render.ts";
import type { ServedStorage } from "./serve_archives.ts";
import { errorText, type ServeLog } from "./serve_log.ts";

/** Time between two collections in a folder. */
const COLLECT_MILLISECONDS = 10 * 60 * 1000;

/** Opens what the options ask for. */
export async function openServedStorage(
  command: ServeCommand,
  host: Host,
  log: ServeLog,
  signal: AbortSignal,
): Promise<ServedStorage> {
  const { dir, archives } = command;
  if (dir !== undefined) return await openFolder(dir, command, host, log);
  if (archives.length === 0) return await openMemory();
  const { serveArchives } = await import("./serve_archives.ts");
  return await serveArchives(archives, host, signal);
}

async function openFolder(
  dir: string,
  { readOnly, keepUntagged }: ServeCommand,
  host: Host,
  log: ServeLog,
): Promise<ServedStorage> {
  const onDamage = (error: Error) => log.error(errorText(error));
  const storage = await host.openStorage(dir, { readOnly, onDamage });
  if (!storage.sharesFiles) {
    log.note(`note: ${dir} has no hard links: a blob takes its space in each repository`);
  }
  const collector = readOnly ? undefined : startCollector(storage, keepUntagged, log);
  return {
    storage,
    kept: `in ${dir}`,
    async [Symbol.asyncDispose]() {
      await collector?.[Symbol.asyncDispose]();
      await storage[Symbol.asyncDispose]();
    },
  };
}

/** Removes what nobody needs, every so many milliseconds. */
export function startCollector(
  storage: Pick<FolderRegistryStorage, "collect">,
  keepUntagged: boolean,
  log: Pick<ServeLog, "note" | "error">,
  interval = COLLECT_MILLISECONDS,
): AsyncDisposable {
  const ending = new AbortController();
  let running = Promise.resolve();
  const collect = async () => {
    try {
      const { bytes, blobs } = await storage.collect(collectOptions(keepUntagged, ending.signal));
      if (bytes > 0) log.note(`Removed ${formatSize(bytes)} that nothing needs, ${blobs} blobs`);
    } catch (error) {
      if (!ending.signal.aborted) log.error(`Cannot collect: ${errorText(error)}`);
    }
  };
  const timer = setInterval(() => running = running.then(collect), interval);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      ending.abort();
      await running;
    },
  };
}

function collectOptions(keepUntagged: boolean, signal: AbortSignal) {
  return { signal, ...(keepUntagged && { untaggedSeconds: Infinity }) };
}

/** `tarpush serve --dir PATH --scrub`: reads everything, tells what is wrong, and removes what nobody needs. */
export async function scrub(
  dir: string,
  { keepUntagged, json }: ServeCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  // One that is not there, or not mounted, is not whole.
  await using storage = await host.openStorage(dir, { create: false });
  let problems = 0;
  for await (const problem of storage.scrub(signal)) {
    problems++;
    const { kind, repository = "no repository", digest, namedBy } = problem;
    const line = kind === "damaged"
      ? `${repository}@${digest}: damaged, moved to ${dir}/_damaged`
      : `${repository}@${digest}: missing, named by ${namedBy}`;
    await host.stdout.write(json ? `${jsonLine(problem)}\n` : `${printable(line)}\n`);
  }
  const { bytes } = await storage.collect(collectOptions(keepUntagged, signal));
  const found = problems === 0 ? "Nothing is damaged or missing" : `${problems} problems`;
  await host.stderr.write(`${found}; removed ${formatSize(bytes)} that nothing needs\n`);
  if (problems === 0) return EXIT.done;
  await host.stderr.write("hint: push the images again: what is missing is sent, and no more\n");
  return EXIT.failed;
}

async function openMemory(): Promise<ServedStorage> {
  const { MemoryStorage } = await import("../server/mod.ts");
  const storage = new MemoryStorage();
  return { storage, kept: "in memory", [Symbol.asyncDispose]: () => Promise.resolve() };
}
