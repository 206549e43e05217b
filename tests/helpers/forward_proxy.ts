import { connect, join, listen, type Socket } from "./tcp_proxy.ts";

/** A proxy of the kind that HTTP_PROXY and HTTPS_PROXY name; disposing of it closes every connection. */
export interface ForwardProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** First lines of the requests so far: `CONNECT HOST:PORT HTTP/1.1`, `GET http://HOST/ HTTP/1.1`. */
  readonly seen: readonly string[];
}

/**
 * Starts a forward proxy. It knows hosts that name resolution does not, so that what reaches them came through it.
 *
 * @param hosts `HOST:PORT` as clients ask for it, and the local `HOST:PORT` that it leads to.
 * @param refusal Status line and page for any other.
 */
export async function startForwardProxy(
  hosts: Readonly<Record<string, string>>,
  refusal = { status: "502 Bad Gateway", page: "" },
): Promise<ForwardProxy> {
  const seen: string[] = [];
  const open = new Set<Socket>();
  const running = new Set<Promise<void>>();

  async function serve(client: Socket): Promise<void> {
    open.add(client);
    let server: Socket | undefined;
    try {
      const { line, fields, rest } = await readHead(client);
      seen.push(line);
      const [method = "", target = ""] = line.split(" ");
      const isTunnel = method === "CONNECT";
      const url = new URL(isTunnel ? `https://${target}` : target);
      const asked = isTunnel ? target : `${url.hostname}:${url.port || 80}`;
      const address = hosts[asked];
      if (address === undefined) {
        return await client.write(encode(refuse(method, refusal)));
      }
      const upstream = new URL(`http://${address}`);
      server = await connect(upstream.hostname, Number(upstream.port));
      open.add(server);
      if (isTunnel) {
        await client.write(encode("HTTP/1.1 200 Connection established\r\n\r\n"));
        await server.write(rest);
      } else {
        const kept = fields.filter((field) => !/^(?:proxy-)?connection:/i.test(field));
        const first = `${method} ${url.pathname}${url.search} HTTP/1.1`;
        const head = [first, ...kept, "Connection: close", "", ""].join("\r\n");
        await server.write(join(encode(head), rest));
      }
      const up = pass(client, server);
      await pass(server, client);
      client.close();
      await up;
    } catch {
      // A side that goes away ends the connection; the tests look at what became of the requests.
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
    url: `http://127.0.0.1:${listener.port}`,
    seen,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of open) socket.close();
      await Promise.all(running);
    },
  };
}

function refuse(method: string, { status, page }: { status: string; page: string }): string {
  const head = [
    `HTTP/1.1 ${status}`,
    "Via: 1.1 proxy.test",
    ...(page ? ["Content-Type: text/html"] : []),
    `Content-Length: ${page.length}`,
    "Connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${method === "HEAD" ? "" : page}`;
}

const encode = (text: string) => new TextEncoder().encode(text);

async function readHead(
  socket: Socket,
): Promise<{ line: string; fields: string[]; rest: Uint8Array }> {
  let bytes: Uint8Array = new Uint8Array(0);
  while (true) {
    const piece = await socket.read();
    if (!piece) throw new Error("the connection ended in the head");
    bytes = join(bytes, piece);
    // One character for each byte, so that positions in the text are those in the bytes.
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const [line = "", ...fields] = text.slice(0, end).split("\r\n");
    return { line, fields, rest: bytes.subarray(end + 4) };
  }
}

async function pass(from: Socket, to: Socket): Promise<void> {
  try {
    for (let piece = await from.read(); piece; piece = await from.read()) await to.write(piece);
  } catch {
    // The other direction ends it.
  }
}
