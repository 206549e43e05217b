import { failureDocument } from "../failure_document.ts";
import { parseReference, type Reference } from "../reference.ts";
import { RegistryClient, type RegistryClientOptions } from "../registry/client.ts";
import type { Host } from "../runtime/host.ts";
import type { CommonOptions } from "./command.ts";
import { connectionOptions } from "./connection.ts";
import { jsonText } from "./render.ts";

/** Attempts of a command that a person waits for: a push is worth more of them. */
const ATTEMPTS = 3;

/**
 * Connects a command to a registry; nothing is sent yet.
 *
 * @param target Registry, and the scheme where one was typed.
 * @param command The options that say how.
 * @param host Where files and connections come from.
 * @param signal Aborts every request.
 */
export async function openRegistry(
  { registry, scheme }: Pick<Reference, "registry" | "scheme">,
  command: CommonOptions,
  host: Host,
  signal: AbortSignal,
): Promise<RegistryClient> {
  const options: RegistryClientOptions = {
    ...await connectionOptions(command, [registry], host),
    signal,
    retry: { attempts: ATTEMPTS },
  };
  return new RegistryClient(scheme ? `${scheme}://${registry}` : registry, options);
}

/**
 * Runs what writes a document with `--json`: after a failure that is one with the error in it.
 *
 * @param command Whether a document is wanted.
 * @param host Where it goes.
 * @param work The command.
 */
export async function withErrorDocument(
  command: CommonOptions,
  host: Host,
  work: () => Promise<number>,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (command.json) await writeDocument(host, { error: failureDocument(error) });
    throw error;
  }
}

/** Writes the one document of `--json`. */
export async function writeDocument(host: Host, document: unknown): Promise<void> {
  await host.stdout.write(`${jsonText(document)}\n`);
}

/** Parses a reference; `name` is the tag or digest to ask for, `latest` where the text has neither. */
export function parseImage(text: string): Reference & { name: string } {
  const reference = parseReference(text);
  return { ...reference, name: reference.tag ?? reference.digest ?? "latest" };
}
