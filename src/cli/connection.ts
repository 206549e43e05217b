import { parseTarget } from "../reference.ts";
import type { RequestOptions } from "../registry/http/request_options.ts";
import type { Host } from "../runtime/host.ts";
import type { Command, Verb, VerbCommand } from "./command.ts";
import { isArchivePath } from "./command_words.ts";
import { given, quote, UsageError } from "./options.ts";

/** How a command reaches registries, as the options of a push and of a client have it. */
export type ConnectionOptions =
  & Required<Pick<RequestOptions, "plainHttp" | "fetch">>
  & Pick<RequestOptions, "timeouts" | "maxRequestsPerSecond" | "maxRate">;

/** Hosts whose certificates `--insecure` accepts: those that a command and its list name. A list may name more later. */
export class InsecureHosts {
  /** They, without their ports; none without the option. */
  readonly names: string[] = [];
  readonly #isAsked: boolean;

  constructor(command: VerbCommand) {
    this.#isAsked = command.insecure;
    this.add(targetsOf(command));
  }

  /**
   * Adds those of references and places.
   *
   * @throws {SyntaxError} If one is none, with or without the option: that is told before anything is read.
   */
  add(targets: readonly string[]): void {
    const registries = targets.map(registryOf);
    if (!this.#isAsked) return;
    for (const name of hostnames(registries)) {
      if (!this.names.includes(name)) this.names.push(name);
    }
  }
}

/**
 * Reads what the options of every command say about connections.
 *
 * @param insecureHosts Those of the command, and of its list if it has one.
 */
export async function connectionOptions(
  command: VerbCommand,
  host: Host,
  insecureHosts: InsecureHosts = new InsecureHosts(command),
): Promise<ConnectionOptions> {
  const { plainHttp, ca, timeoutSeconds, maxRequestsPerSecond, maxRate } = command;
  const fetch = host.fetchWith({
    ca: ca === undefined ? undefined : await readCertificates(ca, host),
    insecureHosts: insecureHosts.names,
  });
  const timeouts = timeoutSeconds === undefined ? undefined : { idle: timeoutSeconds * 1000 };
  return { plainHttp, fetch, ...given({ timeouts, maxRequestsPerSecond, maxRate }) };
}

/**
 * Runs a command with `--insecure` in a program that was started again, where the runtime wants that: for the hosts that it
 * and its list name, and no others. Of a list that is piped in all is read for this, and passed on.
 *
 * @returns The exit code; undefined where the command is still to be run.
 * @throws {UsageError} If the list is a pipe with a name: what was read of it would be gone.
 */
export async function runTrusting(command: Command, host: Host): Promise<number | undefined> {
  if (command.verb === "help" || command.verb === "version") return undefined;
  if (!command.insecure || !host.restartTrusting) return undefined;
  const hosts = new InsecureHosts(command);
  const from = "from" in command ? command.from : undefined;
  const list = from === undefined ? undefined : await readList(from, host);
  if (list !== undefined) hosts.add(await listedTargets(command.verb, list));
  const piped = from === "-" ? list : undefined;
  if (hosts.names.length === 0 && piped === undefined) return undefined;
  return await host.restartTrusting(hosts.names, piped);
}

/** The text of a list; undefined where there is none, of which the command tells. */
async function readList(from: string, host: Host): Promise<string | undefined> {
  if (from === "-") {
    if (await host.stdin.isTerminal()) return undefined;
    const { readPipedText } = await import("./source_list.ts");
    return await readPipedText(host);
  }
  const kind = (await host.fileInfo(from))?.kind;
  if (kind === "file") return await host.readTextFile(from).catch(() => undefined);
  if (kind !== "other") return undefined;
  throw new UsageError(
    `Cannot accept the certificates of what ${quote(from)} lists: it can be read once only`,
    `pipe it in: ... --from - --insecure < ${from}`,
  );
}

/** References and places that a list names, up to a line that cannot be used: of a pipe, what is before it is done. */
async function listedTargets(verb: Verb, list: string): Promise<string[]> {
  const { parseLines } = await import("./source_list.ts");
  const targets: string[] = [];
  try {
    for (const { source, target = [] } of parseLines(list, "")) {
      targets.push(...verb === "push" ? target : [source, ...target]);
    }
  } catch {
    // The command reads it as well, and says what is wrong.
  }
  return targets.filter(isTarget);
}

/** `HOST[:PORT]` of a reference, or of a place for names. */
export function registryOf(target: string): string {
  const parsed = parseTarget(target);
  return (parsed.kind === "reference" ? parsed.reference : parsed.place).registry;
}

/** Whether a text can be a reference, with a repository. */
export function isReference(text: string): boolean {
  return isTarget(text) && parseTarget(text).kind === "reference";
}

function isTarget(text: string): boolean {
  try {
    parseTarget(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether a text that may as well be the path of an archive can be a registry or a repository. */
function mayBeRegistry(text: string): boolean {
  return !isArchivePath(text) && isTarget(text);
}

function targetsOf(command: VerbCommand): string[] {
  switch (command.verb) {
    case "push":
      return command.targets;
    case "copy":
      return [...(command.isMany ? command.sources : [command.source]), ...command.targets];
    case "check":
      return [
        ...isReference(command.source) ? [command.source] : [],
        ...command.against === undefined ? [] : [command.against],
      ];
    case "ping":
      return [command.registry];
    case "ls":
      return [command.target];
    case "info":
    case "rm":
      return [command.reference];
    case "save":
      return [...command.references, ...command.without.filter(mayBeRegistry)];
    default:
      return [];
  }
}

function hostnames(registries: readonly string[]): string[] {
  return [...new Set(registries.map((registry) => new URL(`https://${registry}`).hostname))];
}

async function readCertificates(path: string, host: Host): Promise<string> {
  const { requireCertificate } = await import("./pem.ts");
  return requireCertificate(path, await host.readTextFile(path), "root certificates");
}
