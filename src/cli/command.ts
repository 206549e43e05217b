import type { ArchiveFormat } from "../image/write_archive.ts";

/** What the arguments ask for. */
export type Command =
  | { verb: "help"; topic: Verb | undefined }
  | { verb: "version" }
  | PushCommand
  | InspectCommand
  | CheckCommand
  | PingCommand
  | ListCommand
  | InfoCommand
  | RemoveCommand
  | SaveCommand
  | CopyCommand
  | ServeCommand
  | CompletionsCommand;

/** What can be asked of the command line. */
export type Verb =
  | "push"
  | "inspect"
  | "check"
  | "ping"
  | "ls"
  | "info"
  | "rm"
  | "save"
  | "copy"
  | "serve"
  | "completions";

/** Options that every command takes. */
export interface CommonOptions {
  plainHttp: boolean;
  /** File with further root certificates. */
  ca: string | undefined;
  insecure: boolean;
  /** Longest silence of a connection, in seconds. */
  timeoutSeconds: number | undefined;
  json: boolean;
  quiet: boolean;
  debug: boolean;
}

/** `tarpush push SOURCE TARGET...` */
export interface PushCommand extends CommonOptions {
  verb: "push";
  /** Path, `-` or URL. */
  source: string;
  targets: string[];
  images: string[];
  allTags: boolean;
  rename: string[];
  platforms: string[];
  concurrency: number | undefined;
  verify: boolean;
  dryRun: boolean;
  mountFrom: string[];
  /** Further attempts after the first. */
  retries: number | undefined;
  /** In bytes. */
  chunkSize: number | undefined;
  digestfile: string | undefined;
}

/** `tarpush inspect SOURCE` */
export interface InspectCommand extends CommonOptions {
  verb: "inspect";
  /** Path, `-` or URL. */
  source: string;
}

/** `tarpush check SOURCE` */
export interface CheckCommand extends CommonOptions {
  verb: "check";
  /** Path, `-` or URL. */
  source: string;
}

/** `tarpush ping REGISTRY` */
export interface PingCommand extends CommonOptions {
  verb: "ping";
  registry: string;
}

/** `tarpush ls REGISTRY[/REPOSITORY]` */
export interface ListCommand extends CommonOptions {
  verb: "ls";
  target: string;
}

/** `tarpush info REFERENCE` */
export interface InfoCommand extends CommonOptions {
  verb: "info";
  reference: string;
}

/** `tarpush rm REFERENCE` */
export interface RemoveCommand extends CommonOptions {
  verb: "rm";
  reference: string;
  /** Remove what goes with it, unasked. */
  yes: boolean;
}

/** `tarpush save REFERENCE TAR` */
export interface SaveCommand extends CommonOptions {
  verb: "save";
  reference: string;
  /** Path or `-`. */
  tar: string;
  format: ArchiveFormat;
  platforms: string[];
  /** Further attempts after the first. */
  retries: number | undefined;
}

/** `tarpush copy SOURCE TARGET...` */
export interface CopyCommand extends CommonOptions {
  verb: "copy";
  source: string;
  targets: string[];
  platforms: string[];
  /** Signatures and the like come along. */
  referrers: boolean;
  concurrency: number | undefined;
  dryRun: boolean;
  /** Further attempts after the first. */
  retries: number | undefined;
}

/** `tarpush completions SHELL` */
export interface CompletionsCommand {
  verb: "completions";
  shell: Shell;
}

/** Shells that completions can be written for. */
export type Shell = "bash" | "zsh" | "fish";

/** `tarpush serve` */
export interface ServeCommand extends CommonOptions {
  verb: "serve";
  hostname: string;
  port: number;
  readOnly: boolean;
  allowDelete: boolean;
  /** Origins whose pages may use the registry. */
  cors: string[];
}
