import type { Bytes } from "../bytes.ts";
import { detach, own } from "../owned_bytes.ts";

/** A body that is read piece by piece. */
export interface BodyPieces {
  /** The next piece; none at the end. */
  read(): Promise<{ value?: Uint8Array | undefined }>;
  /** Ends the reading; one that is under way finds the end. */
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

/**
 * Opens a body. A runtime that fills memory of ours (Deno, of a request that came through a socket) gives pieces that
 * nobody else has, so that whoever has written them can free them: garbage of 64 KiB a piece grows to hundreds of MiB
 * before a collector looks at it.
 */
export function openPieces(body: ReadableStream<Uint8Array>): BodyPieces {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    // Whether a stream is one of bytes shows only here.
    return body.getReader();
  }
  return {
    async read() {
      const { value, done } = await reader.read(new Uint8Array(PIECE_BYTES));
      return { value: done || !value ? undefined : ownPiece(value) };
    },
    cancel: () => reader.cancel(),
  };
}

function ownPiece(bytes: Bytes): Bytes {
  if (bytes.length === bytes.buffer.byteLength) return own(bytes);
  const piece = own(bytes.slice());
  detach(bytes.buffer);
  return piece;
}
