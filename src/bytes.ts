/** Bytes in a buffer of their own, as `fetch` and Web Crypto take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Reads a stream to its end into memory.
 *
 * @param stream Stream to read; it is cancelled when the limit is passed.
 * @returns All its bytes, in a buffer of their length.
 */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  limit: number,
  tooLarge: () => Error,
): Promise<Bytes> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of piecesOf(stream)) {
    size += piece.length;
    if (size > limit) throw tooLarge();
    pieces.push(piece);
  }
  // What is kept must not keep more than itself: a network's piece of a few bytes stands in a buffer of 64 KiB.
  const bytes = concat(pieces, size);
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}

/**
 * A stream whose pieces are made as they are asked for, and not before.
 *
 * @param next Gives the next piece; undefined at the end.
 */
export function createStream<T extends object>(
  next: () => T | undefined | Promise<T | undefined>,
  cancel?: (reason: unknown) => unknown,
): ReadableStream<T> {
  return new ReadableStream<T>({
    async pull(controller) {
      const piece = await next();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
    async cancel(reason) {
      await cancel?.(reason);
    },
  }, { highWaterMark: 0 });
}

/** Gives bytes piece by piece, where a stream around that would cost more than a piece. */
export interface PieceReader {
  /** The next piece; undefined at the end. */
  read(): Promise<Bytes | undefined>;
  cancel(reason?: unknown): Promise<void>;
}

/** A stream of what a reader gives. */
export function streamOf({ read, cancel }: PieceReader): ReadableStream<Bytes> {
  return createStream(read, cancel);
}

/**
 * Looks at the beginning of a stream, `size` bytes or as many more as its pieces have.
 *
 * @returns The beginning, and the stream with it; to cancel the reader ends both.
 */
export async function readHead(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  size: number,
): Promise<{ head: Bytes; whole: ReadableStream<Bytes> }> {
  const pieces: Bytes[] = [];
  let filled = 0;
  while (filled < size) {
    const { value } = await reader.read();
    if (!value) break;
    pieces.push(toBytes(value));
    filled += value.length;
  }
  const head = concat(pieces, filled);
  const next = async () => {
    const piece = pieces.shift() ?? (await reader.read()).value;
    return piece && toBytes(piece);
  };
  return { head, whole: createStream(next, (reason) => reader.cancel(reason)) };
}

/**
 * A stream of what a generator yields, piece by piece as it is read: `ReadableStream.from`, which browsers made of Chromium lack.
 *
 * @param pieces The generator; a reader that stops reading ends it.
 */
export function toStream<T extends Uint8Array>(pieces: AsyncGenerator<T>): ReadableStream<T> {
  return createStream(
    async () => (await pieces.next()).value,
    () => pieces.return(undefined),
  );
}

/** What `for await` goes through: the stream itself, but in Safari, where streams have nothing for that. */
export function piecesOf<T>(pieces: AsyncIterable<T> | ReadableStream<T>): AsyncIterable<T> {
  return isIterable(pieces) ? pieces : readPieces(pieces);
}

function isIterable<T>(pieces: AsyncIterable<T> | ReadableStream<T>): pieces is AsyncIterable<T> {
  return Symbol.asyncIterator in pieces && pieces[Symbol.asyncIterator] !== undefined;
}

async function* readPieces<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isDone = done;
      if (done) return;
      yield value;
    }
  } finally {
    // Who leaves the loop early wants no more of it.
    if (!isDone) await reader.cancel();
    reader.releaseLock();
  }
}

/** Lets a stream pass while something is done with each piece of it before it goes on, and at its end. */
export function tap(
  stream: ReadableStream<Uint8Array>,
  onPiece: (piece: Bytes) => void | Promise<void>,
  onEnd: () => void | Promise<void> = () => {},
): ReadableStream<Bytes> {
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Bytes>({
      async transform(value, controller) {
        const piece = toBytes(value);
        await onPiece(piece);
        controller.enqueue(piece);
      },
      flush: onEnd,
    }),
  );
}

/**
 * Gives up what is read, as nobody wants more of it. That is not waited for: a source that hangs must hold up nobody, and what
 * its closing throws changes nothing.
 */
export function giveUp(
  source: Pick<ReadableStreamDefaultReader, "cancel"> | undefined,
  reason?: unknown,
): void {
  source?.cancel(reason).catch(() => {});
}

/** Reads a stream to its end, for what that tells, and keeps nothing; without one there is nothing to do. */
export async function drain(stream: ReadableStream<unknown> | undefined): Promise<void> {
  if (stream) { for await (const _ of piecesOf(stream)); }
}

/** The bytes from `start` up to, not including, `end` of pieces that can only be read from their beginning. */
export async function* cutPieces<Buffer extends ArrayBufferLike>(
  pieces: AsyncIterable<Uint8Array<Buffer>> | ReadableStream<Uint8Array<Buffer>>,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array<Buffer>> {
  let at = 0;
  for await (const piece of piecesOf(pieces)) {
    const part = piece.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += piece.length;
    if (part.length > 0) yield part;
    if (at >= end) return;
  }
}

/** Joins pieces into one buffer; `size` is what they have together. */
export function concat(pieces: readonly Uint8Array[], size: number = sumSizes(pieces)): Bytes {
  const only = pieces[0];
  if (pieces.length === 1 && only) return toBytes(only);
  const bytes = new Uint8Array(size);
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

function sumSizes(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** A value as JSON in UTF-8. */
export function encodeJson(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The same bytes, known not to be in shared memory; copied only when they are. */
export function toBytes(bytes: Uint8Array): Bytes {
  // Not by instanceof: in Jest memory of WebAssembly is of another realm, whose ArrayBuffer is not this one.
  return bytes.buffer[Symbol.toStringTag] === "ArrayBuffer"
    ? bytes as Bytes
    : new Uint8Array(bytes);
}
