import type { FetchHandler } from "../../src/registry/http/call.ts";
import type { ServerCertificate } from "./certificates.ts";

/** An https server that runs; disposing of it closes every connection. */
export interface TlsServer extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `https://localhost:PORT`. */
  readonly origin: string;
}

/** Serves a handler over TLS on a free port of 127.0.0.1, on either runtime. */
export function serveTls(handler: FetchHandler, certificate: ServerCertificate): TlsServer {
  const { port, stop } = "Deno" in globalThis
    ? serveDeno(handler, certificate)
    : serveBun(handler, certificate);
  return {
    port,
    host: `127.0.0.1:${port}`,
    origin: `https://localhost:${port}`,
    [Symbol.asyncDispose]: stop,
  };
}

interface Listening {
  port: number;
  stop: () => Promise<void>;
}

function serveDeno(handler: FetchHandler, { cert, key }: ServerCertificate): Listening {
  const stopped = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, signal: stopped.signal, onListen: () => {} },
    handler,
  );
  const stop = () => {
    stopped.abort();
    return server.finished;
  };
  return { port: server.addr.port, stop };
}

function serveBun(handler: FetchHandler, tls: ServerCertificate): Listening {
  const { Bun } = globalThis as unknown as {
    Bun: {
      serve(options: {
        hostname: string;
        port: number;
        tls: ServerCertificate;
        idleTimeout: number;
        maxRequestBodySize: number;
        fetch: (request: Request) => Promise<Response>;
      }): { port: number; stop(closeAll: boolean): Promise<void> };
    };
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: (request) => handler(request),
  });
  return { port: server.port, stop: () => server.stop(true) };
}
