import { serveSockets, type Socket, type SocketServer } from "./sockets.ts";

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
export async function startSlowProxy(
  upstream: string,
  bytesPerSecond: number,
): Promise<SocketServer> {
  const { hostname, port } = new URL(`http://${upstream}`);
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
      from.close();
      to.close();
    }
  }

  return await serveSockets(async (client, dial) => {
    const server = await dial(hostname, Number(port));
    await Promise.all([pass(client, server), pass(server, client)]);
  });
}

async function until(time: number): Promise<void> {
  const left = time - performance.now();
  if (left > 1) await new Promise((resolve) => setTimeout(resolve, left));
}
