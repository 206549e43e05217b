import { EVERYWHERE, optionsOfVerb, VERBS } from "./args.ts";
import { COMMANDS } from "./command.ts";
import { type Shell, SHELLS } from "./command_words.ts";
import type { Option } from "./options.ts";

/** Completions of commands, options and files for a shell, made from the table that arguments are parsed with. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]();
}

const SCRIPTS: Readonly<Record<Shell, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** A first word, and what may follow it. */
interface Completion {
  verb: string;
  options: readonly Option[];
  takesFiles: boolean;
  words: readonly string[];
}

const FIRST_WORDS = [...VERBS, "help"];

function completions(): Completion[] {
  const commands = VERBS.map((verb) => ({
    verb,
    options: optionsOfVerb(verb),
    takesFiles: COMMANDS[verb].usage.includes("TAR"),
    words: verb === "completions" ? SHELLS : [],
  }));
  return [...commands, { verb: "help", options: [], takesFiles: false, words: VERBS }];
}

const isFile = ({ placeholder }: Option) => placeholder === "FILE";
const dashed = ({ name, short }: Option) => [`--${name}`, ...(short ? [short] : [])];
const longNames = (options: readonly Option[]) => options.map(({ name }) => `--${name}`).join(" ");

/** Every option with a value once, though several commands have it. */
function valueOptions(): Option[] {
  const all = [...EVERYWHERE, ...VERBS.flatMap(optionsOfVerb)]
    .filter(({ placeholder }) => placeholder !== undefined);
  return [...new Map(all.map((option) => [option.name, option])).values()];
}

function bashScript(): string {
  const values = valueOptions();
  const valueLines = values.map((option) =>
    `    ${dashed(option).join("|")}) ${bashValue(option)} ;;`
  );
  const lines = completions().map(({ verb, options, takesFiles, words }) =>
    `    ${verb}) options="${longNames(options)}" words="${words.join(" ")}" files=${
      takesFiles ? 1 : ""
    } ;;`
  );
  return `# Completions of tarpush for bash: source <(tarpush completions bash)
_tarpush() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  local verb="" options="" words="" files="" index
  COMPREPLY=()
  # bash takes --ca=FILE apart
  if [ "$word" = "=" ]; then word=""
  elif [ "$before" = "=" ]; then before="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
      ${values.flatMap(dashed).join("|")})
        if [ "\${COMP_WORDS[index+1]}" = "=" ]; then ((index++)); fi
        ((index++)) ;;
      -*) ;;
      *) verb="\${COMP_WORDS[index]}"; break ;;
    esac
  done
  case "$before" in
${valueLines.join("\n")}
  esac
  case "$verb" in
    "") words="${FIRST_WORDS.join(" ")}" ;;
${lines.join("\n")}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options ${longNames(EVERYWHERE)}" -- "$word")) ;;
    *)
      COMPREPLY=($(compgen -W "$words" -- "$word"))
      if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$word")); fi
      ;;
  esac
}
complete -o filenames -F _tarpush tarpush
`;
}

/** What is offered as the value of an option, as COMPREPLY is to be set. */
function bashValue(option: Option): string {
  if (isFile(option)) return 'COMPREPLY=($(compgen -f -- "$word")); return';
  const words = option.words.join(" ");
  return words === "" ? "return" : `COMPREPLY=($(compgen -W "${words}" -- "$word")); return`;
}

function zshScript(): string {
  const specsOf = (options: readonly Option[]) => options.flatMap(zshSpecs).join(" ");
  const lines = completions().map(({ verb, options, takesFiles, words }) => {
    const rest = takesFiles
      ? "'*:file:_files'"
      : words.length > 0
      ? `'1:word:(${words.join(" ")})'`
      : "";
    return `    ${verb}) _arguments $common ${specsOf(options)} ${rest} ;;`;
  });
  return `#compdef tarpush
# Completions of tarpush for zsh: tarpush completions zsh > DIRECTORY-OF-FPATH/_tarpush
_tarpush() {
  local context state state_descr line
  local -A opt_args
  local -a common=(${specsOf(EVERYWHERE)})
  _arguments -C -A '-*' $common '1:command:(${FIRST_WORDS.join(" ")})' '*:: :->rest'
  [[ $state = rest ]] || return
  case $words[1] in
${lines.join("\n")}
  esac
}
if [ "$funcstack[1]" = _tarpush ]; then _tarpush "$@"; else compdef _tarpush tarpush; fi
`;
}

function zshSpecs(option: Option): string[] {
  const { name, placeholder, repeats, words } = option;
  const action = isFile(option) ? "_files" : words.length > 0 ? `(${words.join(" ")})` : " ";
  const value = placeholder === undefined ? "" : `=:${name}:${action}`;
  return dashed(option).map((typed) => `'${repeats ? "*" : ""}${typed}${value}'`);
}

function fishScript(): string {
  const lines = completions().flatMap(({ verb, options, takesFiles, words }) => {
    const condition = ` -n '__tarpush_is ${verb}'`;
    return [
      ...options.map((option) => fishLine(option, condition)),
      ...(takesFiles ? [`complete -c tarpush${condition} -F`] : []),
      ...(words.length > 0 ? [`complete -c tarpush${condition} -a '${words.join(" ")}'`] : []),
    ];
  });
  const values = EVERYWHERE.filter(({ placeholder }) => placeholder !== undefined).flatMap(dashed);
  return `# Completions of tarpush for fish: tarpush completions fish > ~/.config/fish/completions/tarpush.fish
function __tarpush_is
  set -l verb ""
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case ${values.join(" ")}
        set skip 1
      case '-*'
      case '*'
        set verb $word
        break
    end
  end
  test "$verb" = "$argv[1]"
end
complete -c tarpush -f
complete -c tarpush -n '__tarpush_is ""' -a '${FIRST_WORDS.join(" ")}'
${[...EVERYWHERE.map((option) => fishLine(option, "")), ...lines].join("\n")}
`;
}

function fishLine(option: Option, condition: string): string {
  const { name, short, placeholder, words } = option;
  const choice = words.length > 0 ? ` -a '${words.join(" ")}'` : "";
  const value = placeholder === undefined ? "" : isFile(option) ? " -r -F" : ` -x${choice}`;
  const typed = `-l ${name}${short ? ` -s ${short.slice(1)}` : ""}`;
  return `complete -c tarpush${condition} ${typed}${value}`;
}
