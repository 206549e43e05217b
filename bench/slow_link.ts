/**
 * A slow link in front of a server: all connections share its rate, and every byte arrives late. netem of Linux does the
 * same with fewer assumptions, but needs rights and a kernel that has it.
 *
 * `deno run --allow-net bench/slow_link.ts HOST:PORT MEGABITS MILLISECONDS` prints its port and passes bytes on until it is
 * killed; MILLISECONDS is the way there and back.
 */

/** Bytes that take their turn at once; with 100 Mbit/s that is one millisecond. */
const PACKET_BYTES = 12_500;
/** What may be on its way in one direction of a connection: the queue of a router, and the sockets' own room. */
const QUEUE_BYTES = 256 * 1024;

/** Timers come late: what was missed meanwhile is made up for, up to this. */
const CATCH_UP_MILLISECONDS = 20;

/** One direction of the link. */
class Lane {
  readonly #bytesPerMillisecond: number;
  #freeAt = 0;

  constructor(megabits: number) {
    this.#bytesPerMillisecond = megabits * 1e6 / 8 / 1000;
  }

  /** Waits until so many bytes have gone through, behind those that came before. */
  async pass(bytes: number): Promise<void> {
    const from = Math.max(this.#freeAt, performance.now() - CATCH_UP_MILLISECONDS);
    this.#freeAt = from + bytes / this.#bytesPerMillisecond;
    await until(this.#freeAt);
  }
}

async function main([upstream = "", megabits = "", milliseconds = ""]: string[]): Promise<void> {
  const { hostname, port } = new URL(`http://${upstream}`);
  const [up, down] = [new Lane(Number(megabits)), new Lane(Number(megabits))];
  const delay = Number(milliseconds) / 2;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  console.log(listener.addr.port);
  for await (const client of listener) {
    serve(client, () => Deno.connect({ hostname, port: Number(port) }), { up, down, delay })
      .catch(() => {}); // A side that goes away ends its connection.
  }
}

async function serve(
  client: Deno.TcpConn,
  connect: () => Promise<Deno.TcpConn>,
  { up, down, delay }: { up: Lane; down: Lane; delay: number },
): Promise<void> {
  using near = client;
  using far = await connect();
  for (const connection of [near, far]) connection.setNoDelay(true);
  await Promise.all([send(near, far, up, delay), send(far, near, down, delay)]);
}

/** Passes on all bytes of a connection and then its end. */
async function send(from: Deno.TcpConn, to: Deno.TcpConn, lane: Lane, delay: number) {
  let arrived: Promise<void> = Promise.resolve();
  let queued = 0;
  const buffer = new Uint8Array(PACKET_BYTES);
  for (let count = await from.read(buffer); count; count = await from.read(buffer)) {
    const packet = buffer.slice(0, count);
    await lane.pass(count);
    const due = performance.now() + delay;
    queued += count;
    arrived = arrived.then(async () => {
      await until(due);
      await writeAll(to, packet);
      queued -= packet.length;
    });
    // What fails is told where it is waited for.
    arrived.catch(() => {});
    if (queued > QUEUE_BYTES) await arrived;
  }
  await arrived;
  await to.closeWrite();
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await to.write(rest));
}

/** What is due in less than a millisecond is due. */
async function until(time: number): Promise<void> {
  const left = time - performance.now();
  if (left >= 1) await new Promise((resolve) => setTimeout(resolve, left));
}

await main(Deno.args);
