import { parseTarget } from "../reference.ts";
import type { RequestOptions } from "../registry/http/request_options.ts";
import type { Host } from "../runtime/host.ts";
import type { Command, VerbCommand } from "./command.ts";
import { isArchivePath } from "./command_words.ts";
import { given } from "./options.ts";

/** How a command reaches registries, as the options of a push and of a client have it. */
export type ConnectionOptions =
  & Required<Pick<RequestOptions, "plainHttp" | "fetch">>
  & Pick<RequestOptions, "timeouts" | "maxRequestsPerSecond" | "maxRate">;

/**
 * Reads what the options of every command say about connections.
 *
 * @param listed References and places that a list of the command names, which `--insecure` is about as well.
 */
export async function connectionOptions(
  command: VerbCommand,
  host: Host,
  listed: readonly string[] = [],
): Promise<ConnectionOptions> {
  const { plainHttp, ca, insecure, timeoutSeconds, maxRequestsPerSecond, maxRate } = command;
  const registries = [...targetsOf(command), ...listed].map(registryOf);
  const fetch = host.fetchWith({
    ca: ca === undefined ? undefined : await readCertificates(ca, host),
    insecureHosts: insecure ? hostnames(registries) : [],
  });
  const timeouts = timeoutSeconds === undefined ? undefined : { idle: timeoutSeconds * 1000 };
  return { plainHttp, fetch, ...given({ timeouts, maxRequestsPerSecond, maxRate }) };
}

/**
 * Hosts of a command whose certificates `--insecure` accepts: those that it and the file of its list name, and no others. What
 * a pipe names nobody can tell before it is read.
 */
export async function insecureHosts(command: Command, host: Host): Promise<string[]> {
  if (command.verb === "help" || command.verb === "version" || !command.insecure) return [];
  const listed = await listedTargets(command, host);
  return hostnames([...targetsOf(command), ...listed].map(registryOf));
}

/** References and places that the file of a command's list names; one that is a pipe is read by the command alone. */
async function listedTargets(command: VerbCommand, host: Host): Promise<string[]> {
  const from = "from" in command ? command.from : undefined;
  if (from === undefined || from === "-") return [];
  const { parseSourceList } = await import("./source_list.ts");
  try {
    if ((await host.fileInfo(from))?.kind !== "file") return [];
    const lines = parseSourceList(await host.readTextFile(from), from);
    const isArchives = command.verb === "push";
    return lines.flatMap(({ source, target = [] }) => isArchives ? target : [source, ...target])
      .filter(isTarget);
  } catch {
    // The command reads it as well, and says what is wrong.
    return [];
  }
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
