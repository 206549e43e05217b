const { Bun } = globalThis as unknown as { Bun: BunSockets };
const isDeno = "Deno" in globalThis;

/** One end of a connection. */
export interface Socket {
  /** The next bytes; undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** A port that is listened on. */
interface Listener {
  port: number;
  close(): void;
}

/** Opens a connection that ends with the one that it is opened for. */
export type Dial = (hostname: string, port: number) => Promise<Socket>;

/** A server of connections; disposing of it closes every one. */
export interface SocketServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/** Serves connections; each is closed when `serve` is through with it, or fails. */
export async function serveSockets(
  serve: (client: Socket, dial: Dial) => Promise<void>,
): Promise<SocketServer> {
  const open = new Set<Socket>();
  const running = new Set<Promise<void>>();

  async function run(client: Socket): Promise<void> {
    const sockets = [client];
    open.add(client);
    try {
      await serve(client, async (hostname, port) => {
        const socket = await connect(hostname, port);
        open.add(socket);
        sockets.push(socket);
        return socket;
      });
    } catch {
      // A side that goes away is what this is about; the tests look at what the client makes of it.
    } finally {
      for (const socket of sockets) {
        open.delete(socket);
        socket.close();
      }
    }
  }

  const listener = await listen((client) => {
    const task = run(client);
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

/** The head of an HTTP message, and what came of the body together with it. */
export interface Head {
  /** The first line. */
  line: string;
  fields: string[];
  rest: Uint8Array;
}

/** The first byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;

/** Reads the head of a message; undefined where none comes. */
export async function readHead(socket: Socket): Promise<Head | undefined> {
  let bytes: Uint8Array = new Uint8Array(0);
  while (true) {
    const piece = await socket.read();
    if (!piece) return undefined;
    bytes = join(bytes, piece);
    // No head will come: as a server does, end the connection, for which the client waits.
    if (bytes[0] === TLS_HANDSHAKE) return undefined;
    // One character for each byte, so that positions in the text are those in the bytes.
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const [line = "", ...fields] = text.slice(0, end).split("\r\n");
    return { line, fields, rest: bytes.subarray(end + 4) };
  }
}

/** Two pieces as one. */
export function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

/** Listens on a free port of 127.0.0.1, on either runtime. */
async function listen(onClient: (client: Socket) => void): Promise<Listener> {
  if (!isDeno) return listenBun(onClient);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of listener) onClient(denoSocket(connection));
  })().catch(() => {}); // Closing the listener ends the loop, on some versions by an error.
  return await Promise.resolve({ port: listener.addr.port, close: () => listener.close() });
}

/** Opens a connection, on either runtime. */
export async function connect(hostname: string, port: number): Promise<Socket> {
  if (isDeno) return denoSocket(await Deno.connect({ hostname, port }));
  const state = new BunSocketState();
  await Bun.connect({ hostname, port, data: state, socket: BUN_HANDLERS });
  return state;
}

function denoSocket(connection: Deno.TcpConn): Socket {
  let isOpen = true;
  return {
    async read() {
      const buffer = new Uint8Array(64 * 1024);
      const count = await connection.read(buffer);
      return count === null ? undefined : buffer.subarray(0, count);
    },
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    close() {
      if (isOpen) connection.close();
      isOpen = false;
    },
  };
}

/** What is used of Bun's sockets, which call back instead of being read. */
interface BunSocket {
  data: BunSocketState;
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  end(): void;
  terminate(): void;
}

interface BunSockets {
  listen(options: {
    hostname: string;
    port: number;
    socket: Record<string, unknown>;
  }): { port: number; stop(closeAll: boolean): void };
  connect(options: {
    hostname: string;
    port: number;
    data: BunSocketState;
    socket: Record<string, unknown>;
  }): Promise<unknown>;
}

class BunSocketState implements Socket {
  socket: BunSocket | undefined;
  readonly #pieces: Uint8Array[] = [];
  #isEnded = false;
  #wake: () => void = () => {};
  #drained: () => void = () => {};

  async read(): Promise<Uint8Array | undefined> {
    while (this.#pieces.length === 0 && !this.#isEnded) {
      this.socket?.resume();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#pieces.shift();
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#isEnded || !this.socket) throw new Error("the connection is closed");
      const count = this.socket.write(bytes.subarray(at));
      if (count < 0) throw new Error("the connection is closed");
      at += count;
      if (at < bytes.length) await new Promise<void>((resolve) => this.#drained = resolve);
    }
  }

  close(): void {
    this.socket?.end();
    this.ended();
  }

  arrived(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.socket?.pause();
    this.#wake();
  }

  drained(): void {
    this.#drained();
  }

  ended(): void {
    this.#isEnded = true;
    this.#wake();
    this.#drained();
  }
}

const BUN_HANDLERS = {
  open(socket: BunSocket) {
    socket.data.socket = socket;
  },
  data: (socket: BunSocket, piece: Uint8Array) => socket.data.arrived(new Uint8Array(piece)),
  drain: (socket: BunSocket) => socket.data.drained(),
  end: (socket: BunSocket) => socket.data.ended(),
  close: (socket: BunSocket) => socket.data.ended(),
  error: (socket: BunSocket) => socket.data.ended(),
};

function listenBun(onClient: (client: Socket) => void): Listener {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...BUN_HANDLERS,
      open(socket: BunSocket) {
        socket.data = new BunSocketState();
        socket.data.socket = socket;
        onClient(socket.data);
      },
    },
  });
  return { port: server.port, close: () => server.stop(true) };
}
