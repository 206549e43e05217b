import { sleep } from "../concurrency.ts";
import type { BunGlobals, BunServer } from "./bun_globals.ts";
import { errorCode } from "./file_error.ts";
import type { ListeningServer, ListenOptions, ServeHandler } from "./host.ts";
import { listenFailure } from "./listen_failure.ts";
import { answerFailure, badHost, withWholeUrl } from "./served_request.ts";

/**
 * After which an answer that gets no further is broken off: nobody reads it, or it comes from a file that has become
 * shorter, for the rest of which Bun waits without end.
 */
const IDLE_SECONDS = 240;

/** Listens; see `serve` in host.ts. */
export function listenOnBun(handler: ServeHandler, options: ListenOptions): ListeningServer {
  const { hostname, port, tls } = options;
  const { Bun } = globalThis as unknown as BunGlobals;
  try {
    const server = Bun.serve({
      hostname,
      port,
      // Bun refuses bodies above 128 MiB and ends connections that are silent for 10 seconds unless told otherwise.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: IDLE_SECONDS,
      ...(tls && { tls }),
      fetch: (request, server) => {
        // Until its answer is being sent: an upload may pause, and a handler take its time.
        server.timeout(request, 0);
        const whole = withWholeUrl(request);
        return whole ? handler(whole, server.requestIP(request)?.address ?? "") : badHost();
      },
      // By itself, Bun would show the client a page with the code that has failed.
      error: answerFailure,
    });
    return {
      port: server.port,
      finish: () => finish(server),
      stop: () => server.stop(true),
    };
  } catch (cause) {
    throw listenFailure(options, cause, errorCode(cause) === "EADDRINUSE");
  }
}

/** A connection without a request, as browsers open ahead, would hold Bun for more than ten seconds. */
async function finish(server: BunServer): Promise<void> {
  const stopped = server.stop(false);
  // Nothing else tells that the last answer has been sent.
  while (server.pendingRequests > 0) await sleep(20);
  await server.stop(true);
  await stopped;
}
