import { bodyOf, type BodyPieces, openPieces } from "./body_pieces.ts";
import { Problem } from "./problem.ts";
import type { ChunkLimits } from "./quirks.ts";
import type { Session } from "./sessions.ts";

/**
 * Reads `<start>-<end>`, both inclusive (distribution-spec, "Pushing a blob in chunks").
 *
 * @throws {Problem} 400 for another form, or an end before the start.
 */
export function parseContentRange(header: string): { start: number; end: number } {
  const [, first, last] = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(header.trim()) ?? [];
  const start = Number(first);
  const end = Number(last);
  if (first !== undefined && start <= end) return { start, end };
  const message = "expected Content-Range as <start>-<end>, both inclusive, without a unit";
  throw new Problem(400, { code: "BLOB_UPLOAD_INVALID", message, detail: header.slice(0, 100) });
}

/**
 * Appends the request's body to a session as it arrives. Whatever goes wrong, the session counts exactly the bytes
 * that were written.
 *
 * @param request Request whose body is read to its end, unless it is refused.
 * @param rangeLength Length that Content-Range announced; bytes past it are not written.
 * @throws {Problem} 400 when the body breaks off or has another length than announced, 409 when it was stopped; what
 *   `limits` do not allow, 413 where it is too long.
 */
export async function writeBody(
  session: Session,
  request: Request,
  rangeLength: number | undefined,
  signal: AbortSignal,
  { min = 0, max: maxChunk = Infinity }: ChunkLimits = {},
  maxBlobBytes: number,
): Promise<void> {
  const start = session.writer.size;
  const max = Math.min(maxChunk, maxBlobBytes - start);
  const expected = expectedLength(request, rangeLength);
  const tooLong = () => (max === maxChunk ? chunkTooLong(max) : blobTooLong(maxBlobBytes));
  if (expected !== undefined && expected > max) throw tooLong();
  const stream = await bodyOf(request);
  const body = stream ? openPieces(stream, request) : undefined;
  const cancel = () => void body?.cancel().catch(ignore);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    while (body) {
      const piece = await readPiece(body, signal);
      if (!piece) break;
      const length = session.writer.size - start + piece.length;
      if (expected !== undefined && length > expected) throw lengthProblem(expected, "more");
      if (length > max) throw tooLong();
      if (session.endsShort && piece.length > 0) throw tooShort(min);
      if (piece.length > 0) await session.writer.write(piece);
    }
  } catch (error) {
    cancel();
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  const length = session.writer.size - start;
  if (expected !== undefined && length < expected) throw lengthProblem(expected, `${length}`);
  endChunk(session, min);
}

function expectedLength(request: Request, rangeLength: number | undefined): number | undefined {
  const header = request.headers.get("Content-Length");
  if (header === null || !/^[0-9]{1,15}$/.test(header)) return rangeLength;
  const length = Number(header);
  if (rangeLength === undefined || rangeLength === length) return length;
  const message = `Content-Length is ${length}, Content-Range spans ${rangeLength} bytes`;
  throw new Problem(400, { code: "SIZE_INVALID", message });
}

async function readPiece(
  body: BodyPieces,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const result = await body.read().catch((cause: unknown) => {
    if (signal.aborted) return { value: undefined };
    const message = "the request's body broke off; the upload stands at what arrived";
    throw new Problem(400, { code: "BLOB_UPLOAD_INVALID", message }, { cause });
  });
  if (signal.aborted) {
    const message = "another request took over this upload";
    throw new Problem(409, { code: "BLOB_UPLOAD_INVALID", message });
  }
  return result.value;
}

/** What a broken chunk left behind and the chunk that brings the rest count as one. */
function endChunk(session: Session, min: number): void {
  const { size } = session.writer;
  const length = size - session.chunkStart;
  session.chunkStart = size;
  session.endsShort = length > 0 && length < min;
}

function blobTooLong(max: number): Problem {
  const message = `the blob has more than ${max} bytes, which is the most here`;
  return new Problem(413, { code: "SIZE_INVALID", message });
}

function chunkTooLong(max: number): Problem {
  const message = `the body has more than ${max} bytes, which is the most for one request`;
  return new Problem(413, { code: "SIZE_INVALID", message });
}

function tooShort(min: number): Problem {
  const message = `the chunk before this one has less than ${min} bytes, as only the last may`;
  return new Problem(400, { code: "SIZE_INVALID", message });
}

function lengthProblem(expected: number, found: string): Problem {
  const message = `the body has ${found} bytes, ${expected} were announced`;
  return new Problem(400, { code: "SIZE_INVALID", message });
}

/** A body that cannot even be cancelled has already failed, which the answer tells. */
function ignore(): void {}
