import type { ArchivePart } from "../archive/check_joins.ts";
import { joinParts, type JoinPartsOptions } from "../archive/join_parts.ts";
import { collect } from "../bytes.ts";
import type { FetchHandler } from "../registry/http/call.ts";
import { resolveRetry, type RetryOptions } from "../registry/http/retry.ts";
import type { Timeouts } from "../registry/http/time_limits.ts";
import type { Host } from "../runtime/host.ts";
import { decodeText } from "../runtime/text_file.ts";
import { isBlobSource } from "../source/blob_source.ts";
import { baseName, parsePartList } from "../source/part_list.ts";
import { checksumNames } from "../source/part_names.ts";
import type { UrlOptions } from "../source/url_request.ts";
import { type Input, MOST_HELD, shownAs, urlOf } from "./input.ts";
import { quote, UsageError } from "./options.ts";

/** How the parts of a command line are read. */
export interface PartsOptions {
  verify: NonNullable<JoinPartsOptions["verify"]>;
  signal: AbortSignal;
  /** Answers requests for parts that are URLs. */
  fetch: FetchHandler | undefined;
  /** How long their server may be silent. */
  timeouts?: Pick<Timeouts, "idle"> | undefined;
  /** How often it is asked. */
  retry?: RetryOptions | undefined;
}

type Reading = UrlOptions & { signal: AbortSignal };

/** What checksum files are called: `A.tar.sha256`, `SHA256SUMS`, `sha256sum.txt` and the like. */
const LIST_NAME = /sha256(?:sums?)?(?:\.txt)?$/i;
/** The same with sums that are not read here. */
const OTHER_NAME = /(?:(?:md5|sha1|sha224|sha384|sha512)(?:sums?)?|b[23]sums?)(?:\.txt)?$/i;

/**
 * Opens the parts of an archive as one.
 *
 * @param words Paths and URLs of parts, in order, and of their checksum files: see {@linkcode withLists}.
 * @throws {ArchiveError} If they are not all parts of one archive, whole and in order.
 */
export async function openParts(
  words: readonly string[],
  host: Host,
  { verify, signal, fetch, timeouts, retry }: PartsOptions,
): Promise<Input> {
  const paths = words.filter((word) => !isList(word));
  const other = paths.find((path) => OTHER_NAME.test(nameOf(path)));
  if (other !== undefined) {
    const state = "is no part and has no SHA-256 sums, expected parts and what sha256sum wrote";
    throw new UsageError(`${quote(shownAs(other))} ${state}`);
  }
  const [first] = paths;
  if (first === undefined) {
    throw new UsageError(`${quote(words.map(shownAs).join(" "))} names no parts`);
  }
  const reading: Reading = { signal, fetch, timeouts, retry: retry && resolveRetry(retry) };
  const open: AsyncDisposable[] = [];
  const close = async () => {
    for (const file of open) await file[Symbol.asyncDispose]();
  };
  try {
    const parts: ArchivePart[] = [];
    const isHeld = paths.length <= MOST_HELD;
    for (const path of paths) {
      parts.push(await openPart(path, open, host, { ...reading, isHeld }));
    }
    const texts: string[] = [];
    for (const list of words.filter(isList)) texts.push(await readList(list, host, reading));
    const checksums = texts.join("\n");
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
  { signal, isHeld, ...options }: Reading & { isHeld: boolean },
): Promise<ArchivePart> {
  const url = urlOf(path);
  const name = nameOf(path);
  if (!url) {
    if (path === "-") {
      throw new UsageError("stdin is no part of an archive, expected files or URLs");
    }
    const file = await host.openFile(path, { isHeld });
    open.push(file);
    return { name, source: file };
  }
  const { openUrl } = await import("../source/http_source.ts");
  const source = await openUrl(url, signal, options);
  if (isBlobSource(source)) return { name, source };
  await source.cancel();
  throw new UsageError(
    `${quote(shownAs(path))} cannot be read in ranges: its server sends all or nothing`,
  );
}

/**
 * Parts of an archive with their checksum files: those that are named among them, as `A.tar.*` does, else those beside them,
 * one for all, or one for each.
 */
export async function withLists(words: readonly string[], host: Host): Promise<readonly string[]> {
  return words.some(isList) ? words : [...words, ...await findLists(words, host)];
}

function isList(word: string): boolean {
  return LIST_NAME.test(nameOf(word));
}

async function findLists(paths: readonly string[], host: Host): Promise<string[]> {
  const files = paths.filter((path) => !urlOf(path));
  const shared = files.slice(0, 1).flatMap((path) => {
    const name = baseName(path);
    const folder = path.slice(0, path.length - name.length);
    return checksumNames(name).map((candidate) => folder + candidate);
  });
  const found: string[] = [];
  for (const path of new Set([...shared, ...files.map((path) => `${path}.sha256`)])) {
    const info = await host.fileInfo(path);
    if (info?.kind === "file" && info.size <= MAX_LIST_BYTES) found.push(path);
  }
  return found;
}

async function readList(path: string, host: Host, reading: Reading): Promise<string> {
  const url = urlOf(path);
  const text = url ? await readUrl(url, reading) : await host.readTextFile(path);
  // A sum alone is of the file that has the same name but for the end.
  const list = /^\s*[0-9a-f]{64}\s*$/i.test(text)
    ? `${text.trim()}  ${nameOf(path).replace(/\.[^.]*$/, "")}`
    : text;
  if (parsePartList(list).length > 0) return list;
  throw new UsageError(
    `${quote(shownAs(path))} has no sums as sha256sum writes them, expected a line for each part`,
  );
}

async function readUrl(url: URL, { signal, ...options }: Reading): Promise<string> {
  const { openUrl } = await import("../source/http_source.ts");
  const source = await openUrl(url, signal, options);
  const stream = isBlobSource(source) ? source.slice(0, source.size).stream() : source;
  const bytes = await collect(stream, MAX_LIST_BYTES, () =>
    new UsageError(
      `${quote(shownAs(url.href))} is too long, expected a line for each part`,
    ));
  return decodeText(bytes);
}

/** What a file or URL is called, without what leads to it. */
function nameOf(word: string): string {
  const path = urlOf(word)?.pathname;
  if (path === undefined) return baseName(word);
  try {
    return baseName(decodeURIComponent(path));
  } catch {
    return baseName(path);
  }
}

/** A line or two for each of some thousand parts; what is longer is something else. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;
