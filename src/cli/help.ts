import { ASKING_OPTIONS, COMMANDS, COMMON_OPTIONS, type Verb } from "./command.ts";
import { TOPICS } from "./help_topics.ts";
import type { Option, OptionTable } from "./options.ts";

/** Version of the package; a test keeps it equal to the one in deno.json. */
export const VERSION = "0.1.0";

/** The text of `--help`, for the program or for one command. */
export function helpText(topic: Verb | undefined): string {
  const everywhere = `Everywhere, also before the command:\n${
    optionRows({ ...COMMON_OPTIONS, ...ASKING_OPTIONS })
  }`;
  if (topic === undefined) {
    return [PROGRAM, `Usage:\n${commandRows()}`, EXAMPLES, everywhere, EXIT_CODES].join("\n");
  }
  const { about, examples } = TOPICS[topic];
  const own = optionRows(COMMANDS[topic].options());
  const options = own ? [`Options:\n${own}`] : [];
  return [about, ...options, `Examples:\n${examples}`, everywhere].join("\n");
}

/** Columns of a terminal that the text fits. */
const COLUMNS = 100;
/** Where the help of options begins, and the summaries of commands. */
const OPTION_COLUMN = 24;
const COMMAND_COLUMN = 40;

function commandRows(): string {
  const rows = Object.entries(COMMANDS).map(([verb, { usage, summary }]) =>
    row(`tarpush ${verb} ${usage}`, summary, COMMAND_COLUMN)
  );
  return rows.join("") + row("tarpush COMMAND --help", "Tell more about a command", COMMAND_COLUMN);
}

function optionRows(options: OptionTable): string {
  return Object.values(options).map(({ name, short, placeholder, help }: Option) => {
    const usage = [short && `${short},`, `--${name}`, placeholder].filter(Boolean).join(" ");
    return row(usage, help, OPTION_COLUMN);
  }).join("");
}

/** Two columns; what does not fit into the second goes on below, and it moves for a first that is long. */
function row(left: string, right: string, column: number): string {
  const lines = right.match(new RegExp(`\\S.{0,${COLUMNS - column - 1}}(?=\\s|$)`, "g")) ?? [];
  const [first = "", ...more] = lines;
  return [
    `  ${left}`.padEnd(column - 2) + "  " + first,
    ...more.map((line) => " ".repeat(column) + line),
  ]
    .map((line) => `${line}\n`).join("");
}

const PROGRAM =
  "tarpush pushes container images from tar files to registries, without a Docker daemon.\n";

const EXAMPLES = `Examples:
  tarpush push image.tar localhost:5000/team/app:1.0
  docker save app | tarpush push - registry.lan/app:1.0
  tarpush inspect image.tar
`;

const EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n";
