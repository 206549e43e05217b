import type { Host, TextOutput } from "../runtime/host.ts";
import type { CommonOptions } from "./command.ts";
import { jsonText } from "./render.ts";

/** Runs what writes a document with `--json`: after a failure that is one with the error in it. */
export async function withErrorDocument(
  { json }: CommonOptions,
  output: TextOutput,
  work: () => Promise<number>,
  toText = jsonText,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (json) {
      const { failureDocument } = await import("../failure_document.ts");
      await output.write(`${toText({ error: failureDocument(error) })}\n`);
    }
    throw error;
  }
}

export async function writeDocument(host: Host, document: unknown): Promise<void> {
  await host.stdout.write(`${jsonText(document)}\n`);
}
