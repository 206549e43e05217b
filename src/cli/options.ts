import { withoutSecrets } from "../quote_name.ts";

/** Arguments that make no command: exit code 2. What may be secret of a URL in its texts is left out. */
export class UsageError extends Error {
  override name = "UsageError";
  /** What to type or read instead. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(withoutSecrets(message));
    this.hint = hint && withoutSecrets(hint);
  }
}

/** An option: how it is typed, what `--help` and the completions say of it, and what is made of its texts. */
export interface Option<T = unknown> {
  /** Without its dashes. */
  readonly name: string;
  /** How it is written in short: `-q`. */
  readonly short: string | undefined;
  /** What its value is called in the help; without it, the option stands alone. */
  readonly placeholder: string | undefined;
  readonly help: string;
  /** Whether each time that it is given counts, and not just the last. */
  readonly repeats: boolean;
  /** What its value is one of; empty where it may be anything. */
  readonly words: readonly string[];
  /** Makes the value of the texts that were given, in order. */
  read(texts: readonly string[]): T;
}

/** Options by the names that their values have in a command. */
export type OptionTable = Readonly<Record<string, Option>>;

export type ValuesOf<Table extends OptionTable> = {
  [Key in keyof Table]: Table[Key] extends Option<infer Value> ? Value : never;
};

/** Reads the text of an option, which is named in what is thrown. */
export type ReadText<T> = (text: string, option: string) => T;

/**
 * An option that stands alone.
 *
 * @param usage How it is typed: `--json`, or with a short form `-q, --quiet`.
 */
export function flag(usage: string, help: string): Option<boolean> {
  return { ...describe(usage, help), read: (texts) => texts.length > 0 };
}

/** An option with a value, `--retries N`. Of several the last counts, so that a script can be overridden. */
export function value<T>(usage: string, help: string, read: ReadText<T>): Option<T | undefined> {
  const description = describe(usage, help);
  return {
    ...description,
    read: (texts) => {
      const text = texts.at(-1);
      return text === undefined ? undefined : read(text, `--${description.name}`);
    },
  };
}

/** An option whose value is any text. */
export function text(usage: string, help: string): Option<string | undefined> {
  return value(usage, help, (given) => given);
}

/** An option whose value is a list of what to do: of several, all but the last would be left out without a word. */
export function listFile(usage: string, help: string): Option<string | undefined> {
  const description = describe(usage, help);
  return {
    ...description,
    read: ([first, second]) => {
      if (second === undefined) return first;
      throw new UsageError(
        `Option --${description.name} is given more than once, expected one list`,
        `cat ${first} ${second} | tarpush ... --${description.name} -`,
      );
    },
  };
}

/** An option whose value is one of some words. */
export function choice<const Word extends string>(
  usage: string,
  help: string,
  words: readonly Word[],
): Option<Word | undefined> {
  const read = (given: string, option: string) => {
    const word = words.find((known) => known === given);
    if (word !== undefined) return word;
    throw wrongValue(option, given, words.join(", ").replace(/, (?=[^,]*$)/, " or "));
  };
  return { ...value(usage, help, read), words };
}

/** The error for a text that an option does not take. */
export function wrongValue(
  option: string,
  given: string,
  expected: string,
  hint?: string,
): UsageError {
  return new UsageError(`Option ${option} is ${quote(given)}, expected ${expected}`, hint);
}

/** An option that may be given several times. */
export function list(
  usage: string,
  help: string,
  read: ReadText<string> = (given) => given,
): Option<string[]> {
  const description = describe(usage, `${help}; may repeat`);
  return {
    ...description,
    repeats: true,
    read: (texts) => texts.map((given) => read(given, `--${description.name}`)),
  };
}

/** An option with another value in place of none. */
export function withDefault<T>(option: Option<T | undefined>, fallback: NoInfer<T>): Option<T> {
  return { ...option, read: (texts) => option.read(texts) ?? fallback };
}

function describe(usage: string, help: string): Omit<Option, "read"> {
  // Not by a pattern: every start of the program comes through here once for each option.
  const short = usage.startsWith("--") ? undefined : usage.slice(0, 2);
  const [long = "", placeholder] = usage.slice(usage.indexOf("--") + 2).split(" ");
  return { name: long, short, placeholder, help, repeats: false, words: [] };
}

/** What was typed: words, and the texts of the options among them. */
export class Given {
  /** What is no option, in order. */
  readonly words: string[] = [];
  readonly #texts = new Map<string, string[]>();

  /** Adds an option; one that stands alone has an empty text. */
  add({ name }: Option, given: string): void {
    const texts = this.#texts.get(name);
    if (texts) texts.push(given);
    else this.#texts.set(name, [given]);
  }

  read<Table extends OptionTable>(table: Table): ValuesOf<Table> {
    const values = Object.entries(table)
      .map(([key, option]) => [key, option.read(this.#texts.get(option.name) ?? [])] as const);
    // Each key has what its own option made.
    return Object.fromEntries(values) as ValuesOf<Table>;
  }
}

/** The values that were given: what takes an option need not take undefined. */
export function given<Values extends object>(
  values: Values,
): { [Key in keyof Values]?: Exclude<Values[Key], undefined> } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as { [Key in keyof Values]?: Exclude<Values[Key], undefined> };
}

/** What a command that may be tried again wants of `--retries`. */
export function retryOf(
  { retries }: { retries: number | undefined },
): { attempts: number } | undefined {
  return retries === undefined ? undefined : { attempts: retries + 1 };
}

/**
 * Sorts arguments into options and words. `--name value` and `--name=value` are the same; `--` ends the options.
 *
 * @param optionsAfter The options that may be given after these words.
 * @param hintFor What to say about one that may not.
 */
export function parseOptions(
  args: readonly string[],
  optionsAfter: (words: readonly string[]) => readonly Option[],
  hintFor: (name: string, words: readonly string[]) => string,
): Given {
  const given = new Given();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (arg === "--") {
      given.words.push(...args.slice(index + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      given.words.push(arg);
      continue;
    }
    const { name, attached } = splitOption(arg);
    const option = optionsAfter(given.words).find((known) =>
      known.name === name || known.short === arg
    );
    if (!option) {
      throw new UsageError(`Unknown option ${quote(arg)}`, hintFor(name, given.words));
    }
    if (option.placeholder !== undefined) {
      given.add(option, attached ?? requireValue(option, args[++index]));
      continue;
    }
    if (attached !== undefined) throw new UsageError(`Option --${option.name} takes no value`);
    given.add(option, "");
  }
  return given;
}

function splitOption(arg: string): { name: string; attached: string | undefined } {
  if (!arg.startsWith("--")) return { name: arg, attached: undefined };
  const equals = arg.indexOf("=");
  if (equals < 0) return { name: arg.slice(2), attached: undefined };
  return { name: arg.slice(2, equals), attached: arg.slice(equals + 1) };
}

function requireValue({ name }: Option, next: string | undefined): string {
  if (next === undefined) throw new UsageError(`Option --${name} needs a value`);
  if (!next.startsWith("-") || next === "-") return next;
  throw new UsageError(
    `Option --${name} needs a value, not ${quote(next)}`,
    `a value that starts with a dash is written --${name}=${next}`,
  );
}

/** Text in quotes, without what may be secret of a URL, and cut where it is long. */
export function quote(given: string): string {
  const shown = withoutSecrets(given);
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 77)}...` : shown);
}
