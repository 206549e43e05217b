import { NetworkError } from "../errors.ts";
import { type BlobSource, type Bytes, readRange, toBytes } from "../source.ts";

/** Reads up to this size come out of one larger read: a tar's headers lie close together. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Opens an archive behind an http(s) URL: at any offset where the server answers range requests, else as a stream.
 *
 * @param url The archive.
 * @param signal Aborts every request.
 * @returns A source, or the body that comes once.
 * @throws {NetworkError} If the server does not answer, or with no content.
 */
export async function openUrl(
  url: URL,
  signal: AbortSignal,
): Promise<BlobSource | ReadableStream<Uint8Array>> {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`Cannot read ${url.href}: expected an http:// or https:// URL`);
  }
  const response = await get(url, { range: "bytes=0-0" }, signal);
  const size = sizeOf(response);
  if (response.status === 206 && size !== undefined) {
    await response.body?.cancel();
    return blockReader(new RangeSource(url, size, response.headers.get("etag"), signal));
  }
  // A server that ignores ranges has begun to send the whole.
  if (response.status === 200 && response.body) return response.body;
  // An empty file has no first byte.
  if (response.status === 416) return new Blob([]);
  await response.body?.cancel();
  throw failure(url, `${url.host} answered ${response.status}`, response.status >= 500);
}

class RangeSource implements BlobSource {
  readonly size: number;
  readonly #url: URL;
  readonly #etag: string | null;
  readonly #signal: AbortSignal;

  constructor(url: URL, size: number, etag: string | null, signal: AbortSignal) {
    this.#url = url;
    this.size = size;
    this.#etag = etag;
    this.#signal = signal;
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
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(toBytes(value));
      },
      cancel: (reason) => reader?.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async #open(start: number, end: number): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const response = await get(this.#url, { range: `bytes=${start}-${end - 1}` }, this.#signal);
    const changed = this.#etag !== null && response.headers.get("etag") !== this.#etag;
    if (response.status === 206 && !changed && sizeOf(response) === this.size && response.body) {
      return response.body.getReader();
    }
    await response.body?.cancel();
    throw failure(
      this.#url,
      changed || response.status === 206
        ? "the file changed while it was read"
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
  signal: AbortSignal,
): Promise<Response> {
  try {
    // Compressed on the way, ranges and lengths would not be those of the file.
    return await fetch(url, { headers: { ...headers, "accept-encoding": "identity" }, signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw failure(url, "no answer", true, cause);
  }
}

function sizeOf(response: Response): number | undefined {
  const size = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  return size === undefined ? undefined : Number(size);
}

function failure(url: URL, state: string, retryable: boolean, cause?: unknown): NetworkError {
  const where = url.origin + url.pathname;
  return new NetworkError(`Cannot read ${where}: ${state}`, {
    method: "GET",
    url: where,
    retryable,
    cause,
  });
}
