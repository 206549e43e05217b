import { type Bytes, createStream, giveUp, toBytes } from "../bytes.ts";
import { ArchiveError } from "../errors.ts";
import { own } from "../owned_bytes.ts";
import { dropRest, isServed } from "../served_body.ts";
import { GatewayError } from "./failures.ts";

/** A form has a few fields beside its file, none of which is used. */
const MAX_FIELD_BYTES = 64 * 1024;
const MAX_PARTS = 64;

/**
 * The archive that a request carries.
 *
 * @param request The request; its body is read by the result, which leaves what it does not need to the server.
 * @param isForm Whether it is a form (RFC 7578), whose one file is the archive.
 * @throws {GatewayError} If there is none.
 */
export async function openBody(
  request: Request,
  isForm: boolean,
): Promise<ReadableStream<Uint8Array>> {
  const { body, headers } = request;
  if (!body) {
    throw new GatewayError("USAGE", "Cannot push: the request has no body, expected a tar");
  }
  fillsAtEnd ??= await probeEnd();
  const pieces = inLargePieces(body, request);
  if (!isForm) return pieces;
  return await openFile(pieces, headers.get("content-type") ?? "");
}

/**
 * Reads a byte stream in pieces of its own size: those of a socket come in a few KiB at a time, and what a piece costs on its
 * way adds up to most of the time. Other streams give the pieces that they have.
 *
 * What is not read is cancelled only once the sender has gone.
 */
function inLargePieces(
  body: ReadableStream<Uint8Array>,
  request: Request,
): ReadableStream<Uint8Array> {
  const { reader, next } = fillsAtEnd && largePieces(body) || givenPieces(body);
  return createStream(next, async (reason) => {
    if (request.signal?.aborted) await reader.cancel(reason);
    else if (isServed(request)) dropRest(request, reader);
    else reader.releaseLock();
  });
}

function largePieces(body: ReadableStream<Uint8Array>) {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
  const next = async () => {
    const { value } = await reader.read(new Uint8Array(PIECE_BYTES), AT_LEAST).catch(gone);
    return value && value.length > 0 ? own(value) : undefined;
  };
  return { reader, next };
}

let fillsAtEnd: boolean | undefined;

/** Whether a piece may be asked for that is larger than what is left: by the letter of the specification, as in Node.js, it fails. */
async function probeEnd(): Promise<boolean> {
  let reader: ReadableStreamBYOBReader | undefined;
  try {
    reader = new Response(new Uint8Array(3)).body?.getReader({ mode: "byob" });
  } catch {
    // What is in memory comes otherwise than what comes from a socket: no such piece is asked of it.
    return true;
  }
  try {
    const two: { min: number } = { min: 2 };
    await reader?.read(new Uint8Array(2), two);
    await reader?.read(new Uint8Array(2), two);
    return true;
  } catch {
    return false;
  }
}

function givenPieces(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader();
  return { reader, next: async () => (await reader.read()).value };
}

/** Each runtime has an error of its own for a body whose sender is gone, and Deno tells it before the signal does. */
function gone(): never {
  throw new GatewayError("CANCELLED", "Cannot read the archive: who sent it has gone");
}

const PIECE_BYTES = 256 * 1024;
/** Runtimes without this option give what has come. */
const AT_LEAST: { min: number } = { min: PIECE_BYTES };

async function openFile(
  body: ReadableStream<Uint8Array>,
  contentType: string,
): Promise<ReadableStream<Uint8Array>> {
  const { make } = await import("multipasta");
  const pieces: (Bytes | null)[] = [];
  let files = 0;
  let failure: Error | undefined;
  let isWhole = false;
  const parser = make({
    headers: { "content-type": contentType },
    maxParts: MAX_PARTS,
    maxFieldSize: MAX_FIELD_BYTES,
    isFile: ({ filename }) => filename !== undefined,
    onField: () => {},
    onFile: () => {
      if (++files > 1) failure = formError("it has several files, expected one");
      return (piece) => void pieces.push(piece && toBytes(piece));
    },
    onError: ({ _tag }) => void (failure ??= formError(FORM_PROBLEMS[_tag])),
    onDone: () => void (isWhole = true),
  });
  const reader = body.getReader();
  const next = async (): Promise<Bytes | undefined> => {
    for (;;) {
      if (failure) throw failure;
      const piece = pieces.shift();
      // The end of the file; what follows it is read, too, to see that the form is whole and has no second file.
      if (piece) return piece;
      if (piece === null) continue;
      if (isWhole && files === 0) throw formError("it has no file, expected one");
      if (isWhole) return undefined;
      const { done, value } = await reader.read();
      if (done) parser.end();
      else parser.write(value);
      if (done && !failure && !isWhole) throw formError("it ends early");
    }
  };
  const nextOrEnd = () =>
    next().catch((error) => {
      giveUp(reader, error);
      throw error;
    });
  return createStream(nextOrEnd, (reason) => reader.cancel(reason));
}

const FORM_PROBLEMS = {
  InvalidBoundary: "its Content-Type names no boundary",
  BadHeaders: "a part of it has malformed headers",
  InvalidDisposition: "a part of it has no name",
  ReachedLimit: "it has too many parts, or a field that is too long",
  EndNotReached: "it ends early",
};

function formError(problem: string): ArchiveError {
  return new ArchiveError(`Cannot read the form: ${problem}`);
}
