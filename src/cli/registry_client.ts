import { parseReference, type Reference } from "../reference.ts";
import { RegistryClient, type RegistryClientOptions } from "../registry/client.ts";
import type { Host } from "../runtime/host.ts";
import type { VerbCommand } from "./command.ts";
import { connectionOptions } from "./connection.ts";

/** Attempts of a command that a person waits for: a push is worth more of them. */
const ATTEMPTS = 3;

/** Connects a command to a registry; nothing is sent yet. */
export async function openRegistry(
  { registry, scheme }: Pick<Reference, "registry" | "scheme">,
  command: VerbCommand,
  host: Host,
  signal: AbortSignal,
): Promise<RegistryClient> {
  const options: RegistryClientOptions = {
    ...await connectionOptions(command, host),
    signal,
    retry: { attempts: ATTEMPTS },
  };
  return new RegistryClient(scheme ? `${scheme}://${registry}` : registry, options);
}

/** Parses a reference; `name` is the tag or digest to ask for, `latest` where the text has neither. */
export function parseImage(text: string): Reference & { name: string } {
  const reference = parseReference(text);
  return { ...reference, name: reference.tag ?? reference.digest ?? "latest" };
}
