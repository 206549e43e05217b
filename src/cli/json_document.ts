import { failureDocument } from "../failure_document.ts";
import type { Host } from "../runtime/host.ts";
import type { CommonOptions } from "./command.ts";
import { jsonLine, jsonText } from "./render.ts";

/** Runs what writes a document with `--json`: after a failure that is one with the error in it. */
export async function withErrorDocument(
  command: CommonOptions,
  host: Host,
  work: () => Promise<number>,
): Promise<number> {
  return await withError(command, host, work, jsonText);
}

/** Runs what writes lines with `--json`: after a failure of the whole the last is one with the error in it. */
export async function withErrorLine(
  command: CommonOptions,
  host: Host,
  work: () => Promise<number>,
): Promise<number> {
  return await withError(command, host, work, jsonLine);
}

async function withError(
  { json }: CommonOptions,
  host: Host,
  work: () => Promise<number>,
  toText: (document: unknown) => string,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (json) await host.stdout.write(`${toText({ error: failureDocument(error) })}\n`);
    throw error;
  }
}

/** Writes the one document of `--json`. */
export async function writeDocument(host: Host, document: unknown): Promise<void> {
  await host.stdout.write(`${jsonText(document)}\n`);
}
