/**
 * A registry that forgets everything at once: what is left of a push is the cost of the client. HTTP is parsed by hand
 * and bodies are counted, not copied, so that the sink takes in bytes faster than any client sends them.
 *
 * `deno run --allow-net bench/sink.ts` prints its port and serves until it is killed.
 */

/** Room for one read; it stays in the cache of the CPU: 64 KiB take in 4.3 GB/s, 1 MiB less than 1 GB/s. */
const READ_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A request without its body. */
interface RequestHead {
  method: string;
  /** Path and query. */
  target: string;
  /** Bytes of body, or "chunked". */
  body: number | "chunked";
  expectsContinue: boolean;
}

/** Serves on a free port of 127.0.0.1 until the process ends. */
export async function serveSink(onListen: (port: number) => void): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  onListen(listener.addr.port);
  for (;;) {
    const connection = await accept(listener);
    connection?.setNoDelay(true);
    if (connection) serveConnection(connection).catch(() => {}); // The client went away: nothing to save.
  }
}

/** The next connection; undefined when the client had gone before it was accepted. */
async function accept(listener: Deno.TcpListener): Promise<Deno.TcpConn | undefined> {
  try {
    return await listener.accept();
  } catch (error) {
    if (error instanceof Deno.errors.NotConnected) return undefined;
    throw error;
  }
}

async function serveConnection(connection: Deno.TcpConn): Promise<void> {
  using _closed = connection;
  const input = new Input(connection);
  while (true) {
    const text = await input.readUntil("\r\n\r\n");
    if (text === undefined) return;
    const head = parseHead(text);
    if (head.expectsContinue) await writeAll(connection, "HTTP/1.1 100 Continue\r\n\r\n");
    if (head.body === "chunked") await skipChunks(input);
    else await input.skip(head.body);
    await writeAll(connection, answer(head));
  }
}

async function skipChunks(input: Input): Promise<void> {
  while (true) {
    const size = parseInt(await input.readUntil("\r\n") ?? "", 16);
    if (Number.isNaN(size)) throw new Error("Cannot read chunk: no size");
    await input.skip(size + 2);
    if (size === 0) return;
  }
}

function parseHead(text: string): RequestHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const isChunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
  const expectsContinue = headers.get("expect") !== undefined;
  const length = Number(headers.get("content-length") ?? 0);
  return { method, target, body: isChunked ? "chunked" : length, expectsContinue };
}

function answer({ method, target }: RequestHead): string {
  const path = target.split("?", 1)[0] ?? "";
  switch (method) {
    case "POST":
      return respond("202 Accepted", [`Location: ${path}session`]);
    case "PATCH":
      return respond("202 Accepted", [`Location: ${path}`, "Range: 0-0"]);
    case "PUT":
      return respond("201 Created", [`Location: ${path}`]);
    case "DELETE":
      return respond("202 Accepted", []);
    default:
      return respond(path === "/v2/" ? "200 OK" : "404 Not Found", []);
  }
}

function respond(status: string, headers: string[]): string {
  return [`HTTP/1.1 ${status}`, "Content-Length: 0", ...headers, "", ""].join("\r\n");
}

async function writeAll(connection: Deno.TcpConn, text: string): Promise<void> {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

/** Bytes of a connection, to be skipped or read as lines. */
class Input {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #rest = this.#buffer.subarray(0, 0);

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  async skip(count: number): Promise<void> {
    while (count > this.#rest.length) {
      count -= this.#rest.length;
      if (!await this.#read()) throw new Error("Cannot skip body: connection has ended");
    }
    this.#rest = this.#rest.subarray(count);
  }

  async readUntil(end: string): Promise<string | undefined> {
    let text = "";
    while (true) {
      // Lines are short and bodies are not: look at the start of what is there only.
      const start = this.#rest.subarray(0, 4096);
      const before = text.length;
      text += decoder.decode(start);
      const index = text.indexOf(end, Math.max(0, before - end.length));
      if (index >= 0) {
        this.#rest = this.#rest.subarray(index + end.length - before);
        return text.slice(0, index);
      }
      this.#rest = this.#rest.subarray(start.length);
      if (this.#rest.length === 0 && !await this.#read()) return undefined;
    }
  }

  async #read(): Promise<boolean> {
    const count = await this.#connection.read(this.#buffer);
    this.#rest = this.#buffer.subarray(0, count ?? 0);
    return count !== null;
  }
}

if (import.meta.main) await serveSink((port) => console.log(port));
