import type { Shard } from "./option_values.ts";
import { quote, UsageError } from "./options.ts";

// What the words behind a command mean, given its options.

/** What is expected where an archive is missing. */
export const ARCHIVE = "a tar file, a folder, - or a URL";
/** What is expected where the name of an image is missing. */
export const REFERENCE = "a reference such as localhost:5000/team/app:1.0";

/** Shells that there are completions for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

/** The words that follow a command, taken one after the other. */
export class Words {
  readonly #verb: string;
  readonly #words: string[];

  /** @param verb The command, for hints. */
  constructor(verb: string, words: readonly string[]) {
    this.#verb = verb;
    this.#words = [...words];
  }

  /**
   * Takes the next one.
   *
   * @param problem What to say where there is none.
   * @throws {UsageError} Where there is none.
   */
  next(problem: string): string {
    const word = this.#words.shift();
    if (word !== undefined) return word;
    throw new UsageError(problem, `tarpush ${this.#verb} --help`);
  }

  /** Takes all that are left. */
  rest(): string[] {
    return this.#words.splice(0);
  }

  /** @throws {UsageError} Where one is left that nobody took. */
  refuseRest(): void {
    const [extra] = this.#words;
    if (extra !== undefined) throw new UsageError(`Unexpected argument ${quote(extra)}`);
  }
}

/** Words of a registry, which are archives; what belongs together is given together. */
export function readServeWords(
  words: Words,
  { cert, key, dir, scrub, keepUntagged, allowDelete }: {
    cert: string | undefined;
    key: string | undefined;
    dir: string | undefined;
    scrub: boolean;
    keepUntagged: boolean;
    allowDelete: boolean;
  },
) {
  if (scrub && dir === undefined) throw new UsageError("Option --scrub needs --dir");
  if (keepUntagged && dir === undefined) throw new UsageError("Option --keep-untagged needs --dir");
  if (cert !== undefined && key === undefined) throw new UsageError("Option --cert needs --key");
  if (key !== undefined && cert === undefined) throw new UsageError("Option --key needs --cert");
  const archives = words.rest();
  if (archives.length > 0 && dir !== undefined) {
    throw new UsageError("Archives are served as they are, and --dir keeps what is pushed");
  }
  if (archives.length > 0 && allowDelete) {
    throw new UsageError("Nothing can be deleted from archives", "leave out --allow-delete");
  }
  return { archives };
}

/** One archive: a word, or its parts. */
export function readSource(words: Words, isParts: boolean, nothing: string) {
  const source = words.next(nothing);
  return { source, parts: isParts ? [source, ...words.rest()] : [] };
}

/** The word of a check: an archive, its parts, or an image. */
export function readCheckWords(
  words: Words,
  { isParts, repair }: { isParts: boolean; repair: string | undefined },
) {
  if (repair === "-") throw new UsageError("Cannot repair from a pipe, expected a file");
  return readSource(words, isParts, `Nothing to check, expected ${ARCHIVE}, or ${REFERENCE}`);
}

/** Words of a push: one archive and its targets, unless an option says that there are many. */
export function readPushWords(
  words: Words,
  options: {
    to: string[];
    from: string | undefined;
    archives: number | undefined;
    receipts: string | undefined;
    shard: Shard | undefined;
    failFast: boolean;
    isParts: boolean;
  },
) {
  const { to, from, archives, receipts, shard, failFast, isParts } = options;
  const nothing = `Nothing to push, expected ${ARCHIVE}`;
  const isMany = [archives, receipts, shard].some((given) => given !== undefined) || failFast;
  if (isParts) {
    if (!isMany && from === undefined) return readParts(words, to, nothing);
    throw new UsageError("--parts pushes one archive, without the options for many");
  }
  if (to.length > 0 || from !== undefined) {
    return { isMany: true, sources: wordsOrList(words, from, nothing), targets: to } as const;
  }
  const source = words.next(nothing);
  const targets = words.rest();
  const other = targets.find((word) =>
    SIGNED_URL.test(word) || ARCHIVE_PATH.test(word) || PATH_IN_FOLDER.test(word)
  );
  if (other !== undefined && REFERENCE_START.test(source) && !isArchivePath(source)) {
    throw new UsageError(
      `${quote(source)} is no archive`,
      `what is pushed comes first: tarpush push ${other} ${source}`,
    );
  }
  if (other !== undefined) {
    const [what, option, to] = FIRST_PART.test(source)
      ? ["parts of one archive", "--parts ", "TARGET"]
      : ["several archives", "", "--to TARGET"];
    throw new UsageError(
      `${quote(other)} is no target`,
      `${what}: tarpush push ${option}${source} ${other} ... ${to}`,
    );
  }
  if (isMany) return { isMany, sources: [source], targets } as const;
  return { isMany, source, targets, parts: [] } as const;
}

/** Words of a copy: one image and its targets, unless an option says that there are many. */
export function readCopyWords(
  words: Words,
  options: {
    allTags: boolean;
    tags: string[];
    from: string | undefined;
    to: string[];
    images: number | undefined;
    failFast: boolean;
  },
) {
  const { allTags, tags, from, to, images, failFast } = options;
  const nothing = `Nothing to copy, expected ${REFERENCE}`;
  if (to.length > 0 || from !== undefined) {
    return { isMany: true, sources: wordsOrList(words, from, nothing), targets: to } as const;
  }
  const source = words.next(nothing);
  const targets = [words.next(`Nowhere to copy to, expected ${REFERENCE}`), ...words.rest()];
  const isMany = allTags || tags.length > 0 || images !== undefined || failFast;
  return isMany
    ? { isMany, sources: [source], targets } as const
    : { isMany, source, targets } as const;
}

/** Words of a save: references, unless a list has them, and what is written. */
export function readSaveWords(
  words: Words,
  { from, split, without }: {
    from: string | undefined;
    split: number | undefined;
    without: string[];
  },
) {
  if (without.includes("-")) {
    throw new UsageError("Cannot leave out what a pipe has, expected a file");
  }
  const nothing = `Nothing to save, expected ${REFERENCE}`;
  const given = wordsOrList(words, from, nothing);
  const tar = given.pop();
  const [first = "--from FILE"] = given;
  if (tar === "-" && split !== undefined) {
    throw new UsageError("Cannot split what goes to a pipe, expected a file");
  }
  if (tar !== undefined && /^https?:/i.test(tar) && isArchivePath(tar)) {
    throw new UsageError(`Cannot write to ${quote(tar)}: expected a file, a folder or -`);
  }
  if (tar !== undefined && REFERENCE_START.test(tar) && !isArchivePath(tar)) {
    throw new UsageError(
      `Nothing to write to: ${quote(tar)} is a reference, expected a file, a folder or - after it`,
      `tarpush save ${[...given, tar].join(" ")} images.tar`,
    );
  }
  if (tar !== undefined && (given.length > 0 || from !== undefined)) {
    return { references: given, tar };
  }
  throw new UsageError(
    "Nothing to write to, expected a file, a folder or -",
    `tarpush save ${tar ?? first} image.tar`,
  );
}

/** All words that are left: at least one, unless a list has more of them. */
function wordsOrList(words: Words, from: string | undefined, nothing: string): string[] {
  return from === undefined ? [words.next(nothing), ...words.rest()] : words.rest();
}

/** Parts of one archive, and its target: the last word, unless `--to` names some or it is a part as well. */
function readParts(words: Words, to: readonly string[], nothing: string) {
  const source = words.next(nothing);
  const rest = words.rest();
  const stem = source.replace(/[^.]*$/, "");
  const isPart = stem !== "" && rest.at(-1)?.startsWith(stem);
  const last = to.length > 0 || isPart ? undefined : rest.pop();
  const targets = last === undefined ? [...to] : [last];
  const parts = [source, ...rest];
  const other = parts.find((part) => IN_REGISTRY.test(part) && !isArchivePath(part));
  if (other === undefined) return { isMany: false, source, targets, parts } as const;
  throw new UsageError(
    `${quote(other)} is no part of an archive`,
    `several targets: tarpush push --parts ${source} ... --to ${other} --to TARGET`,
  );
}

/** What the first of several parts is called: `A.tar.001`, `A.tar.gz.aa`, `A.tar.part000`. */
export const FIRST_PART = /\.(?:0+[01]|a{2,5}|part0*[01])$/;

/** How no path of a file begins that anybody writes to. */
const REFERENCE_START = /^(?:https?:\/\/|[\w.-]+:\d+\/)/i;

/** A port, and something behind it: a part may be behind a URL, but is not called so. */
const IN_REGISTRY = /^[\w.-]+:\d+\//;

/** Whether a text is the path of an archive, as far as it tells itself: no registry and no repository is called so. */
export function isArchivePath(text: string): boolean {
  return SIGNED_URL.test(text) || ARCHIVE_PATH.test(text) ||
    ARCHIVE_PATH.test(text.slice(text.lastIndexOf("/") + 1));
}

/** No registry is called with a query: what has one is signed. */
const SIGNED_URL = /^https?:[^?#]*[?#]/i;

/** What no registry is called. */
const ARCHIVE_PATH = /^(?:\.{0,2}\/.*|[^/]*\.(?:tar|tgz|tzst)(?:\.\w+)?)$/i;

/** The same in a folder, where that could be a host at most of a network of one's own: `images/b.tar`. */
const PATH_IN_FOLDER = /^(?!localhost\/)[^/.:]+\/.*\.(?:tar|tgz|tzst)(?:\.\w+)?$/i;

export function parseShell(word: string): Shell {
  const shell = SHELLS.find((known) => known === word);
  if (shell) return shell;
  throw new UsageError(`Unknown shell ${quote(word)}, expected one of ${SHELLS.join(", ")}`);
}
