import type { ArchiveFormat } from "../image/write_archive.ts";
import type {
  Command,
  CommonOptions,
  CopyCommand,
  PushCommand,
  SaveCommand,
  ServeCommand,
  Shell,
  Verb,
} from "./command.ts";
import {
  didYouMean,
  type Given,
  type OptionTable,
  parseCount,
  parseOptions,
  parseSeconds,
  parseSize,
  quote,
  UsageError,
} from "./options.ts";

/** Options of every command. */
export const COMMON_OPTIONS: OptionTable = {
  "plain-http": "flag",
  ca: "value",
  insecure: "flag",
  timeout: "value",
  json: "flag",
  quiet: "flag",
  debug: "flag",
  help: "flag",
  version: "flag",
};

/** Options of each command beside the common ones. */
export const VERB_OPTIONS: Readonly<Record<Verb, OptionTable>> = {
  push: {
    image: "list",
    "all-tags": "flag",
    rename: "list",
    platform: "list",
    concurrency: "value",
    verify: "flag",
    "dry-run": "flag",
    "mount-from": "list",
    retries: "value",
    "chunk-size": "value",
    digestfile: "value",
  },
  inspect: {},
  check: {},
  ping: {},
  ls: {},
  info: {},
  rm: { yes: "flag" },
  save: { format: "value", platform: "list", retries: "value" },
  copy: {
    referrers: "flag",
    platform: "list",
    concurrency: "value",
    "dry-run": "flag",
    retries: "value",
  },
  serve: {
    host: "value",
    port: "value",
    "read-only": "flag",
    "allow-delete": "flag",
    cors: "list",
  },
  completions: {},
};

const VERBS = Object.keys(VERB_OPTIONS) as Verb[];
const FORMATS: readonly ArchiveFormat[] = ["docker", "oci"];
const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

/**
 * Reads the arguments of a command line.
 *
 * @param args Arguments after the name of the program.
 * @returns The command, every option checked.
 * @throws {UsageError} If they make none.
 */
export function parseCommand(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === undefined) {
    throw new UsageError(`No command given, expected one of ${VERBS.join(", ")}`, "tarpush --help");
  }
  if (first === "help") {
    return { verb: "help", topic: rest[0] === undefined ? undefined : parseVerb(rest[0]) };
  }
  if (first.startsWith("-") && first !== "-") return parseWithoutVerb(args);
  const verb = parseVerb(first);
  const given = readOptions(rest, { ...COMMON_OPTIONS, ...VERB_OPTIONS[verb] }, verb);
  if (given.flag("help")) return { verb: "help", topic: verb };
  if (given.flag("version")) return { verb: "version" };
  switch (verb) {
    case "push":
      return toPushCommand(given);
    case "inspect":
    case "check":
      return { verb, ...toCommonOptions(given), source: onlyArgument(given, verb, ARCHIVE) };
    case "ping":
      return {
        verb,
        ...toCommonOptions(given),
        registry: onlyArgument(given, "ping", "a registry"),
      };
    case "ls":
      return {
        verb,
        ...toCommonOptions(given),
        target: onlyArgument(given, "list", "a registry or repository", "ls"),
      };
    case "info":
      return {
        verb,
        ...toCommonOptions(given),
        reference: onlyArgument(given, "show", REFERENCE, verb),
      };
    case "rm":
      return {
        verb,
        ...toCommonOptions(given),
        reference: onlyArgument(given, "remove", REFERENCE, verb),
        yes: given.flag("yes"),
      };
    case "save":
      return toSaveCommand(given);
    case "copy":
      return toCopyCommand(given);
    case "completions":
      return {
        verb,
        shell: parseShell(onlyArgument(given, "complete", "bash, zsh or fish", verb)),
      };
    case "serve":
      return toServeCommand(given);
  }
}

function parseWithoutVerb(args: readonly string[]): Command {
  const given = readOptions(args, COMMON_OPTIONS, undefined);
  if (given.flag("version")) return { verb: "version" };
  if (given.flag("help")) {
    return {
      verb: "help",
      topic: VERBS.find((verb) => verb === given.rest[0]),
    };
  }
  throw new UsageError(
    `No command before ${quote(args[0] ?? "")}, expected one of ${VERBS.join(", ")}`,
    "tarpush --help",
  );
}

function parseVerb(text: string): Verb {
  const verb = VERBS.find((known) => known === text);
  if (verb) return verb;
  if (/\.(tar|tgz|gz|zst)$/.test(text)) {
    throw new UsageError(`Unknown command ${quote(text)}`, `tarpush push ${text} REFERENCE`);
  }
  throw new UsageError(
    `Unknown command ${quote(text)}, expected one of ${VERBS.join(", ")}`,
    didYouMean(text, VERBS) ?? "tarpush --help",
  );
}

function toPushCommand(given: Given): PushCommand {
  const [source, ...targets] = given.rest;
  if (source === undefined) {
    throw new UsageError("Nothing to push, expected a tar file, - or a URL", "tarpush push --help");
  }
  return {
    verb: "push",
    ...toCommonOptions(given),
    source,
    targets,
    images: given.list("image"),
    allTags: given.flag("all-tags"),
    rename: given.list("rename"),
    platforms: given.list("platform"),
    concurrency: given.parsed("concurrency", parseCount(1)),
    verify: given.flag("verify"),
    dryRun: given.flag("dry-run"),
    mountFrom: given.list("mount-from"),
    retries: given.parsed("retries", parseCount(0)),
    chunkSize: given.parsed("chunk-size", parseSize),
    digestfile: given.value("digestfile"),
  };
}

const ARCHIVE = "a tar file, - or a URL";
const REFERENCE = "a reference such as localhost:5000/team/app:1.0";

function onlyArgument(given: Given, what: string, expected: string, verb: string = what): string {
  const [argument, extra] = given.rest;
  if (argument === undefined) {
    throw new UsageError(`Nothing to ${what}, expected ${expected}`, `tarpush ${verb} --help`);
  }
  refuseExtra(extra);
  return argument;
}

function parseShell(text: string): Shell {
  const shell = SHELLS.find((known) => known === text);
  if (shell) return shell;
  throw new UsageError(`Unknown shell ${quote(text)}, expected one of ${SHELLS.join(", ")}`);
}

function toSaveCommand(given: Given): SaveCommand {
  const [reference, tar, extra] = given.rest;
  if (reference === undefined) {
    throw new UsageError(`Nothing to save, expected ${REFERENCE}`, "tarpush save --help");
  }
  if (tar === undefined) {
    throw new UsageError(
      "Nothing to write to, expected a file or -",
      `tarpush save ${reference} image.tar`,
    );
  }
  refuseExtra(extra);
  return {
    verb: "save",
    ...toCommonOptions(given),
    reference,
    tar,
    format: given.parsed("format", parseFormat) ?? "docker",
    platforms: given.list("platform"),
    retries: given.parsed("retries", parseCount(0)),
  };
}

function toCopyCommand(given: Given): CopyCommand {
  const [source, ...targets] = given.rest;
  if (source === undefined) {
    throw new UsageError(`Nothing to copy, expected ${REFERENCE}`, "tarpush copy --help");
  }
  if (targets.length === 0) {
    throw new UsageError(`Nowhere to copy to, expected ${REFERENCE}`, "tarpush copy --help");
  }
  return {
    verb: "copy",
    ...toCommonOptions(given),
    source,
    targets,
    platforms: given.list("platform"),
    referrers: given.flag("referrers"),
    concurrency: given.parsed("concurrency", parseCount(1)),
    dryRun: given.flag("dry-run"),
    retries: given.parsed("retries", parseCount(0)),
  };
}

function parseFormat(text: string, option: string): ArchiveFormat {
  const format = FORMATS.find((known) => known === text);
  if (format) return format;
  throw new UsageError(`Option ${option} is ${quote(text)}, expected ${FORMATS.join(" or ")}`);
}

function toServeCommand(given: Given): ServeCommand {
  refuseExtra(given.rest[0]);
  return {
    verb: "serve",
    ...toCommonOptions(given),
    hostname: given.value("host") ?? "127.0.0.1",
    port: given.parsed("port", parseCount(0, 65_535)) ?? 5000,
    readOnly: given.flag("read-only"),
    allowDelete: given.flag("allow-delete"),
    cors: given.list("cors"),
  };
}

function toCommonOptions(given: Given): CommonOptions {
  return {
    plainHttp: given.flag("plain-http"),
    ca: given.value("ca"),
    insecure: given.flag("insecure"),
    timeoutSeconds: given.parsed("timeout", parseSeconds),
    json: given.flag("json"),
    quiet: given.flag("quiet"),
    debug: given.flag("debug"),
  };
}

function refuseExtra(argument: string | undefined): void {
  if (argument !== undefined) throw new UsageError(`Unexpected argument ${quote(argument)}`);
}

function readOptions(args: readonly string[], table: OptionTable, verb: Verb | undefined): Given {
  return parseOptions(args, table, (name) => {
    const owner = VERBS.find((other) => Object.hasOwn(VERB_OPTIONS[other], name));
    if (owner && verb) return `it belongs to tarpush ${owner}`;
    return didYouMean(name, Object.keys(table), "--") ??
      (verb ? `tarpush ${verb} --help` : "tarpush --help");
  });
}
