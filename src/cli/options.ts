/** Arguments that make no command: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
  /** What to type or read instead. */
  readonly hint: string | undefined;

  /**
   * @param message What is wrong with which argument.
   * @param hint What to type or read instead.
   */
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Whether an option stands alone, has a value, or may be given several times. */
export type OptionKind = "flag" | "value" | "list";

/** Known options, without their dashes. */
export type OptionTable = Readonly<Record<string, OptionKind>>;

const SHORT_OPTIONS: Readonly<Record<string, string>> = { "-q": "--quiet", "-h": "--help" };

/**
 * Sorts arguments into options and the rest. `--name value` and `--name=value` are the same; `--` ends the options.
 *
 * @param args What was typed.
 * @param table The options that may be given.
 * @param hintFor What to say about one that may not.
 */
export function parseOptions(
  args: readonly string[],
  table: OptionTable,
  hintFor: (name: string) => string,
): Given {
  const given = new Given();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") {
      given.rest.push(...args.slice(index + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      given.rest.push(arg);
      continue;
    }
    const { name, value } = splitOption(arg);
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!kind) throw new UsageError(`Unknown option ${quote(arg)}`, hintFor(name));
    if (kind === "flag") {
      if (value !== undefined) throw new UsageError(`Option --${name} takes no value`);
      given.add(name, "");
      continue;
    }
    given.add(name, value ?? requireValue(name, args[++index]));
  }
  return given;
}

/** Options as they were given, and what is no option. */
export class Given {
  readonly rest: string[] = [];
  readonly #values = new Map<string, string[]>();

  add(name: string, value: string): void {
    const values = this.#values.get(name);
    if (values) values.push(value);
    else this.#values.set(name, [value]);
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  list(name: string): string[] {
    return this.#values.get(name) ?? [];
  }

  /** The last one given counts, so that a script can be overridden. */
  value(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  parsed<T>(name: string, parse: (text: string, option: string) => T): T | undefined {
    const text = this.value(name);
    return text === undefined ? undefined : parse(text, `--${name}`);
  }
}

function splitOption(arg: string): { name: string; value: string | undefined } {
  const long = SHORT_OPTIONS[arg] ?? arg;
  if (!long.startsWith("--")) return { name: long, value: undefined };
  const equals = long.indexOf("=");
  if (equals < 0) return { name: long.slice(2), value: undefined };
  return { name: long.slice(2, equals), value: long.slice(equals + 1) };
}

function requireValue(name: string, next: string | undefined): string {
  if (next !== undefined && (!next.startsWith("-") || next === "-")) return next;
  throw new UsageError(
    next === undefined
      ? `Option --${name} needs a value`
      : `Option --${name} needs a value, not ${quote(next)}`,
    next === undefined ? undefined : `a value that starts with a dash is written --${name}=${next}`,
  );
}

/** Makes a parser of whole numbers from `least` to `most`. */
export function parseCount(
  least: number,
  most = 1_000_000,
): (text: string, option: string) => number {
  return (text, option) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (count >= least && count <= most) return count;
    throw new UsageError(
      `Option ${option} is ${quote(text)}, expected a whole number from ${least} to ${most}`,
    );
  };
}

/** Reads a length of time in seconds. */
export function parseSeconds(text: string, option: string): number {
  const seconds = /^\d{1,7}(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return seconds;
  throw new UsageError(`Option ${option} is ${quote(text)}, expected a number of seconds above 0`);
}

const SIZE_PATTERN = /^(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT])?(iB|B)?$/i;

/** Reads a size such as `8MiB`, `16M` or `1048576`, in bytes. */
export function parseSize(text: string, option: string): number {
  const [, digits = "", prefix = "", suffix = ""] = SIZE_PATTERN.exec(text) ?? [];
  // As everywhere in this trade: M and MiB count in 1024, MB in 1000.
  const base = prefix && suffix.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = Math.round(Number(digits) * base ** " KMGT".indexOf(prefix.toUpperCase() || " "));
  if (digits && bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`Option ${option} is ${quote(text)}, expected a size such as 8MiB`);
}

/** A hint that names the nearest of the known words, if one is near. */
export function didYouMean(
  text: string,
  known: readonly string[],
  prefix = "",
): string | undefined {
  const distances = known.map((name) => ({ name, distance: editDistance(text, name) }));
  distances.sort((a, b) => a.distance - b.distance);
  const [nearest] = distances;
  if (!nearest || nearest.distance > Math.max(1, nearest.name.length / 3)) return undefined;
  return `did you mean ${prefix}${nearest.name}?`;
}

/** Letters to add, drop, change, or swap with the next one, to get from one word to the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  let before: number[] = [];
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      const isSwapped = i > 0 && j > 0 && from[i] === to[j - 1] && from[i - 1] === to[j];
      const swapped = isSwapped ? (before[j - 1] ?? 0) + 1 : Infinity;
      next.push(Math.min(changed, swapped, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[to.length] ?? 0;
}

/** Text in quotes, cut where it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
