import { parseUrl } from "../parse_url.ts";
import { OciError } from "../errors.ts";
import type { Host } from "../runtime/host.ts";
import type { PushSource } from "../source/open_source.ts";
import { UsageError } from "./options.ts";

/** What a command line's TAR, `-` or URL leads to; disposing of it closes a file. */
export interface Input extends AsyncDisposable {
  source: PushSource;
}

/** Files that a command keeps open at once: many systems let a program open 1,024. */
export const MOST_HELD = 200;

/**
 * Opens what a command reads.
 *
 * @param text A path, `-` for stdin, or an http(s) URL.
 * @param example A command line that pipes something in, for the hint.
 * @throws {UsageError} If stdin is a terminal.
 */
export async function openInput(text: string, host: Host, example: string): Promise<Input> {
  if (text === "-") return passing(await openStdin(host, example));
  const url = urlOf(text);
  if (url) return passing(url);
  try {
    const file = await host.openFile(text);
    return { source: file, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
  } catch (error) {
    // Asked for only now: nearly every path is that of a file.
    if (STDIN_PATH.test(text)) return passing(await openStdin(host, example));
    const info = await host.fileInfo(text);
    if (info?.kind === "directory") return passing(await host.openDirectory(text));
    const pipe = await host.openPipe(text).catch(() => undefined);
    if (pipe) return passing(pipe);
    throw info === undefined ? withNameHint(text, error) : error;
  }
}

/**
 * Tells who named a registry, or an image in one, which command looks at it; and whose file has a name that is not in UTF-8, of
 * which both runtimes hand on something else, that no file has it then.
 */
function withNameHint(text: string, error: unknown): unknown {
  const [, path] = IN_REGISTRY.exec(text) ?? [];
  const hint = path === undefined
    ? text.includes("\ufffd") ? "its name is not in UTF-8: rename it, or pipe it in" : undefined
    : path.length > 1
    ? `what a registry has is looked at by tarpush info ${text}`
    : `what a registry has is listed by tarpush ls ${text}`;
  if (hint === undefined || !(error instanceof OciError)) return error;
  return new OciError(error.message, { hint, cause: error });
}

/** A host with its port, which no archive is called. */
const IN_REGISTRY = /^[\w.-]+:\d+(\/.*|)$/;

/** The URL of an archive on a web server; undefined for what is no such thing. */
export function urlOf(text: string): URL | undefined {
  return /^https?:\/\//i.test(text) ? parseUrl(text) : undefined;
}

/** What a path, `-` or a URL is called in messages: what a URL has after its path may be secret, and new each time. */
export function shownAs(text: string): string {
  if (text === "-") return "stdin";
  const url = urlOf(text);
  return url ? url.origin + url.pathname : text;
}

/** Other names of stdin, where it is a pipe or a socket: only the runtime's own stream reads all of these. */
const STDIN_PATH = /^\/dev\/(?:stdin|fd\/0)$|^\/proc\/self\/fd\/0$/;

/** @throws {UsageError} If nothing comes but what a person types; `example` pipes something in. */
export async function requirePiped({ stdin }: Host, example: string): Promise<void> {
  if (await stdin.isTerminal()) throw new UsageError("Nothing is piped in", example);
}

async function openStdin(host: Host, example: string): Promise<ReadableStream<Uint8Array>> {
  await requirePiped(host, example);
  const { stdin } = host;
  return stdin.ownStream?.() ?? stdin.stream();
}

function passing(source: PushSource): Input {
  return { source, [Symbol.asyncDispose]: () => Promise.resolve() };
}
