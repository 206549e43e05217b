import {
  ARCHIVE,
  parseShell,
  readCheckWords,
  readCopyWords,
  readPushWords,
  readSaveWords,
  readServeWords,
  readSource,
  REFERENCE,
  Words,
} from "./command_words.ts";
import {
  parseAddress,
  parseCount,
  parseFrequency,
  parseOrigin,
  parseSeconds,
  parseShard,
  parseSize,
} from "./option_values.ts";
import {
  choice,
  flag,
  type Given,
  list,
  listFile,
  type OptionTable,
  text,
  value,
  type ValuesOf,
  withDefault,
} from "./options.ts";

// What there is to type stands here once. Parsing, help and completions are made from it, and the types of commands.

/** Options that every command takes, before its name or after it. */
export const COMMON_OPTIONS = {
  plainHttp: flag(
    "--plain-http",
    "Use http; without it only localhost and loopback addresses get http",
  ),
  ca: text("--ca FILE", "Trust the root certificates in FILE (PEM) as well"),
  insecure: flag(
    "--insecure",
    "Accept any TLS certificate of the registries that are named; on Deno a list is read to its end for that",
  ),
  timeoutSeconds: value(
    "--timeout SECONDS",
    "Give up when a connection is silent for so long (60; 300 for the answer to an upload)",
    parseSeconds,
  ),
  maxRequestsPerSecond: value(
    "--max-requests-per-second N",
    "Send each registry at most N requests a second",
    parseFrequency,
  ),
  maxRate: value(
    "--max-rate SIZE",
    "Move no more bytes a second to and from each registry, such as 10MB",
    parseSize,
  ),
  json: flag("--json", "One JSON document on stdout"),
  quiet: flag("-q, --quiet", "Only errors and the result"),
  debug: flag("--debug", "Stack traces of errors"),
};

/** Options that ask for an answer in place of the command, as common as the others. */
export const ASKING_OPTIONS = {
  help: flag("-h, --help", "This text"),
  version: flag("--version", "The version"),
};

/** Archives or images: each has some connections open, and a file; many systems let a program have 1,024, and Deno dies beyond. */
const MOST_AT_ONCE = 200;

const concurrency = (what: string) =>
  value("--concurrency N", `Blobs to ${what} at the same time (3)`, parseCount(1));
const platforms = (what: string, platform: string) =>
  list("--platform P", `${what} only this platform, such as ${platform}`);
const onExisting = choice(
  "--on-existing WHAT",
  "A tag that names something else: overwrite (the default), skip it, or error",
  ["overwrite", "skip", "error"],
);
const isParts = flag(
  "--parts",
  "Read the files as parts of one archive, in order; A.sha256 beside A.001 tells more of them",
);
const retries = value("--retries N", "Further attempts after the first (4)", parseCount(0));

/** What can be asked of the command line. */
export const COMMANDS = {
  push: command({
    verb: "push",
    usage: "TAR|-|URL TARGET...",
    summary: "Push the images of one archive, or of many",
    options: () => ({
      images: list(
        "--image NAME",
        "Push only this image: name, tag, digest or #N as inspect shows it",
      ),
      allTags: flag("--all-tags", "Push every tag of the archive to the repository of TARGET"),
      rename: list("--rename FROM=TO", "Change the leading part of the archive's names"),
      platforms: platforms("Push", "linux/amd64 or windows/amd64:10.0.20348.1"),
      concurrency: concurrency("upload"),
      verify: flag("--verify", "Hash every blob here too, before the registry does"),
      force: flag(
        "--force",
        "Send what the registry says it has as well, and read it back: for one that lost or damaged it",
      ),
      dryRun: flag("--dry-run", "Ask the registry what it has, and write nothing"),
      mountFrom: list(
        "--mount-from REPO",
        "Repository of the same registry that may have blobs already",
      ),
      retries,
      chunkSize: value(
        "--chunk-size SIZE",
        "Upload in chunks of this size, such as 8MiB or 16M",
        parseSize,
      ),
      manifestType: choice(
        "--manifest-type TYPE",
        "Types of manifests that the archive does not have itself: docker, oci, or auto for what the registry takes",
        ["auto", "docker", "oci"],
      ),
      compression: choice(
        "--compress HOW",
        "Layers that are not compressed: keep (the default), gzip, zstd, or auto for gzip where the link is slow",
        ["keep", "gzip", "zstd", "auto"],
      ),
      compressionLevel: value(
        "--level N",
        "How well: 1 to 9 for gzip (1), 1 to 12 for zstd (2)",
        parseCount(1, 12),
      ),
      forceCompress: flag(
        "--force-compress",
        "Compress images that have signatures too, which are left behind",
      ),
      onExisting,
      digestfile: text(
        "--digestfile FILE",
        "Write the digests of what was pushed to FILE, one a line",
      ),
      to: list("--to TARGET", "Push every SOURCE to TARGET"),
      from: listFile(
        "--from FILE",
        "Push what FILE lists, - for stdin; one a line: SOURCE, SOURCE TARGET, or both as JSON",
      ),
      archives: value(
        "--archives N",
        "Archives to work on at the same time (4)",
        parseCount(1, MOST_AT_ONCE),
      ),
      receipts: text(
        "--receipts FILE",
        "Add a JSON line to FILE for each archive that ends; what it says is done is skipped",
      ),
      shard: value(
        "--shard I/N",
        "Push only part I of N, counted from 0, of the archives, as their names tell",
        parseShard,
      ),
      failFast: flag("--fail-fast", "Stop at the first archive that fails"),
      isParts,
    }),
    read: readPushWords,
  }),
  inspect: command({
    verb: "inspect",
    usage: "TAR|-|URL",
    summary: "Show what is in an archive",
    options: () => ({ isParts }),
    read: (words, { isParts }) =>
      readSource(words, isParts, `Nothing to inspect, expected ${ARCHIVE}`),
  }),
  check: command({
    verb: "check",
    usage: "TAR|-|URL|REFERENCE",
    summary: "Verify all of an archive, or of an image in a registry",
    options: () => ({
      isParts,
      against: text(
        "--against PLACE",
        "Of an archive that leaves out layers: tell whether HOST or HOST/REPOSITORY has them",
      ),
      quick: flag("--quick", "Of an image in a registry: only ask whether its blobs are there"),
      allTags: flag("--all-tags", "Of a repository, HOST/REPOSITORY: check every tag"),
      repair: text(
        "--repair TAR",
        "Of an image in a registry: send what is broken from TAR (of parts the first), and check again",
      ),
    }),
    read: readCheckWords,
  }),
  ping: command({
    verb: "ping",
    usage: "REGISTRY",
    summary: "Tell whether a registry answers",
    options: () => ({}),
    read: (words) => ({ registry: words.next("Nothing to ping, expected a registry") }),
  }),
  ls: command({
    verb: "ls",
    usage: "REGISTRY[/REPOSITORY]",
    summary: "List repositories, or the tags of one",
    options: () => ({}),
    read: (words) => ({ target: words.next("Nothing to list, expected a registry or repository") }),
  }),
  info: command({
    verb: "info",
    usage: "REFERENCE",
    summary: "Show what an image in a registry is made of",
    options: () => ({}),
    read: (words) => ({ reference: words.next(`Nothing to show, expected ${REFERENCE}`) }),
  }),
  rm: command({
    verb: "rm",
    usage: "REFERENCE",
    summary: "Remove an image from a registry",
    options: () => ({
      yes: flag("--yes", "Remove the other tags of the same image too, unasked"),
    }),
    read: (words) => ({ reference: words.next(`Nothing to remove, expected ${REFERENCE}`) }),
  }),
  save: command({
    verb: "save",
    usage: "REFERENCE... TAR|DIR/|-",
    summary: "Save images of registries as one archive",
    options: () => ({
      allTags: flag("--all-tags", "Save every tag of the repositories that are named"),
      tags: list(
        "--tag PATTERN",
        "Save the tags of the repositories that fit, such as 'v1.*'; '!*-rc*' leaves out",
      ),
      from: listFile(
        "--from FILE",
        "Save what FILE lists, - for stdin; one a line: REFERENCE, REFERENCE NAME, or both as JSON",
      ),
      format: choice(
        "--format FORMAT",
        "docker: as docker save, an OCI layout with manifest.json (the default of a tar); " +
          "oci: the layout alone (of a folder)",
        ["docker", "oci"],
      ),
      without: list(
        "--without OTHER",
        "Leave out layers that OTHER has: an archive (of parts the first), HOST/REPOSITORY, or HOST",
      ),
      split: value(
        "--split SIZE",
        "Write TAR in parts of this size, such as 2GB: TAR.001, ..., and TAR.sha256 for sha256sum -c",
        parseSize,
      ),
      namesFirst: flag(
        "--names-first",
        "Put the names before the blobs, for who reads it from a pipe",
      ),
      referrers: flag(
        "--referrers",
        "Save what refers to the image too: signatures, SBOMs, attestations; what cosign keeps under tags goes along without",
      ),
      platforms: platforms("Save", "linux/arm64"),
      retries,
    }),
    read: readSaveWords,
  }),
  copy: command({
    verb: "copy",
    usage: "REFERENCE REFERENCE...",
    summary: "Copy images within a registry or to another one",
    options: () => ({
      allTags: flag(
        "--all-tags",
        "Copy every tag of the repository SOURCE to the repository TARGET",
      ),
      tags: list(
        "--tag PATTERN",
        "Copy the tags of the repository that fit, such as 'v1.*'; '!*-rc*' leaves out",
      ),
      from: listFile(
        "--from FILE",
        "Copy what FILE lists, - for stdin; one a line: SOURCE, SOURCE TARGET, or both as JSON",
      ),
      to: list("--to TARGET", "Copy every SOURCE to TARGET"),
      images: value(
        "--images N",
        "Images to copy at the same time (4)",
        parseCount(1, MOST_AT_ONCE),
      ),
      failFast: flag("--fail-fast", "Stop at the first image that fails"),
      referrers: flag(
        "--referrers",
        "Bring along what refers to the image: signatures, SBOMs, attestations",
      ),
      platforms: platforms("Copy", "linux/amd64"),
      concurrency: concurrency("copy"),
      dryRun: flag("--dry-run", "Ask the registries what they have, and write nothing"),
      onExisting,
      retries,
    }),
    read: readCopyWords,
  }),
  serve: command({
    verb: "serve",
    usage: "[TAR...]",
    summary: "Run a registry",
    options: () => ({
      dir: text("--dir PATH", "Keep everything in this folder, an OCI layout for each repository"),
      scrub: flag(
        "--scrub",
        "Read all that --dir has, tell what is damaged or missing, and end",
      ),
      keepUntagged: flag(
        "--keep-untagged",
        "Keep what no tag leads to; without it that goes after a day",
      ),
      hostname: withDefault(
        value("--host H", "Address to listen on (127.0.0.1)", parseAddress),
        "127.0.0.1",
      ),
      port: withDefault(
        value("--port N", "Port to listen on, 0 for a free one (5000)", parseCount(0, 65_535)),
        5000,
      ),
      readOnly: flag("--read-only", "Refuse pushes"),
      allowDelete: flag("--allow-delete", "Allow to delete tags, manifests and blobs"),
      cors: list(
        "--cors ORIGIN",
        "Let the pages of this origin use the registry, * for all",
        parseOrigin,
      ),
      maxBlobBytes: value(
        "--max-blob SIZE",
        "Refuse blobs above this size, such as 2GiB",
        parseSize,
      ),
      cert: text("--cert FILE", "Serve https with this certificate (PEM), and --key"),
      key: text("--key FILE", "Its key (PEM)"),
    }),
    read: readServeWords,
  }),
  completions: command({
    verb: "completions",
    usage: "SHELL",
    summary: "Print completions for bash, zsh or fish",
    options: () => ({}),
    read: (words) => ({
      shell: parseShell(words.next("Nothing to complete, expected bash, zsh or fish")),
    }),
  }),
};

export type Verb = keyof typeof COMMANDS;
export type CommonOptions = ValuesOf<typeof COMMON_OPTIONS>;

/** What the arguments ask for. */
export type Command =
  | { verb: "help"; topic: Verb | undefined }
  | { verb: "version" }
  | VerbCommand;

/** What is asked of one of the commands. */
export type VerbCommand = Asked<Verb>;
export type PushCommand = Asked<"push">;
export type PushOneCommand = Extract<PushCommand, { isMany: false }>;
export type PushManyCommand = Extract<PushCommand, { isMany: true }>;
export type InspectCommand = Asked<"inspect">;
export type CheckCommand = Asked<"check">;
export type PingCommand = Asked<"ping">;
export type ListCommand = Asked<"ls">;
export type InfoCommand = Asked<"info">;
export type RemoveCommand = Asked<"rm">;
export type SaveCommand = Asked<"save">;
export type CopyCommand = Asked<"copy">;
export type CopyOneCommand = Extract<CopyCommand, { isMany: false }>;
export type CopyManyCommand = Extract<CopyCommand, { isMany: true }>;
export type ServeCommand = Asked<"serve">;

type Asked<V extends Verb> = ReturnType<typeof COMMANDS[V]["parse"]>;

/** A command, as it is written down above. */
interface Description<V extends string, Table extends OptionTable, Named extends object> {
  verb: V;
  /** What follows it, as the overview of commands shows it. */
  usage: string;
  summary: string;
  /** Its own options, in the order of the help: made where they are asked for, not at every start of the program. */
  options: () => Table;
  /** Makes sense of the words that follow it, given its own options. */
  read: (words: Words, options: ValuesOf<Table>) => Named;
}

function command<V extends string, Table extends OptionTable, Named extends object>(
  { verb, usage, summary, options: make, read }: Description<V, Table, Named>,
) {
  let made: Table | undefined;
  const options = () => made ??= make();
  const parse = (given: Given) => {
    const words = new Words(verb, given.words.slice(1));
    const own = given.read(options());
    const named = read(words, own);
    words.refuseRest();
    return { verb, ...given.read(COMMON_OPTIONS), ...own, ...named };
  };
  return { usage, summary, options, parse };
}
