import { type Bytes, createStream } from "../bytes.ts";
import { NetworkError, TimeoutError } from "../errors.ts";
import { type BlobSource, readRange } from "./blob_source.ts";
import {
  type Connection,
  connectionOf,
  failure,
  get,
  isPassing,
  onTheWay,
  readAgain,
  readFrom,
  type UrlOptions,
} from "./url_request.ts";

/** Reads up to this size come out of one larger read: a tar's headers lie close together. */
const BLOCK_BYTES = 64 * 1024;
/** Attempts at a server that has not answered yet: most likely it is not there. */
const FIRST_ATTEMPTS = 2;

/**
 * Opens an archive behind an http(s) URL: at any offset where the server answers range requests, else as a stream. A server
 * that is busy is asked again, as often as for what comes later; one whose connection breaks before its first answer, once.
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
  let hasAnswered = false;
  const open = async () => {
    const response = await get(url, { range: "bytes=0-0" }, connection);
    hasAnswered = true;
    return await openAnswered(url, response, connection);
  };
  return await readAgain(
    open,
    connection,
    (error, attempt) =>
      hasAnswered || (attempt < FIRST_ATTEMPTS && !(error instanceof TimeoutError)),
  );
}

/** Opens what a server answered with when it was asked for the first byte. */
async function openAnswered(
  url: URL,
  first: Response,
  connection: Connection,
): Promise<BlobSource | ReadableStream<Uint8Array>> {
  let response = first;
  if (response.status === 206) {
    await response.body?.cancel();
    const size = rangeOf(response)?.size;
    if (size !== undefined) {
      return blockReader(rangeSource(url, size, versionOf(response), connection), connection);
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
  throw failure(url, state, isPassing(response.status), undefined, hint);
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
  const open = async (start: number, end: number): Promise<Part> => {
    const response = await get(url, { range: `bytes=${start}-${end - 1}` }, connection);
    const changed = versionOf(response) !== version;
    const range = rangeOf(response);
    const isOther = range?.size !== undefined && range.size !== size;
    // A server may send less of what was asked for, and not say how long the whole is (RFC 9110, 14.4 and 15.3.7).
    const fits = range?.start === start && range.end > start && range.end <= end;
    if (response.status === 206 && !changed && !isOther && fits && response.body) {
      return { reader: response.body.getReader(), end: range.end };
    }
    await response.body?.cancel();
    throw failure(
      url,
      response.status === 206
        ? changed || isOther
          ? "the file changed while it was read"
          : `${url.host} answered another range than asked for`
        : `${url.host} answered ${response.status} to a range`,
      isPassing(response.status),
    );
  };
  const stream = (start: number, end: number) => {
    let part: Part | undefined;
    let isOver = false;
    const next = async (): Promise<Bytes | undefined> => {
      if (start >= end) return undefined;
      part ??= await open(start, end);
      const { reader } = part;
      // Who cancels does not wait for the answer.
      if (isOver) await reader.cancel();
      const piece = await readFrom(url, reader, true, connection);
      if (!piece && start === part.end) {
        part = undefined;
        return await next();
      }
      if (!piece) throw failure(url, `the answer ended ${part.end - start} bytes early`, true);
      start += piece.length;
      if (start <= part.end) return piece;
      await reader.cancel();
      throw failure(url, "the answer has more bytes than asked for", false);
    };
    return createStream(next, (reason) => {
      isOver = true;
      return part?.reader.cancel(reason);
    });
  };
  return { size, slice: (start, end) => ({ stream: () => stream(start, Math.min(end, size)) }) };
}

/** An answer with a range that was asked for, or the beginning of it. */
interface Part {
  reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Where it ends in the whole. */
  end: number;
}

/** Serves small reads from blocks, so that neighbours cost one request: headers and documents, of which nobody asks again. */
function blockReader(source: BlobSource, connection: Connection): BlobSource {
  let block: { start: number; bytes: Promise<Bytes> } | undefined;
  const read = async (start: number, end: number): Promise<Bytes> => {
    if (!block || start < block.start || end > Math.min(block.start + BLOCK_BYTES, source.size)) {
      block = {
        start,
        bytes: readAgain(() => readRange(source, start, start + BLOCK_BYTES), connection),
      };
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

/** The range of an answer, its end past the last byte, and the length of the whole, which a server need not tell. */
function rangeOf(
  { headers }: Response,
): { start: number; end: number; size: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(
    headers.get("content-range") ?? "",
  );
  const [start, last, size] = match?.slice(1) ?? [];
  if (start === undefined || last === undefined) return undefined;
  return {
    start: Number(start),
    end: Number(last) + 1,
    size: size === "*" ? undefined : Number(size),
  };
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
