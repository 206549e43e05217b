import {
  type Head,
  join,
  readHead,
  serveSockets,
  type Socket,
  type SocketServer,
} from "./sockets.ts";

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

/** A proxy that runs. */
export interface TcpProxy extends SocketServer {
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
  const server = await serveSockets(async (client, dial) => {
    const head = await readHead(client);
    if (!head) return;
    const [method = "", target = ""] = head.line.split(" ");
    const request = { number: seen.length + 1, method, path: target.split("?")[0] ?? "" };
    seen.push(request);
    const fault = plan(request);
    if (fault?.kind === "refuse") return;
    if (fault?.kind === "answer") return await client.write(encoder.encode(fault.text));
    const server = await dial(hostname, Number(port));
    await server.write(closing(head));
    await relay(client, server, head.rest, fault);
  });
  return { ...server, seen };
}

const encoder = new TextEncoder();

function closing({ line, fields }: Head): Uint8Array {
  const kept = fields.filter((field) => !/^(?:connection|keep-alive):/i.test(field));
  return encoder.encode([line, ...kept, "Connection: close", "", ""].join("\r\n"));
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
    let piece = head && join(closing(head), head.rest);
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
