import { mapAll } from "../concurrency.ts";
import type { PushOptions } from "../push/options.ts";
import type { ArchiveInput, GivenTag } from "../push/push_all.ts";
import type { FileInfo, Host } from "../runtime/host.ts";
import type { PushManyCommand } from "./command.ts";
import { openInput, shownAs, urlOf } from "./input.ts";
import { UsageError } from "./options.ts";
import { PIPE_EXAMPLE } from "./push_command.ts";
import type { Receipts, SourceIdentity } from "./receipts.ts";
import { takeShard } from "./shard.ts";
import { type ListedSource, type ListLine, settleTargets } from "./source_list.ts";
import { refuseToWriteOver } from "./written_files.ts";

/** An archive to push. */
export interface Source extends ListedSource {
  /** What it is called in lines and receipts. */
  name: string;
  /** Its place among the sources, counted from 1, where its name does not tell it from all others. */
  number?: number;
}

/** What tells an archive from what it was at another time; nothing does for a pipe. */
export interface IdentifiedSource extends Source {
  identity: SourceIdentity | undefined;
}

/** An archive that the receipts say is done, and what stands of it. */
export interface SkippedSource extends Source {
  tags: readonly GivenTag[];
}

/** Files and servers asked at once. */
const IDENTIFY_CONCURRENCY = 8;

/** How servers are asked. */
type Asking = PushOptions & { signal: AbortSignal };

/** Makes archives of the lines that name them, all at once or as they come. */
export class PushSources {
  /** How many lines there were. */
  count = 0;
  readonly #command: PushManyCommand;
  readonly #host: Host;
  /** URLs by what they are called: what they have after their paths may be what tells some apart, and is not shown. */
  readonly #urls = new Map<string, string>();

  constructor(command: PushManyCommand, host: Host) {
    this.#command = command;
    this.#host = host;
  }

  /**
   * The archives that the next lines name, as far as they belong to the shard.
   *
   * @throws {UsageError} If a line cannot be used.
   */
  async take(lines: readonly ListLine[]): Promise<Source[]> {
    const { targets, shard, from } = this.#command;
    refusePipes(lines, from, shard !== undefined);
    const named = this.#name(settleTargets(lines, targets, this.#command));
    return shard ? await takeShard(named, shard) : named;
  }

  /** Parts archives that the receipts say are done from those that are left. */
  async part(
    listed: readonly Source[],
    options: Asking,
    receipts: Receipts | undefined,
  ): Promise<{ left: IdentifiedSource[]; skipped: SkippedSource[] }> {
    const left: IdentifiedSource[] = [];
    const skipped: SkippedSource[] = [];
    for (const source of await this.#identify(listed, options)) {
      const tags = source.identity && receipts?.find(source.identity);
      if (tags) skipped.push({ ...source, tags });
      else left.push(source);
    }
    return { left, skipped };
  }

  /** @throws {UsageError} If one is what the command writes. */
  async refuseOutputs(listed: readonly Source[]): Promise<void> {
    const { digestfile, receipts, dryRun } = this.#command;
    if (dryRun) return;
    const read = listed.map(({ source }) => source);
    await refuseToWriteOver([digestfile, receipts], read, this.#host);
  }

  /** Finds out what tells the archives from what they were at another time. */
  async #identify(listed: readonly Source[], options: Asking): Promise<IdentifiedSource[]> {
    const choice = choiceOf(this.#command);
    return await mapAll(listed, IDENTIFY_CONCURRENCY, async (each) => {
      const { source, targets, name, number } = each;
      const version = number === undefined ? await this.#findVersion(source, options) : undefined;
      const identity = version && { source: name, ...version, target: targets, ...choice };
      return { ...each, identity };
    });
  }

  async #findVersion(
    source: string,
    { fetch, timeouts, signal }: Asking,
  ): Promise<{ size: number; modified: string } | undefined> {
    const url = urlOf(source);
    if (url) {
      if (this.#command.receipts === undefined) return undefined;
      const { findUrlVersion } = await import("../source/http_source.ts");
      return await findUrlVersion(url, signal, { fetch, timeouts });
    }
    const info = source === "-" ? undefined : await imageInfo(source, this.#host);
    return info && { size: info.size, modified: new Date(info.modified).toISOString() };
  }

  #name(listed: readonly ListedSource[]): Source[] {
    const several = new Set<string>();
    for (const { source } of listed) {
      const name = shownAs(source);
      if ((this.#urls.get(name) ?? source) !== source) several.add(name);
      if (urlOf(source)) this.#urls.set(name, source);
    }
    return listed.map((each) => {
      const number = ++this.count;
      const name = shownAs(each.source);
      return { ...each, name, ...several.has(name) && { number } };
    });
  }
}

function refusePipes(lines: readonly ListLine[], from: string | undefined, isShard: boolean): void {
  const pipes = lines.filter(({ source }) => source === "-").length;
  if (pipes + (pipes > 0 && from === "-" ? 1 : 0) > 1) {
    throw new UsageError("stdin can be read once only, expected one -");
  }
  if (pipes > 0 && isShard) {
    throw new UsageError("Cannot push - with --shard: other processes have another stdin");
  }
}

/** The options that decide what of an archive stands in the end, and as what; `force` has what stood sent again. */
function choiceOf(command: PushManyCommand): Pick<SourceIdentity, "options"> {
  const { images, platforms, rename, allTags, force, onExisting } = command;
  const { compression, compressionLevel, forceCompress, manifestType } = command;
  const typed = {
    ...{ images, platforms, rename, allTags: allTags ? [true] : [], force, onExisting },
    ...{ compression, compressionLevel, forceCompress, manifestType },
  };
  const isTyped = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  const options = Object.entries(typed).filter(([, value]) => isTyped(value));
  return options.length > 0 ? { options: Object.fromEntries(options) } : {};
}

/** What is known of an archive; a folder is as old as the document that names all that it holds. */
async function imageInfo(path: string, host: Host): Promise<FileInfo | undefined> {
  const info = await host.fileInfo(path);
  if (info?.kind === "file") return info;
  if (info?.kind !== "directory") return undefined;
  return await host.fileInfo(`${path}/index.json`) ?? await host.fileInfo(`${path}/manifest.json`);
}

/** What `pushAll` is given of an archive. */
export function toInput({ source, name, number, targets }: Source, host: Host): ArchiveInput {
  return {
    name: number === undefined ? name : `${name} (#${number})`,
    target: targets,
    source: async () => (await openInput(source, host, PIPE_EXAMPLE)).source,
  };
}
