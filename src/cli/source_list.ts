import { collect } from "../bytes.ts";
import { untilAborted } from "../concurrency.ts";
import { parsePushTargets, parseTargets } from "../push/plan.ts";
import type { Host } from "../runtime/host.ts";
import {
  createTextDecoder,
  decodeText,
  MAX_TEXT_BYTES,
  textTooLarge,
} from "../runtime/text_file.ts";
import type { CopyManyCommand, PushManyCommand } from "./command.ts";
import { requirePiped, shownAs } from "./input.ts";
import { quote, UsageError } from "./options.ts";

/** An archive or image of many, and where it goes. */
export interface ListedSource {
  source: string;
  targets: string[];
}

/** A line of a list; without a target it goes where the command line says. */
export interface ListLine {
  source: string;
  target: string[] | undefined;
  /** Where it stands, for messages. */
  place: string;
}

/** What a command line and its list name. */
export interface SourceList {
  /** What is known before anything begins. */
  lines: ListLine[];
  /** What comes by a pipe after the first line of it. */
  later?: AsyncIterable<ListLine>;
}

/** What a command for many is about. */
export const NOUNS = { push: "archive", copy: "image" };

/**
 * Lists what the command line names, then what its list does: of a file all of it, of a pipe its first line.
 *
 * @param example What to type where nothing is piped in.
 * @param signal Ends the waiting for a pipe.
 * @throws {UsageError} If a line cannot be used, or there is none.
 */
export async function listSources(
  { verb, sources, from }: PushManyCommand | CopyManyCommand,
  host: Host,
  example: string,
  signal: AbortSignal,
): Promise<SourceList> {
  const place = "on the command line";
  const named: ListLine[] = sources.map((source) => ({ source, target: undefined, place }));
  if (from === undefined) return { lines: named };
  const later = from === "-" ? readPipedList(host, example) : undefined;
  const first = later
    ? (await untilAborted(later.next(), signal)).value ?? []
    : await readSourceList(from, host, example, signal);
  const lines = named.concat(first);
  if (lines.length > 0) return { lines, ...later && { later } };
  throw new UsageError(`Nothing to ${verb}: ${shownAs(from)} names no ${NOUNS[verb]}`);
}

/**
 * Gives what comes later, up to a line that cannot be used: what was wrong is to be told when all before it is done.
 *
 * @param onUnusable Told what is wrong.
 */
export async function* untilUnusable<T>(
  items: AsyncIterable<T>,
  onUnusable: (error: UsageError) => void,
): AsyncGenerator<T, void, void> {
  try {
    yield* items;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    onUnusable(error);
  }
}

/**
 * Reads all of the list that `--from` names; see {@linkcode parseSourceList}.
 *
 * @param from A file, or - for stdin.
 * @param example What to type where nothing is piped in.
 * @param signal Ends the waiting for a pipe.
 * @throws {UsageError} If a line cannot be used.
 */
export async function readSourceList(
  from: string,
  host: Host,
  example: string,
  signal: AbortSignal,
): Promise<ListLine[]> {
  const read = from === "-" ? readStdin(host, example) : host.readTextFile(from);
  // Whoever writes to a pipe may never come to an end.
  return parseSourceList(await untilAborted(read, signal), shownAs(from));
}

async function readStdin(host: Host, example: string): Promise<string> {
  await requirePiped(host, example);
  return await readPipedText(host);
}

/** Reads all of a list that is piped in. */
export async function readPipedText(host: Host): Promise<string> {
  const tooLarge = () => textTooLarge("stdin", `more than ${MAX_TEXT_BYTES}`);
  return decodeText(await collect(host.stdin.stream(), MAX_TEXT_BYTES, tooLarge));
}

/** Longer ones are no lines: JSON with some thousand targets. */
const MAX_LINE_CHARACTERS = 1024 * 1024;

/** Reads a list from stdin, each line as soon as it has come. */
async function* readPipedList(
  host: Host,
  example: string,
): AsyncGenerator<ListLine, void, void> {
  await requirePiped(host, example);
  const name = shownAs("-");
  let [count, rest] = [0, ""];
  let decoder: TextDecoder | undefined;
  for await (const piece of host.stdin.pieces()) {
    decoder ??= createTextDecoder(piece);
    const text = decoder.decode(piece, { stream: true });
    requireText(text, name);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield* parseLine(line, ++count, name);
    if (rest.length <= MAX_LINE_CHARACTERS) continue;
    throw new UsageError(
      `Cannot use line ${count + 1} of ${name}: it has more than ${MAX_LINE_CHARACTERS} characters`,
    );
  }
  yield* parseLine(rest + (decoder?.decode() ?? ""), count + 1, name);
}

/**
 * Reads a list of archives or images, one a line: `SOURCE`, `SOURCE TARGET`, or a JSON object with `source` and `target`. Empty
 * lines and those that start with `#` say nothing, nor does what follows a `#` that has a space before it.
 *
 * @param name What it is called, for messages.
 * @throws {UsageError} If a line is none of these.
 */
export function parseSourceList(text: string, name: string): ListLine[] {
  return [...parseLines(text, name)];
}

/** Does so line by line: what stands before a line that cannot be used is given. */
export function* parseLines(text: string, name: string): Generator<ListLine, void, void> {
  requireText(text, name);
  let count = 0;
  for (const line of text.replace(/^\ufeff/, "").split("\n")) {
    yield* parseLine(line, ++count, name);
  }
}

function requireText(text: string, name: string): void {
  if (!text.includes("\0")) return;
  throw new UsageError(`Cannot use ${name}: it is no text, expected a line for each source`);
}

/** What a line says; nothing where it is empty or a comment. */
function parseLine(line: string, number: number, name: string): ListLine[] {
  const trimmed = line.trim();
  if (trimmed === "" || trimmed.startsWith("#")) return [];
  const place = `line ${number} of ${name}`;
  return [trimmed.startsWith("{") ? parseJson(trimmed, place) : parseWords(trimmed, place)];
}

/**
 * Settles where each goes.
 *
 * @param targets Where those go that say nothing themselves.
 * @param asked What is done with them.
 * @throws {UsageError} If one has no target, or one that does not parse.
 */
export function settleTargets(
  lines: readonly ListLine[],
  targets: readonly string[],
  { verb, allTags }: { verb: "push" | "copy"; allTags: boolean },
): ListedSource[] {
  const checked = new Set<string>();
  const parse = (wanted: string[]) =>
    verb === "push" ? parsePushTargets(wanted, { allTags }) : parseTargets(wanted, verb);
  return lines.map(({ source, target, place }) => {
    const wanted = target ?? [...targets];
    if (wanted.length === 0) {
      throw new UsageError(
        `No target for ${quote(shownAs(source))} (${place}), expected one there or with --to`,
        `tarpush ${verb} SOURCE... --to TARGET`,
      );
    }
    if (target?.length === 1 && HALF_OF_PATH.test(wanted[0] ?? "")) {
      throw new UsageError(`${quote(wanted[0] ?? "")} is no target (${place})`, SPACES_HINT);
    }
    const key = wanted.join("\n");
    if (!checked.has(key)) requireUse(place, () => parse(wanted));
    checked.add(key);
    return { source, targets: wanted };
  });
}

/** What no registry is called, but the end of a path with a space in it is: `image.tar`, `image.tar"`. */
const HALF_OF_PATH = /^[^/]*\.(?:tar|tgz|tzst)(?:\.\w+)?["']?$/i;

const SPACES_HINT =
  'names with spaces are written as JSON: {"source": "my image.tar", "target": "registry.lan"}';

/** Runs what checks a line: what is wrong with that is told with its place. */
export function requireUse(place: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`${error.message} (${place})`);
  }
}

function parseWords(line: string, place: string): ListLine {
  const [source = "", target, ...more] = line.replace(/\s+#.*$/, "").split(/\s+/);
  if (more.length === 0) {
    return { source, target: target === undefined ? undefined : [target], place };
  }
  throw new UsageError(
    `Cannot use ${place}: it has ${more.length + 2} words, expected SOURCE or SOURCE TARGET`,
    SPACES_HINT,
  );
}

function parseJson(line: string, place: string): ListLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new UsageError(`Cannot use ${place}: it starts as JSON does and is none`);
  }
  const { source, target, ...rest } = value as Record<string, unknown>;
  const [extra] = Object.keys(rest);
  if (extra !== undefined) {
    throw new UsageError(`Cannot use ${place}: it has ${quote(extra)}, expected source and target`);
  }
  const targets = typeof target === "string" ? [target] : target;
  if (typeof source !== "string" || source === "") {
    throw new UsageError(`Cannot use ${place}: it has no source, expected a text`);
  }
  if (targets === undefined) return { source, target: undefined, place };
  if (isTexts(targets)) return { source, target: targets, place };
  throw new UsageError(
    `Cannot use ${place}: its target is no text, expected one or a list of them`,
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 &&
    value.every((text) => typeof text === "string");
}
