import { type Bytes, createStream, toBytes } from "../bytes.ts";
import { BLOCKED_PORT } from "../blocked_ports.ts";
import { anySignal } from "../concurrency.ts";
import { NetworkError } from "../errors.ts";
import { proxyFor, takesInit } from "../network_fetch.ts";
import { type BlobSource, readRange } from "./blob_source.ts";

/** What answers requests: the runtime's `fetch`, or something in its place. */
type Fetch = (request: Request) => Promise<Response>;

/** How an archive behind a URL is read. */
export interface UrlOptions {
  /**
   * What answers requests.
   * @default {fetch}
   */
  fetch?: Fetch | undefined;
  /**
   * Milliseconds without a byte after which it is given up.
   * @default {60000}
   */
  timeouts?: { idle?: number } | undefined;
}

/** How the requests for one archive are sent. */
interface Connection {
  signal: AbortSignal;
  fetch: Fetch;
  idle: number;
}

/** The longest that a timer waits. */
const MOST_MILLISECONDS = 2 ** 31 - 1;

function connectionOf(
  signal: AbortSignal,
  { fetch = globalThis.fetch, timeouts: { idle = 60_000 } = {} }: UrlOptions,
): Connection {
  return { signal, fetch, idle: Math.min(idle, MOST_MILLISECONDS) };
}

/** Reads up to this size come out of one larger read: a tar's headers lie close together. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Opens an archive behind an http(s) URL: at any offset where the server answers range requests, else as a stream.
 *
 * @throws {NetworkError} If the server does not answer, or with no content.
 */
export async function openUrl(
  url: URL,
  signal: AbortSignal,
  options: UrlOptions = {},
): Promise<BlobSource | ReadableStream<Uint8Array>> {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`Cannot read ${url.href}: expected an http:// or https:// URL`);
  }
  const connection = connectionOf(signal, options);
  let response = await get(url, { range: "bytes=0-0" }, connection);
  if (response.status === 206) {
    await response.body?.cancel();
    const range = rangeOf(response);
    if (range) {
      return blockReader(rangeSource(url, range.size, versionOf(response), connection));
    }
    // A server that does not say how long the whole is has no use for ranges.
    response = await get(url, {}, connection);
  }
  // A server that ignores ranges has begun to send the whole.
  if (response.status === 200 && response.body) return wholeOf(url, response.body, connection);
  // An empty file has no first byte.
  if (response.status === 416) return new Blob([]);
  await response.body?.cancel();
  const { proxy, hint } = onTheWay(url, connection.fetch);
  const state = `${url.host}${proxy} answered ${response.status}`;
  throw failure(url, state, response.status >= 500, undefined, hint);
}

/**
 * Asks for the length and the version of what is behind a URL; a signature that is good for `GET` alone does for it.
 *
 * @returns Both; undefined where the server does not tell, or does not answer.
 */
export async function findUrlVersion(
  url: URL,
  signal: AbortSignal,
  options: UrlOptions = {},
): Promise<{ size: number; modified: string } | undefined> {
  try {
    const response = await get(url, { range: "bytes=0-0" }, connectionOf(signal, options));
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

/** An archive of which any range can be asked for, as long as it stays what it was. */
function rangeSource(
  url: URL,
  size: number,
  version: string | null,
  connection: Connection,
): BlobSource {
  const open = async (start: number, end: number) => {
    const response = await get(url, { range: `bytes=${start}-${end - 1}` }, connection);
    const changed = versionOf(response) !== version;
    const range = rangeOf(response);
    const fits = range?.size === size && range.start === start && range.end === end;
    if (response.status === 206 && !changed && fits && response.body) {
      return response.body.getReader();
    }
    await response.body?.cancel();
    throw failure(
      url,
      response.status === 206
        ? changed || (range && range.size !== size)
          ? "the file changed while it was read"
          : `${url.host} answered another range than asked for`
        : `${url.host} answered ${response.status} to a range`,
      response.status >= 500,
    );
  };
  const stream = (start: number, end: number) => {
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    let isOver = false;
    const next = async () => {
      if (start >= end) return undefined;
      reader ??= await open(start, end);
      // Who cancels does not wait for the answer.
      if (isOver) await reader.cancel();
      const piece = await readFrom(url, reader, true, connection);
      if (!piece) throw failure(url, `the answer ended ${end - start} bytes early`, true);
      start += piece.length;
      if (start <= end) return piece;
      await reader.cancel();
      throw failure(url, "the answer has more bytes than asked for", false);
    };
    return createStream(next, (reason) => {
      isOver = true;
      return reader?.cancel(reason);
    });
  };
  return { size, slice: (start, end) => ({ stream: () => stream(start, Math.min(end, size)) }) };
}

/** Serves small reads from blocks, so that neighbours cost one request. */
function blockReader(source: BlobSource): BlobSource {
  let block: { start: number; bytes: Promise<Bytes> } | undefined;
  const read = async (start: number, end: number): Promise<Bytes> => {
    if (!block || start < block.start || end > Math.min(block.start + BLOCK_BYTES, source.size)) {
      block = { start, bytes: readRange(source, start, start + BLOCK_BYTES) };
    }
    const current = block;
    try {
      return (await current.bytes).subarray(start - current.start, end - current.start);
    } catch (error) {
      // The next attempt is to ask anew.
      if (block === current) block = undefined;
      throw error;
    }
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
  { signal, fetch, idle }: Connection,
): Promise<Response> {
  const over = new AbortController();
  try {
    // Compressed on the way, ranges and lengths would not be those of the file. Bun inflates what is labelled so all the
    // same, unless it is told not to.
    const init: RequestInit & { decompress: boolean } = {
      headers: { ...headers, "accept-encoding": "identity" },
      decompress: false,
      signal: anySignal(signal, over.signal),
    };
    return await inTime(
      takesInit(fetch) ? fetch(url, init) : fetch(new Request(url, init)),
      idle,
    );
  } catch (cause) {
    signal.throwIfAborted();
    if (cause === LATE) {
      over.abort();
      throw tooLate(url, "no answer", true, idle);
    }
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
  connection: Connection,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  return createStream(
    () => readFrom(url, reader, false, connection),
    (reason) => reader.cancel(reason),
  );
}

/** The next piece; undefined at the end. */
async function readFrom(
  url: URL,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  retryable: boolean,
  { signal, idle }: Connection,
): Promise<Bytes | undefined> {
  try {
    const { value } = await inTime(reader.read(), idle);
    return value && toBytes(value);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause !== LATE) throw failure(url, "the answer broke off", retryable, cause);
    reader.cancel().catch(() => {});
    throw tooLate(url, "no byte moved", retryable, idle);
  }
}

/** What a promise rejects with that took too long. */
const LATE = Symbol();

async function inTime<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(LATE), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function tooLate(url: URL, what: string, retryable: boolean, idle: number): NetworkError {
  const seconds = idle / 1000;
  const hint = `allow more time with --timeout SECONDS, above ${seconds}`;
  return failure(url, `${what} for ${seconds} s`, retryable, undefined, hint);
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
