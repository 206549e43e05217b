import { ASKING_OPTIONS, type Command, COMMANDS, COMMON_OPTIONS, type Verb } from "./command.ts";
import { didYouMean } from "../did_you_mean.ts";
import { type Option, parseOptions, quote, UsageError } from "./options.ts";

/** What archives are called, and no command or option is. */
const TAR_NAME = /\.(?:tar|tgz|gz|zst)$/;

/** What commands are called. */
export const VERBS = Object.keys(COMMANDS) as Verb[];

/** Options that go with every command. */
export const EVERYWHERE: readonly Option[] = [
  ...Object.values(COMMON_OPTIONS),
  ...Object.values(ASKING_OPTIONS),
];

/** Options of a command beside those. */
export function optionsOfVerb(verb: Verb): readonly Option[] {
  return Object.values(COMMANDS[verb].options());
}

/**
 * Reads the arguments of a command line: `[OPTION]... COMMAND [OPTION|WORD]...`.
 *
 * @param args Arguments after the name of the program.
 * @throws {UsageError} If they make none.
 */
export function parseCommand(args: readonly string[]): Command {
  const given = parseOptions(args, ([first]) => optionsOf(first), hintFor);
  const [first, topic] = given.words;
  const asked = given.read(ASKING_OPTIONS);
  if (first === undefined) {
    if (asked.help) return { verb: "help", topic: undefined };
    if (asked.version) return { verb: "version" };
    throw new UsageError(
      `No command ${args[0] === undefined ? "given" : `after ${quote(args.join(" "))}`}, ` +
        `expected one of ${VERBS.join(", ")}`,
      "tarpush --help",
    );
  }
  if (first === "help") {
    return { verb: "help", topic: topic === undefined ? undefined : parseVerb(topic) };
  }
  const verb = parseVerb(first);
  if (asked.help) return { verb: "help", topic: verb };
  if (asked.version) return { verb: "version" };
  return COMMANDS[verb].parse(given);
}

/** The options that may follow a first word. */
function optionsOf(first: string | undefined): readonly Option[] {
  if (first === undefined || first === "help") return EVERYWHERE;
  return [...EVERYWHERE, ...optionsOfVerb(parseVerb(first))];
}

function parseVerb(text: string): Verb {
  const verb = VERBS.find((known) => known === text);
  if (verb) return verb;
  if (TAR_NAME.test(text)) {
    throw new UsageError(`Unknown command ${quote(text)}`, `tarpush push ${text} REFERENCE`);
  }
  throw new UsageError(
    `Unknown command ${quote(text)}, expected one of ${VERBS.join(", ")}`,
    didYouMean(text, VERBS) ?? "tarpush --help",
  );
}

/** What to say of an option that is unknown after a first word. */
function hintFor(name: string, [first]: readonly string[]): string {
  if (TAR_NAME.test(name)) {
    return `a file whose name starts with a dash is written ./${name.replace(/^(?!-)/, "--")}`;
  }
  const owner = VERBS.find((verb) => optionsOfVerb(verb).some((option) => option.name === name));
  if (owner && first === undefined) return `it goes after the command: tarpush ${owner} --${name}`;
  if (owner) return `it belongs to tarpush ${owner}`;
  return didYouMean(name, optionsOf(first).map((option) => option.name), "--") ??
    ["tarpush", first, "--help"].filter(Boolean).join(" ");
}
