import { type Bytes, toBytes } from "../../bytes.ts";

/** A coding as DecompressionStream calls it; some runtimes do not have all of them. */
type Coding = CompressionFormat | "brotli" | "zstd";

/** Codings of HTTP (RFC 9110, section 8.4.1) by their names, also the old ones. */
const CODINGS: ReadonlyMap<string, Coding> = new Map([
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "brotli"],
  ["zstd", "zstd"],
]);

/**
 * The way in which an answer says that it is compressed; undefined where it does not. Blobs are their bytes whatever a web
 * server or a store writes there, but a proxy may compress what it passes on, although it is asked not to.
 */
export function codingOf({ headers }: Response): string | undefined {
  const names = headers.get("content-encoding")?.toLowerCase().split(",") ?? [];
  return names.map((name) => name.trim()).findLast((name) => CODINGS.has(name));
}

/**
 * A body that is JSON or text: where it cannot be that as it came, it is inflated.
 *
 * @param body The body as it came.
 * @param coding What the answer says, of {@linkcode codingOf}.
 * @param toError Makes the error for what the runtime cannot inflate.
 * @returns The same, or what it inflates to.
 */
export function inflateText(
  body: ReadableStream<Uint8Array>,
  coding: string,
  toError: (cause: unknown) => Error = () => new TypeError(`Cannot inflate ${coding}`),
): ReadableStream<Bytes> {
  const source = body.getReader();
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      reader ??= (await chooseReading(source, CODINGS.get(coding), toError)).getReader();
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    cancel: (reason) => (reader ?? source).cancel(reason),
  }, { highWaterMark: 0 });
}

async function chooseReading(
  source: ReadableStreamDefaultReader<Uint8Array>,
  coding: Coding | undefined,
  toError: (cause: unknown) => Error,
): Promise<ReadableStream<Uint8Array>> {
  const head: Bytes[] = [];
  const start: number[] = [];
  while (start.length < 2) {
    const { done, value } = await source.read();
    if (done) break;
    head.push(toBytes(value));
    start.push(...value.subarray(0, 2));
  }
  const body = new ReadableStream<Bytes>({
    async pull(controller) {
      const first = head.shift();
      if (first) return controller.enqueue(first);
      const { done, value } = await source.read();
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    cancel: (reason) => source.cancel(reason),
  }, { highWaterMark: 0 });
  const format = formatOf(coding, start);
  return format === undefined ? body : body.pipeThrough(createDecoder(format, toError));
}

/** What content is really compressed with that may as well only be labelled so; undefined for what is not. */
function formatOf(
  coding: Coding | undefined,
  [first = 0, second = 0]: readonly number[],
): Coding | "deflate-raw" | undefined {
  if (coding === "gzip") return first === 0x1f && second === 0x8b ? coding : undefined;
  if (coding === "zstd") return first === 0x28 && second === 0xb5 ? coding : undefined;
  // The other two have no magic: what begins as a document or a page does is that.
  if (/^[{< \t\r\n]/.test(String.fromCharCode(first))) return undefined;
  if (coding !== "deflate") return coding;
  // Some servers leave out the header of zlib (RFC 9110, section 8.4.1.2).
  const isZlib = (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
  return isZlib ? "deflate" : "deflate-raw";
}

function createDecoder(
  format: string,
  toError: (cause: unknown) => Error,
): ReadableWritablePair<Bytes, Uint8Array> {
  try {
    // Types know fewer formats than runtimes do.
    return Reflect.construct(DecompressionStream, [format]);
  } catch (cause) {
    throw toError(cause);
  }
}
