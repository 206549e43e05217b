import { join, readHead, serveSockets, type Socket, type SocketServer } from "./sockets.ts";

/** A proxy of the kind that HTTP_PROXY and HTTPS_PROXY name. */
export interface ForwardProxy extends SocketServer {
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
  const proxy = await serveSockets(async (client, dial) => {
    const head = await readHead(client);
    if (!head) return;
    const { line, fields, rest } = head;
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
    const server = await dial(upstream.hostname, Number(upstream.port));
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
  });
  return { ...proxy, url: `http://${proxy.host}`, seen };
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

async function pass(from: Socket, to: Socket): Promise<void> {
  try {
    for (let piece = await from.read(); piece; piece = await from.read()) await to.write(piece);
  } catch {
    // The other direction ends it.
  }
}
