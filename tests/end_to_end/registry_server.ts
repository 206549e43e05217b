import type { FetchHandler } from "../../src/registry/http/call.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  type Fault,
  type FaultLayer,
  faultLayer,
  type SeenRequest,
} from "../helpers/fault_layer.ts";

/** An embedded registry behind a socket of this process; disposing of it closes the socket. */
export interface RegistryServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** The registry itself, without socket and faults. */
  readonly registry: FetchHandler;
  /** What came through the socket. */
  readonly layer: FaultLayer;
}

/**
 * Serves a registry on a free port.
 *
 * @param plan What goes wrong; only faults that a server can show, such as an answer of its own.
 */
export async function serveRegistry(
  plan?: (request: SeenRequest) => Fault | undefined,
): Promise<RegistryServer> {
  const registry = createRegistry();
  const layer = faultLayer(registry, plan);
  const server = await serve(layer.fetch);
  return { host: server.host, registry, layer, [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
}

/** Serves any handler, on a free port where none is given. */
export async function serve(
  handler: FetchHandler,
  port = 0,
): Promise<AsyncDisposable & { host: string }> {
  const server = await currentHost().serve(handler, { hostname: "127.0.0.1", port });
  return { host: `127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop() };
}

/** Ports that systems give to nobody who asks for any; what has none of its own does not take one of them by chance. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
const PORT_ATTEMPTS = 100;

/** A port of this machine on which nobody listens. */
export async function closedPort(): Promise<string> {
  for (let attempt = 1;; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    try {
      await using server = await serve(() => Promise.resolve(new Response()), port);
      return server.host;
    } catch (error) {
      if (attempt === PORT_ATTEMPTS) throw error;
    }
  }
}
