import type { ArchivePart } from "../archive/check_joins.ts";
import { joinParts, type JoinPartsOptions } from "../archive/join_parts.ts";
import type { FetchHandler } from "../registry/http/call.ts";
import type { Host } from "../runtime/host.ts";
import { isBlobSource } from "../source/blob_source.ts";
import { checksumNames } from "../source/part_names.ts";
import { type Input, urlOf } from "./input.ts";
import { quote, UsageError } from "./options.ts";

/** How the parts of a command line are read. */
export interface PartsOptions {
  verify: NonNullable<JoinPartsOptions["verify"]>;
  signal: AbortSignal;
  /** Answers requests for parts that are URLs. */
  fetch: FetchHandler | undefined;
}

/**
 * Opens the parts of an archive as one. Their checksum file is the one that is named among them, as `A.tar.*` does, else the
 * one beside the first.
 *
 * @param words Paths and URLs, in order.
 * @param host Where files come from.
 * @param options How they are read.
 * @throws {ArchiveError} If they are not all parts of one archive, whole and in order.
 */
export async function openParts(
  words: readonly string[],
  host: Host,
  { verify, signal, fetch }: PartsOptions,
): Promise<Input> {
  const isList = (word: string) => /\.sha256$/i.test(word);
  const paths = words.filter((word) => !isList(word));
  const [first] = paths;
  if (first === undefined) throw new UsageError(`${quote(words.join(" "))} names no parts`);
  const open: AsyncDisposable[] = [];
  const close = async () => {
    for (const file of open) await file[Symbol.asyncDispose]();
  };
  try {
    const parts: ArchivePart[] = [];
    for (const path of paths) parts.push(await openPart(path, open, host, { signal, fetch }));
    const list = words.findLast(isList);
    const checksums = list === undefined
      ? await findChecksums(first, host)
      : await host.readTextFile(list);
    const source = await joinParts(parts, { checksums, verify, signal });
    return { source, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openPart(
  path: string,
  open: AsyncDisposable[],
  host: Host,
  { signal, fetch }: Pick<PartsOptions, "signal" | "fetch">,
): Promise<ArchivePart> {
  const url = urlOf(path);
  const name = baseName(url ? url.pathname : path);
  if (!url) {
    if (path === "-") {
      throw new UsageError("stdin is no part of an archive, expected files or URLs");
    }
    const file = await host.openFile(path);
    open.push(file);
    return { name, source: file };
  }
  const { openUrl } = await import("../source/http_source.ts");
  const source = await openUrl(url, signal, fetch);
  if (isBlobSource(source)) return { name, source };
  await source.cancel();
  // What a URL has after its path may be secret.
  const shown = quote(url.origin + url.pathname);
  throw new UsageError(`${shown} cannot be read in ranges: its server sends all or nothing`);
}

/** The text of the checksum file beside a part, where there is one. */
async function findChecksums(path: string, host: Host): Promise<string | undefined> {
  if (urlOf(path)) return undefined;
  const name = baseName(path);
  const folder = path.slice(0, path.length - name.length);
  for (const candidate of checksumNames(name)) {
    const info = await host.fileInfo(folder + candidate);
    if (info?.kind === "file" && info.size <= MAX_LIST_BYTES) {
      return await host.readTextFile(folder + candidate);
    }
  }
  return undefined;
}

/** A line or two for each of some thousand parts; what is longer is something else. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
