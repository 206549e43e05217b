/** A request that reaches the proxy. */
export interface ProxiedRequest {
  /** Counted from 1. */
  number: number;
  method: string;
  /** Path without query. */
  path: string;
}

/** What goes wrong with the connection of a request. */
export type TcpFault =
  /** It is closed when the head of the request has come; the server sees nothing. */
  | { kind: "refuse" }
  /** It is closed, on both sides, when so many bytes of the body have passed. */
  | { kind: "cut-request"; after: number }
  /** The server gets and answers everything, then it is closed. */
  | { kind: "lose-response" }
  /** It is closed when so many bytes of the answer, head included, have passed. */
  | { kind: "cut-response"; after: number }
  /** This text is the answer, sent at once; then it is closed, whatever of the body is still to come. */
  | { kind: "answer"; text: string };

/** A proxy that runs; disposing of it closes every connection. */
export interface TcpProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Requests so far, in order. */
  readonly seen: readonly ProxiedRequest[];
}

/**
 * Puts a TCP proxy in front of an HTTP server. Each connection carries one request, so that a fault of a connection is
 * the fault of that request: the proxy adds `Connection: close` to its head and to that of the answer, where Bun's server
 * leaves it out. All else passes as bytes.
 *
 * @param upstream `HOST:PORT` of the server.
 * @param plan Tells for each request what goes wrong; nothing where it returns undefined.
 */
export async function startTcpProxy(
  upstream: string,
  plan: (request: ProxiedRequest) => TcpFault | undefined = () => undefined,
): Promise<TcpProxy> {
  const { hostname, port } = new URL(`http://${upstream}`);
  const seen: ProxiedRequest[] = [];
  const running = new Set<Promise<void>>();
  const open = new Set<Socket>();

  async function serve(client: Socket): Promise<void> {
    open.add(client);
    let server: Socket | undefined;
    try {
      const head = await readHead(client);
      if (!head) return;
      const [method = "", target = ""] = head.line.split(" ");
      const request = { number: seen.length + 1, method, path: target.split("?")[0] ?? "" };
      seen.push(request);
      const fault = plan(request);
      if (fault?.kind === "refuse") return;
      if (fault?.kind === "answer") return await client.write(encoder.encode(fault.text));
      server = await connect(hostname, Number(port));
      open.add(server);
      await server.write(head.bytes);
      await relay(client, server, head.rest, fault);
    } catch {
      // A side that goes away is what this is about; the tests look at what the client makes of it.
    } finally {
      for (const socket of [client, server]) {
        if (!socket) continue;
        open.delete(socket);
        socket.close();
      }
    }
  }

  const listener = await listen((client) => {
    const task = serve(client);
    running.add(task);
    task.finally(() => running.delete(task));
  });
  return {
    host: `127.0.0.1:${listener.port}`,
    seen,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of open) socket.close();
      await Promise.all(running);
    },
  };
}

/** One end of a connection. */
export interface Socket {
  /** The next bytes; undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** A port that is listened on. */
export interface Listener {
  port: number;
  close(): void;
}

interface Head {
  /** The first line. */
  line: string;
  /** The head with `Connection: close`. */
  bytes: Uint8Array;
  /** What came of the body together with it. */
  rest: Uint8Array;
}

const encoder = new TextEncoder();
const isDeno = "Deno" in globalThis;

/** The first byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;

async function readHead(socket: Socket): Promise<Head | undefined> {
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
    const kept = fields.filter((field) => !/^(?:connection|keep-alive):/i.test(field));
    const head = [line, ...kept, "Connection: close", "", ""].join("\r\n");
    return { line, bytes: encoder.encode(head), rest: bytes.subarray(end + 4) };
  }
}

/** Passes bytes both ways until the server has ended, which it does after its answer, or the fault strikes. */
async function relay(
  client: Socket,
  server: Socket,
  rest: Uint8Array,
  fault: TcpFault | undefined,
): Promise<void> {
  const cutRequest = fault?.kind === "cut-request" ? fault.after : Infinity;
  const cutResponse = fault?.kind === "cut-response" ? fault.after : Infinity;
  let isCut = false;
  const upwards = async () => {
    let left = cutRequest;
    for (let piece: Uint8Array | undefined = rest; piece; piece = await client.read()) {
      const part = piece.subarray(0, left);
      if (part.length > 0) await server.write(part);
      left -= part.length;
      if (left > 0) continue;
      isCut = true;
      server.close();
      return;
    }
  };
  const downwards = async () => {
    let left = cutResponse;
    const head = await readHead(server);
    let piece = head && join(head.bytes, head.rest);
    for (; piece && left > 0; piece = await server.read()) {
      if (isCut || fault?.kind === "lose-response") continue;
      const part = piece.subarray(0, left);
      await client.write(part);
      left -= part.length;
    }
  };
  // The client waits for the answer after its last byte: the end of the server's side is the end of it all.
  const sending = upwards().catch(() => {});
  await downwards();
  client.close();
  await sending;
}

/** Two pieces as one. */
export function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

/** Listens on a free port of 127.0.0.1, on either runtime. */
export async function listen(onClient: (client: Socket) => void): Promise<Listener> {
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
  await bunGlobals().Bun.connect({ hostname, port, data: state, socket: BUN_HANDLERS });
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
  const server = bunGlobals().Bun.listen({
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

function bunGlobals(): { Bun: BunSockets } {
  return globalThis as unknown as { Bun: BunSockets };
}
