import { connect, listen, type Socket } from "./tcp_proxy.ts";

/** A proxy with a slow line behind it; disposing of it closes every connection. */
export interface SlowProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/** Bytes that pass at a time. */
const DROP_BYTES = 32 * 1024;
/** A busy machine wakes up late: what was missed meanwhile is made up for, up to this. */
const CATCH_UP_MILLISECONDS = 1000;

/**
 * Passes bytes on a drop at a time, both ways.
 *
 * @param upstream `HOST:PORT` of the server.
 * @param bytesPerSecond How fast.
 */
export async function startSlowProxy(upstream: string, bytesPerSecond: number): Promise<SlowProxy> {
  const { hostname, port } = new URL(`http://${upstream}`);
  const open = new Set<Socket>();
  const running = new Set<Promise<unknown>>();
  const milliseconds = 1000 * DROP_BYTES / bytesPerSecond;

  async function pass(from: Socket, to: Socket): Promise<void> {
    try {
      let due = performance.now();
      for (let piece = await from.read(); piece; piece = await from.read()) {
        for (let at = 0; at < piece.length; at += DROP_BYTES) {
          const drop = piece.subarray(at, at + DROP_BYTES);
          due = Math.max(due, performance.now() - CATCH_UP_MILLISECONDS) +
            milliseconds * drop.length / DROP_BYTES;
          await until(due);
          await to.write(drop);
        }
      }
    } catch {
      // A side that goes away ends the connection.
    } finally {
      for (const socket of [from, to]) {
        open.delete(socket);
        socket.close();
      }
    }
  }

  async function serve(client: Socket): Promise<void> {
    open.add(client);
    const server = await connect(hostname, Number(port));
    open.add(server);
    await Promise.all([pass(client, server), pass(server, client)]);
  }

  const listener = await listen((client) => {
    const task = serve(client).catch(() => client.close());
    running.add(task);
    task.finally(() => running.delete(task));
  });
  return {
    host: `127.0.0.1:${listener.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of open) socket.close();
      await Promise.all(running);
    },
  };
}

async function until(time: number): Promise<void> {
  const left = time - performance.now();
  if (left > 1) await new Promise((resolve) => setTimeout(resolve, left));
}
