import { asyncDispose } from "../async_dispose.ts";
import { type Bytes, createStream, giveUp, readHead } from "../bytes.ts";
import { type Compression, MAGIC_BYTES, sniffCompression } from "../codec/magic.ts";
import { currentPage } from "../page.ts";
import {
  type BlobSource,
  type FolderSource,
  isBlobSource,
  readRange,
  type SourceSlice,
} from "./blob_source.ts";
import type { DirectoryHandle } from "./folder.ts";
import type { UrlOptions } from "./url_request.ts";

/** What an untar stream yields, ours or another's, such as the one of `@std/tar`. */
export interface ImageTarEntry {
  /** Name as in the tar. */
  path: string;
  /** Header with the effective values. */
  header: { size?: number; typeflag?: string; linkname?: string };
  /** Body of a file. */
  readable?: ReadableStream<Uint8Array> | undefined;
}

/**
 * Where an archive comes from: content that can be read at any offset, a stream that comes once, an http(s) URL, the
 * entries of another untar stream, such as the one of `@std/tar`, or a folder: an OCI layout, what `skopeo copy` writes to
 * `dir:`, or an unpacked `docker save`. On the web a folder is a `FileSystemDirectoryHandle`, else `openDirectory` of
 * `./runtime` opens it.
 */
export type PushSource =
  | BlobSource
  | ReadableStream<Uint8Array>
  | URL
  | FolderSource
  | DirectoryHandle
  | { entries: ReadableStream<ImageTarEntry> };

/** What the two ways of reading have in common. */
interface OpenedInput extends AsyncDisposable {
  /** Bytes read of the source so far, before they are inflated. */
  read(): number;
  /** Fails where the source is not any more what it was when it was opened, as far as can be seen without reading it. */
  checkUnchanged(): Promise<void>;
}

/** A tar that can be read at any offset. */
export interface RandomInput extends OpenedInput {
  kind: "random";
  source: BlobSource;
}

/** A tar that comes once. */
export interface PassingInput extends OpenedInput {
  kind: "bytes" | "entries";
  /** The tar, inflated; or its entries. */
  open(): Promise<ReadableStream<Uint8Array>> | ReadableStream<ImageTarEntry>;
  /** Whether `open` may be called again: a compressed file. */
  again: boolean;
  /** What {@linkcode read} comes to, where that is known. */
  total?: number;
}

/**
 * Opens the source of a push and tells which of the two ways of reading it has.
 *
 * @returns The input; it gives up what was opened here when disposed of.
 * @throws {TypeError} If the source is none.
 */
export async function openSource(
  source: PushSource,
  signal: AbortSignal,
  options?: UrlOptions,
): Promise<RandomInput | PassingInput> {
  if (source instanceof URL) {
    const { openUrl } = await import("./http_source.ts");
    return await openSource(await openUrl(source, signal, options), signal);
  }
  const count = { read: 0 };
  const common = {
    read: () => count.read,
    checkUnchanged: async () => {
      if (isBlobSource(source)) await source.slice(0, source.size).checkUnchanged?.();
    },
    [asyncDispose]: () => Promise.resolve(),
  };
  // First, for it spares Deno to load its streams, where a file needs none.
  if (isBlobSource(source)) {
    signal.throwIfAborted();
    const counted = countSource(source, count);
    if (!sniffCompression(await readRange(counted, 0, MAGIC_BYTES))) {
      return { kind: "random", source: counted, ...common };
    }
    const open = () => inflate(counted.slice(0, counted.size).stream(), signal);
    return { kind: "bytes", open, again: true, total: source.size, ...common };
  }
  if (source instanceof ReadableStream) {
    const { stream, dispose } = holdStream(countStream(source, count), signal);
    const open = () => inflate(stream, signal);
    return { kind: "bytes", open, again: false, ...common, [asyncDispose]: dispose };
  }
  if (isFolder(source)) {
    const { folderTar } = await import("./folder.ts");
    return await openSource(await folderTar(source, signal), signal);
  }
  if (isEntries(source)) {
    const { stream, dispose } = holdStream(source.entries, signal);
    const open = () => stream;
    return { kind: "entries", open, again: false, ...common, [asyncDispose]: dispose };
  }
  throw new TypeError(
    "Cannot push: expected a Blob or file, a ReadableStream, a URL, a folder, or { entries }",
  );
}

function isFolder(source: unknown): source is FolderSource | DirectoryHandle {
  if (typeof source !== "object" || source === null) return false;
  const { files, kind, values } = source as Record<string, unknown>;
  return typeof files === "function" || (kind === "directory" && typeof values === "function");
}

function isEntries(source: unknown): source is { entries: ReadableStream<ImageTarEntry> } {
  return typeof source === "object" && source !== null && "entries" in source &&
    source.entries instanceof ReadableStream;
}

/**
 * Keeps hold of a stream: `dispose` cancels it wherever the pipes behind it stand. A pipe by itself does so only when
 * what it has in hand is through, which may wait for the next byte of a source that has none.
 */
function holdStream<T extends object>(
  stream: ReadableStream<T>,
  signal: AbortSignal,
): { stream: ReadableStream<T>; dispose: () => Promise<void> } {
  const reader = stream.getReader();
  const held = createStream(
    async () => (await reader.read()).value,
    (reason) => reader.cancel(reason),
  );
  const dispose = () => {
    const end = new DOMException("The push ended before the source did", "AbortError");
    // One that has ended is left alone by this.
    giveUp(reader, signal.aborted ? signal.reason : end);
    return Promise.resolve();
  };
  return { stream: held, dispose };
}

/** Undoes the compression of a stream, where its first bytes show one. */
async function inflate(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { compression, whole } = await sniff(stream, signal);
  if (!compression) return whole;
  try {
    const { decompress } = await import("../codec/decompress.ts");
    return decompress(whole, compression, "the archive");
  } catch (error) {
    if (!whole.locked) giveUp(whole, error);
    throw error;
  }
}

async function sniff(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<{ compression: Compression | undefined; whole: ReadableStream<Bytes> }> {
  const reader = stream.getReader();
  // Ends a read that is under way; the source may be a pipe that nobody writes to.
  const stop = () => giveUp(reader, signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const { head, whole } = await readHead(reader, MAGIC_BYTES);
    signal.throwIfAborted();
    return { compression: sniffCompression(head), whole };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function countSource(source: BlobSource, count: { read: number }): BlobSource {
  // A page has no other way to send what is on disk; elsewhere its bytes are read faster than it is sent as it is.
  const isSent = source instanceof Blob && currentPage() !== undefined;
  return {
    size: source.size,
    slice: (start, end) => {
      const slice = source.slice(start, end);
      const blob = isSent && slice instanceof Blob ? slice : undefined;
      return countSlice(blob ? withBlob(blob) : slice, count);
    },
  };
}

function withBlob(slice: Blob): SourceSlice {
  return {
    stream: () => slice.stream(),
    arrayBuffer: () => slice.arrayBuffer(),
    blob: () => slice,
  };
}

function countSlice(slice: SourceSlice, count: { read: number }): SourceSlice {
  const { arrayBuffer, readInto, ownStream, blob } = slice;
  const counted: SourceSlice = { stream: () => countStream(slice.stream(), count) };
  if (arrayBuffer) {
    counted.arrayBuffer = async () => {
      const buffer = await arrayBuffer.call(slice);
      count.read += buffer.byteLength;
      return buffer;
    };
  }
  if (readInto) {
    counted.readInto = (buffer) => {
      const length = readInto.call(slice, buffer);
      count.read += length;
      return length;
    };
  }
  if (ownStream) counted.ownStream = () => countStream(ownStream.call(slice), count);
  if (blob) {
    counted.blob = () => {
      const bytes = blob.call(slice);
      count.read += bytes.size;
      return bytes;
    };
  }
  return counted;
}

function countStream(
  stream: ReadableStream<Uint8Array>,
  count: { read: number },
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  const next = async () => {
    const { done, value } = await reader.read();
    if (done) return undefined;
    try {
      requireBytes(value);
    } catch (error) {
      giveUp(reader, error);
      throw error;
    }
    count.read += value.length;
    return value;
  };
  return createStream(next, (reason) => reader.cancel(reason));
}

/** What was decoded to text is no archive any more, and a length can be had of many things. */
function requireBytes(value: unknown): void {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return;
  const kind = value === null ? "null" : typeof value;
  throw new TypeError(`Cannot read the archive: its stream gives ${kind}, expected Uint8Array`);
}
