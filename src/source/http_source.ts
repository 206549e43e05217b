import { type Bytes, toBytes } from "../bytes.ts";
import { BLOCKED_PORT } from "../blocked_ports.ts";
import { NetworkError } from "../errors.ts";
import { proxyFor, takesInit } from "../network_fetch.ts";
import { type BlobSource, readRange } from "./blob_source.ts";

/** What answers requests: the runtime's `fetch`, or something in its place. */
type Fetch = (request: Request) => Promise<Response>;

/** How the requests for one archive are sent. */
interface Connection {
  signal: AbortSignal;
  fetch: Fetch;
}

/** Reads up to this size come out of one larger read: a tar's headers lie close together. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Opens an archive behind an http(s) URL: at any offset where the server answers range requests, else as a stream.
 *
 * @param url The archive.
 * @param signal Aborts every request.
 * @param fetch What answers them.
 * @returns A source, or the body that comes once.
 * @throws {NetworkError} If the server does not answer, or with no content.
 */
export async function openUrl(
  url: URL,
  signal: AbortSignal,
  fetch: Fetch = globalThis.fetch,
): Promise<BlobSource | ReadableStream<Uint8Array>> {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`Cannot read ${url.href}: expected an http:// or https:// URL`);
  }
  const connection = { signal, fetch };
  let response = await get(url, { range: "bytes=0-0" }, connection);
  if (response.status === 206) {
    await response.body?.cancel();
    const range = rangeOf(response);
    if (range) {
      return blockReader(new RangeSource(url, range.size, versionOf(response), connection));
    }
    // A server that does not say how long the whole is has no use for ranges.
    response = await get(url, {}, connection);
  }
  // A server that ignores ranges has begun to send the whole.
  if (response.status === 200 && response.body) return wholeOf(url, response.body, signal);
  // An empty file has no first byte.
  if (response.status === 416) return new Blob([]);
  await response.body?.cancel();
  const { proxy, hint } = onTheWay(url, fetch);
  const state = `${url.host}${proxy} answered ${response.status}`;
  throw failure(url, state, response.status >= 500, undefined, hint);
}

/**
 * Asks for the length and the version of what is behind a URL; a signature that is good for `GET` alone does for it.
 *
 * @param url The archive.
 * @param signal Aborts the request.
 * @param fetch What answers it.
 * @returns Both; undefined where the server does not tell, or does not answer.
 */
export async function findUrlVersion(
  url: URL,
  signal: AbortSignal,
  fetch: Fetch = globalThis.fetch,
): Promise<{ size: number; modified: string } | undefined> {
  try {
    const response = await get(url, { range: "bytes=0-0" }, { signal, fetch });
    await response.body?.cancel();
    const modified = versionOf(response);
    // The length of a part is not that of the whole.
    const size = response.status === 206
      ? rangeOf(response)?.size
      : Number(response.headers.get("content-length") ?? NaN);
    const isTold = response.ok && modified !== null && size !== undefined && size >= 0;
    return isTold ? { size, modified } : undefined;
  } catch (error) {
    // Whoever reads it is told what is wrong.
    if (error instanceof NetworkError) return undefined;
    throw error;
  }
}

class RangeSource implements BlobSource {
  readonly size: number;
  readonly #url: URL;
  readonly #version: string | null;
  readonly #connection: Connection;

  constructor(url: URL, size: number, version: string | null, connection: Connection) {
    this.#url = url;
    this.size = size;
    this.#version = version;
    this.#connection = connection;
  }

  slice(start: number, end: number): { stream(): ReadableStream<Bytes> } {
    return { stream: () => this.#stream(start, Math.min(end, this.size)) };
  }

  #stream(start: number, end: number): ReadableStream<Bytes> {
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        if (start >= end) return controller.close();
        reader ??= await this.#open(start, end);
        const { done, value } = await readFrom(this.#url, reader, true, this.#connection.signal);
        if (!done) {
          start += value.length;
          if (start > end) {
            await reader.cancel();
            throw failure(this.#url, "the answer has more bytes than asked for", false);
          }
          controller.enqueue(toBytes(value));
        } else if (start < end) {
          throw failure(this.#url, `the answer ended ${end - start} bytes early`, true);
        } else controller.close();
      },
      cancel: (reason) => reader?.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async #open(start: number, end: number): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const response = await get(
      this.#url,
      { range: `bytes=${start}-${end - 1}` },
      this.#connection,
    );
    const changed = versionOf(response) !== this.#version;
    const range = rangeOf(response);
    const fits = range?.size === this.size && range.start === start && range.end === end;
    if (response.status === 206 && !changed && fits && response.body) {
      return response.body.getReader();
    }
    await response.body?.cancel();
    throw failure(
      this.#url,
      response.status === 206
        ? changed || (range && range.size !== this.size)
          ? "the file changed while it was read"
          : `${this.#url.host} answered another range than asked for`
        : `${this.#url.host} answered ${response.status} to a range`,
      response.status >= 500,
    );
  }
}

/** Serves small reads from blocks, so that neighbours cost one request. */
function blockReader(source: BlobSource): BlobSource {
  let block: { start: number; bytes: Promise<Bytes> } | undefined;
  const read = async (start: number, end: number): Promise<Bytes> => {
    if (!block || start < block.start || end > Math.min(block.start + BLOCK_BYTES, source.size)) {
      block = { start, bytes: readRange(source, start, start + BLOCK_BYTES) };
    }
    const { start: offset, bytes } = block;
    return (await bytes).subarray(start - offset, end - offset);
  };
  return {
    size: source.size,
    slice: (start, end) => {
      if (end - start > BLOCK_BYTES) return source.slice(start, end);
      return {
        stream: () =>
          new ReadableStream<Bytes>({
            async pull(controller) {
              const bytes = await read(start, Math.min(end, source.size));
              if (bytes.length > 0) controller.enqueue(bytes);
              controller.close();
            },
          }, { highWaterMark: 0 }),
      };
    },
  };
}

async function get(
  url: URL,
  headers: Record<string, string>,
  { signal, fetch }: Connection,
): Promise<Response> {
  try {
    // Compressed on the way, ranges and lengths would not be those of the file. Bun inflates what is labelled so all the
    // same, unless it is told not to.
    const init: RequestInit & { decompress: boolean } = {
      headers: { ...headers, "accept-encoding": "identity" },
      decompress: false,
      signal,
    };
    return await (takesInit(fetch) ? fetch(url, init) : fetch(new Request(url, init)));
  } catch (cause) {
    signal.throwIfAborted();
    if (BLOCKED_PORT.pattern.test(String(cause))) {
      throw failure(url, BLOCKED_PORT.state, false, cause, BLOCKED_PORT.hint);
    }
    const { proxy, hint } = onTheWay(url, fetch);
    throw failure(url, `no answer${proxy}`, true, cause, hint);
  }
}

/** What a proxy on the way is called, and what to do about it; empty where none is known of. */
function onTheWay(url: URL, fetch: Fetch): { proxy: string; hint?: string } {
  const via = proxyFor(fetch, url);
  if (via === undefined) return { proxy: "" };
  return {
    proxy: `, through the proxy ${via},`,
    hint: `NO_PROXY=${url.hostname} goes past the proxy`,
  };
}

/** The range of an answer, its end past the last byte, and the length of the whole. */
function rangeOf(
  { headers }: Response,
): { start: number; end: number; size: number } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(
    headers.get("content-range") ?? "",
  );
  const [start, last, size] = match?.slice(1).map(Number) ?? [];
  if (start === undefined || last === undefined || size === undefined) return undefined;
  return { start, end: last + 1, size };
}

/** What changes when the file does. */
function versionOf({ headers }: Response): string | null {
  return headers.get("etag") ?? headers.get("last-modified");
}

/** The body of an answer; when it breaks off, the error names the URL. */
function wholeOf(
  url: URL,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const { done, value } = await readFrom(url, reader, false, signal);
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

async function readFrom(
  url: URL,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  retryable: boolean,
  signal: AbortSignal,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (cause) {
    signal.throwIfAborted();
    throw failure(url, "the answer broke off", retryable, cause);
  }
}

function failure(
  url: URL,
  state: string,
  retryable: boolean,
  cause?: unknown,
  hint?: string,
): NetworkError {
  const where = url.origin + url.pathname;
  return new NetworkError(`Cannot read ${where}: ${state}`, {
    method: "GET",
    url: where,
    retryable,
    cause,
    hint,
  });
}
