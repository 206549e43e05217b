import { type Bytes, createStream, readHead } from "../../bytes.ts";

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

/** So many tell what something is compressed with. */
const MAGIC_BYTES = 2;

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
  let reader: ReadableStreamDefaultReader<Bytes> | undefined;
  const next = async () => {
    reader ??= (await chooseReading(source, CODINGS.get(coding), toError)).getReader();
    return (await reader.read()).value;
  };
  return createStream(next, (reason) => (reader ?? source).cancel(reason));
}

async function chooseReading(
  source: ReadableStreamDefaultReader<Uint8Array>,
  coding: Coding | undefined,
  toError: (cause: unknown) => Error,
): Promise<ReadableStream<Bytes>> {
  const { head, whole } = await readHead(source, MAGIC_BYTES);
  const format = formatOf(coding, head);
  return format === undefined ? whole : whole.pipeThrough(createDecoder(format, toError));
}

/** What content is really compressed with that may as well only be labelled so; undefined for what is not. */
function formatOf(
  coding: Coding | undefined,
  [first = 0, second = 0]: Bytes,
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
): ReadableWritablePair<Bytes, Bytes> {
  try {
    // Types know fewer formats than runtimes do.
    return Reflect.construct(DecompressionStream, [format]);
  } catch (cause) {
    throw toError(cause);
  }
}
