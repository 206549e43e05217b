import { COMMON_OPTIONS, VERB_OPTIONS } from "./args.ts";
import type { Shell } from "./command.ts";
import type { OptionKind } from "./options.ts";

/**
 * Completions of commands, options and files for a shell, made from the table that arguments are parsed with.
 *
 * @param shell The shell.
 * @returns A script for it.
 */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]();
}

interface Option {
  name: string;
  kind: OptionKind;
  /** Whether its value is a file. */
  isFile: boolean;
}

interface VerbTable {
  verb: string;
  options: Option[];
  /** Whether its arguments are files. */
  takesFiles: boolean;
  /** Words to choose its argument from. */
  words: readonly string[];
}

/** Commands whose arguments are files. */
const FILE_VERBS = new Set(["push", "inspect", "check", "save"]);
/** Options whose values are files. */
const FILE_OPTIONS = new Set(["ca", "digestfile"]);
const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

function tables(): VerbTable[] {
  return Object.entries(VERB_OPTIONS).map(([verb, own]) => ({
    verb,
    options: Object.entries({ ...own, ...COMMON_OPTIONS }).map(([name, kind]) => ({
      name,
      kind,
      isFile: FILE_OPTIONS.has(name),
    })),
    takesFiles: FILE_VERBS.has(verb),
    words: verb === "completions" ? SHELLS : [],
  }));
}

const SCRIPTS: Readonly<Record<Shell, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const verbList = () => [...Object.keys(VERB_OPTIONS), "help"].join(" ");
const flagsOf = ({ options }: VerbTable) => options.map(({ name }) => `--${name}`).join(" ");
const valuesOf = ({ options }: VerbTable, isFile: boolean) =>
  options.filter((option) => option.kind !== "flag" && option.isFile === isFile)
    .map(({ name }) => `--${name}`);

function bashScript(): string {
  const cases = tables().map((table) => {
    const words = table.words.length > 0 ? table.words.join(" ") : "";
    return `    ${table.verb}) options="${flagsOf(table)}" words="${words}" files=${
      table.takesFiles ? 1 : ""
    } ;;`;
  });
  const all = tables();
  const files = [...new Set(all.flatMap((table) => valuesOf(table, true)))].join("|");
  const values = [...new Set(all.flatMap((table) => valuesOf(table, false)))].join("|");
  return `# Completions of tarpush for bash: source <(tarpush completions bash)
_tarpush() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  local verb="\${COMP_WORDS[1]}" options="" words="" files=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${verbList()} --help --version" -- "$word"))
    return
  fi
  case "$before" in
    ${files}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    ${values}) return ;;
  esac
  case "$verb" in
${cases.join("\n")}
    help) words="${Object.keys(VERB_OPTIONS).join(" ")}" ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *)
      COMPREPLY=($(compgen -W "$words" -- "$word"))
      if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$word")); fi
      ;;
  esac
}
complete -o filenames -F _tarpush tarpush
`;
}

function zshScript(): string {
  const cases = tables().map((table) => {
    const specs = table.options.map(({ name, kind, isFile }) => {
      const value = kind === "flag" ? "" : `=:${name}:${isFile ? "_files" : " "}`;
      return `'${kind === "list" ? "*" : ""}--${name}${value}'`;
    });
    const rest = table.takesFiles
      ? "'*:file:_files'"
      : table.words.length > 0
      ? `'1:shell:(${table.words.join(" ")})'`
      : "";
    return `    ${table.verb}) _arguments ${specs.join(" ")} ${rest} ;;`;
  });
  return `#compdef tarpush
# Completions of tarpush for zsh: tarpush completions zsh > DIRECTORY-OF-FPATH/_tarpush
_tarpush() {
  if (( CURRENT == 2 )); then
    compadd -- ${verbList()} --help --version
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join("\n")}
    help) compadd -- ${Object.keys(VERB_OPTIONS).join(" ")} ;;
  esac
}
if [ "$funcstack[1]" = _tarpush ]; then _tarpush "$@"; else compdef _tarpush tarpush; fi
`;
}

function fishScript(): string {
  const lines = tables().flatMap((table) => {
    const condition = `-n '__fish_seen_subcommand_from ${table.verb}'`;
    const options = table.options.map(({ name, kind, isFile }) =>
      `complete -c tarpush ${condition} -l ${name}${
        kind === "flag" ? "" : isFile ? " -r -F" : " -x"
      }`
    );
    if (table.takesFiles) options.push(`complete -c tarpush ${condition} -F`);
    if (table.words.length > 0) {
      options.push(`complete -c tarpush ${condition} -a '${table.words.join(" ")}'`);
    }
    return options;
  });
  return `# Completions of tarpush for fish: tarpush completions fish > ~/.config/fish/completions/tarpush.fish
complete -c tarpush -f
complete -c tarpush -n __fish_use_subcommand -a '${verbList()}'
complete -c tarpush -n __fish_use_subcommand -l help
complete -c tarpush -n __fish_use_subcommand -l version
${lines.join("\n")}
`;
}
