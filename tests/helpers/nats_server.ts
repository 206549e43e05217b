import { temporaryFolder } from "./process.ts";
import { requireProgram } from "./programs.ts";
import { startServer } from "./server_process.ts";

const program = requireProgram("nats-server");

/** For the options of a test: why no NATS server can be started here. */
export const natsSkip = program.skip;

/** A NATS server that keeps its streams in a temporary folder; disposing of it ends it and removes that. */
export interface NatsServer extends AsyncDisposable {
  /** Where it takes WebSockets. */
  readonly url: string;
  /** Ends it in the middle of whatever it does, and starts it again at the same place. */
  restart(): Promise<void>;
}

/** Starts a NATS server with JetStream, which takes WebSockets on 127.0.0.1 without TLS. */
export async function startNats(): Promise<NatsServer> {
  const folder = await temporaryFolder();
  const startAt = async (port: string) => {
    const config = await folder.write(
      "nats.conf",
      `listen: "127.0.0.1:-1"
jetstream { store_dir: ${JSON.stringify(folder.path)} }
websocket { listen: "127.0.0.1:${port}", no_tls: true }
`,
    );
    return await startServer(program.path, ["-c", config], {
      listening: /websocket clients on ws:\/\/127\.0\.0\.1:(\d+)/,
      // It is no web server.
      status: 400,
    });
  };
  try {
    let server = await startAt("-1");
    return {
      url: `ws://127.0.0.1:${server.port}`,
      async restart() {
        await server[Symbol.asyncDispose]();
        server = await startAt(server.port);
      },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
