import { failureDocument } from "../failure_document.ts";
import type { Host } from "../runtime/host.ts";
import type { CommonOptions } from "./command.ts";
import { jsonText } from "./render.ts";

/** Runs what writes a document with `--json`: after a failure that is one with the error in it. */
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
