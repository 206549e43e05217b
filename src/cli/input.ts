import type { Host } from "../runtime/host.ts";
import type { PushSource } from "../source/open_source.ts";
import { UsageError } from "./options.ts";

/** What a command line's TAR, `-` or URL leads to; disposing of it closes a file. */
export interface Input extends AsyncDisposable {
  source: PushSource;
}

/**
 * Opens what a command reads.
 *
 * @param text A path, `-` for stdin, or an http(s) URL.
 * @param host Where files and stdin come from.
 * @param example A command line that pipes something in, for the hint.
 * @throws {UsageError} If stdin is a terminal.
 */
export async function openInput(text: string, host: Host, example: string): Promise<Input> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (text === "-") {
    if (await host.stdin.isTerminal()) throw new UsageError("Nothing is piped in", example);
    return { source: host.stdin.ownStream?.() ?? host.stdin.stream(), ...nothing };
  }
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) {
    return { source: new URL(text), ...nothing };
  }
  const file = await host.openFile(text);
  return { source: file, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
}
