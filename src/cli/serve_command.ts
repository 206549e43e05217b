import { isBlockedPort } from "../blocked_ports.ts";
import type { Host } from "../runtime/host.ts";
import { createRegistry } from "../server/mod.ts";
import type { ServeCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { printable } from "./render.ts";

/** `tarpush serve`: a registry in memory, until it is interrupted. */
export async function runServe(
  command: ServeCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const { hostname, port, readOnly, allowDelete, cors } = command;
  const onError = (error: unknown, request: Request) => {
    const line = `tarpush: Cannot answer ${request.method} ${request.url}: ${error}`;
    host.stderr.write(`${printable(line)}\n`);
  };
  const registry = createRegistry({ readOnly, allowDelete, cors, onError });
  const answer = async (request: Request) => {
    if (new URL(request.url).pathname !== "/") return await registry(request);
    const { readPage, servePage } = await import("../edge/page.ts");
    return servePage(request, await readPage(), { registry: { readOnly, allowDelete } });
  };
  const server = await host.serve(answer, { hostname, port });
  if (!command.quiet) {
    const address = hostname.includes(":") ? `[${hostname}]` : hostname;
    await host.stderr.write(
      `Registry on http://${address}:${server.port}, kept in memory; Ctrl-C ends it\n`,
    );
    if (isBlockedPort(server.port)) {
      await host.stderr.write(
        `warning: browsers and Deno do not connect to port ${server.port}: choose another, such as --port 5000\n`,
      );
    }
  }
  await aborted(signal);
  await server.stop();
  return EXIT.done;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
