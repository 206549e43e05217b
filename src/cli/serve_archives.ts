import { type ArchiveToServe, openArchives } from "../archive/served/open_archives.ts";
import { mapAll } from "../concurrency.ts";
import { parseImageName } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import type { Storage } from "../storage.ts";
import { MOST_HELD, urlOf } from "./input.ts";
import { quote, UsageError } from "./options.ts";

/** Files that are opened at the same time. */
const OPENED_AT_ONCE = 16;
/** Names or notices that are told one by one. */
const MAX_TOLD = 100;

/** Where a registry that is served has its content; disposing of it closes that. */
export interface ServedStorage extends AsyncDisposable {
  storage: Storage;
  /** What is said of it beside the address: `in 3 archives`. */
  kept: string;
  /** What more a person should know of it, a line each. */
  notes?: readonly string[];
}

/**
 * Opens the archives that a command line names.
 *
 * @param words `[NAME[:TAG]=]ARCHIVE` each.
 * @throws {UsageError} If one comes from a pipe or a web server.
 */
export async function serveArchives(
  words: readonly string[],
  host: Host,
  signal: AbortSignal,
): Promise<ServedStorage> {
  const opened: AsyncDisposable[] = [];
  const close = async () => {
    for (const file of opened.splice(0)) await file[Symbol.asyncDispose]();
  };
  try {
    const isHeld = words.length <= MOST_HELD;
    const archives = await mapAll(words.map(parseWord), OPENED_AT_ONCE, async (word) => {
      return { ...word, source: await openArchive(word.name, host, opened, isHeld) };
    });
    const { storage, images, notices } = await openArchives(archives, { signal });
    const notes = [
      ...cut(images.map(({ name, archive }) => `${name} of ${quote(archive)}`), ""),
      ...cut(notices.map((notice) => `warning: ${notice}`), "warning: "),
    ];
    const kept = archives.length === 1 ? "in an archive" : `in ${archives.length} archives`;
    return { storage, kept, notes, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What stands before the first `=` is a name, where it can be one: a file is `./a=b.tar` otherwise. */
function parseWord(word: string): { name: string; as?: string } {
  const at = word.indexOf("=");
  const as = word.slice(0, Math.max(at, 0));
  return parseImageName(as) ? { name: word.slice(at + 1), as } : { name: word };
}

async function openArchive(
  path: string,
  host: Host,
  opened: AsyncDisposable[],
  isHeld: boolean,
): Promise<ArchiveToServe["source"]> {
  const kind = path === "-" || urlOf(path) ? "other" : (await host.fileInfo(path))?.kind;
  if (kind === "other") {
    throw new UsageError(
      `Cannot serve ${quote(path)}: it cannot be read wherever a client asks for it, ` +
        "expected the path of a tar or a folder",
    );
  }
  if (kind === "directory") return await host.openDirectory(path);
  const file = await host.openFile(path, { isHeld });
  opened.push(file);
  return file;
}

/** The first of many lines, and one that counts the others. */
function cut(lines: readonly string[], start: string): string[] {
  const more = lines.length - MAX_TOLD;
  return more > 0 ? [...lines.slice(0, MAX_TOLD), `${start}and ${more} more`] : [...lines];
}
