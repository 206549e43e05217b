import { type Bytes, createStream, giveUp } from "../bytes.ts";
import { detach, own } from "../owned_bytes.ts";
import { dropRest, isServed } from "../served_body.ts";

export interface BodyPieces {
  /** The next piece; none at the end. */
  read(): Promise<{ value?: Uint8Array | undefined }>;
  /** Ends the reading before the end of the body; a read that is under way fails, or finds the end. */
  cancel(): Promise<void>;
}

/**
 * Bytes of a piece where the body fills memory of ours. Deno fills no more than that in one go of a body without a length: with
 * four times the room it takes such a body ten times as long and more.
 */
const PIECE_BYTES = 64 * 1024;

/** The body of a request; null where it has none. A Request of Firefox has no member for it, and takes no stream as one. */
export async function bodyOf(request: Request): Promise<ReadableStream<Bytes> | null> {
  return request.body === undefined ? (await request.blob()).stream() : request.body;
}

/** Lets go of a body that nobody has read: a client without a socket in between sees its source cancelled. */
export function releaseBody(request: Request): void {
  const { body } = request;
  if (!body || body.locked) return;
  if (isServed(request)) dropRest(request);
  else giveUp(body);
}

/**
 * Opens a body. A runtime that fills memory of ours (Deno, of a request that came through a socket) gives pieces that
 * nobody else has, so that whoever has written them can free them: garbage of 64 KiB a piece grows to hundreds of MiB
 * before a collector looks at it.
 *
 * @param request What it is the body of, where that may have come to a server.
 */
export function openPieces(body: ReadableStream<Uint8Array>, request?: Request): BodyPieces {
  const { reader, read } = ownPieces(body) ?? givenPieces(body);
  const cancel = async () => {
    if (request && isServed(request)) dropRest(request, reader);
    else await reader.cancel();
  };
  return { read, cancel };
}

/** The same as a stream. */
export function streamPieces(
  body: ReadableStream<Uint8Array>,
  request: Request,
): ReadableStream<Uint8Array> {
  const { read, cancel } = openPieces(body, request);
  return createStream(async () => (await read()).value, cancel);
}

function ownPieces(body: ReadableStream<Uint8Array>) {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    // Whether a stream is one of bytes shows only here.
    return undefined;
  }
  const read = async () => {
    const { value, done } = await reader.read(new Uint8Array(PIECE_BYTES));
    return { value: done || !value ? undefined : ownPiece(value) };
  };
  return { reader, read };
}

function givenPieces(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader();
  return { reader, read: () => reader.read() };
}

function ownPiece(bytes: Bytes): Bytes {
  if (bytes.length === bytes.buffer.byteLength) return own(bytes);
  const piece = own(bytes.slice());
  detach(bytes.buffer);
  return piece;
}
