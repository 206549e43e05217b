import { TextLineStream } from "@std/streams/text-line-stream";

/** A server in a process of its own: what it costs must not be done by the one that measures. */
export interface Background extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/**
 * Starts a script of this folder that prints its port; disposing of it ends it.
 *
 * @param name Its file.
 * @param args What it is told.
 */
export async function startBackground(name: string, ...args: string[]): Promise<Background> {
  const script = decodeURIComponent(new URL(name, import.meta.url).pathname);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", script, ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const { value } = await reader.read();
  return {
    host: `127.0.0.1:${value}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await Promise.all([reader.cancel(), child.status]);
    },
  };
}
