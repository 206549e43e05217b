import { type Bytes, concat, piecesOf, readHead } from "../../bytes.ts";
import type { Digest } from "../../digest.ts";
import type { RegistryError } from "../../errors.ts";
import { sentFromFiles } from "../../network_fetch.ts";
import type { UploadHooks } from "../blobs.ts";
import type { Call, FileBody } from "../http/call.ts";
import { isRuntimeFetch, onSent } from "../http/http.ts";
import { mustBeHeld } from "./body_limits.ts";
import { noteEnd, reportProgress } from "./send_body.ts";
import type { UploadSession } from "./upload_session.ts";

/** A blob to be uploaded whose digest is known and whose body can be opened again. */
export interface UploadBlob {
  digest: Digest;
  /** Length in bytes. */
  size: number;
  /** Opens the body from its first byte; it must have `size` bytes or fail. */
  open(): ReadableStream<Bytes>;
  /** Reads the whole body at once, for small ones; the same as `open`, without a stream. */
  read?(): Promise<Bytes>;
  /** Whether what `read` gives may go as a stream: browsers, for one, have none over most connections. */
  mayStream?: boolean;
  /** The whole body for `fetch` to read by itself; undefined where it has to be opened or read. */
  blob?(): Blob | undefined;
  /** Whether what `blob` gives still has its end. */
  isWhole?(): Promise<boolean>;
  /**
   * Whether a registry found another digest than this, which it has: it was damaged on the way, or the registry passes over a
   * body in a PUT and looked at nothing, as Artipie's docker-adapter 0.13.1 does. It goes in a PATCH unless a PUT brought
   * another one.
   */
  wasRefused?: boolean;
  /**
   * There where reading the body has attempts and time limits of its own: what it failed with last. That is final, and
   * says nothing of the registry.
   */
  failure?(): unknown;
}

/** How a blob is sent, over all of its attempts. */
export interface Way {
  readonly blob: UploadBlob;
  readonly hooks: UploadHooks;
  /**
   * How the last attempt sent it: as what is in a file, the same from a web page, as a stream of one piece, as a stream,
   * from memory, in chunks, or in one PATCH in place of them; undefined where it did not come to that.
   */
  sent: "file" | "blob" | "piece" | "stream" | "bytes" | "chunks" | "patch" | undefined;
  /** The whole of it for a web page to send. */
  fromPage: Blob | undefined;
  /** Its body, while that has begun and no request has taken it. */
  begun: ReadableStream<Bytes> | undefined;
  /** What is sent as a file no longer has its end. */
  isCut: boolean;
  /** From memory, where it goes in one request. */
  asBytes: boolean;
  /** Nothing has gone wrong yet. */
  isFirst: boolean;
  /** What a body in a PUT was answered, if it may have to come in a PATCH; tried once. */
  refusedPut: RegistryError | undefined;
  /** In a PATCH, because of that. */
  byPatch: boolean;
  /** After a failure the registry had something else under its digest. */
  isDoubted: boolean;
  /** The answer to its body in the PUT, where that does not name the digest of what arrived. */
  unnamed: Response | undefined;
  /** It is not there after that, as far as the registry says. */
  isUnseen: boolean;
  /** In one PATCH, because a second one was refused. */
  inOnePatch: boolean;
}

/** Bodies up to this size are sent from memory. */
export const SMALL_BODY_BYTES = 1024 * 1024;
/** Fewer bytes are copied faster than streamed. */
const LEAST_PIECE_BYTES = 128 * 1024;

/** Chooses how a body goes in one request, and notes it. */
export async function chooseBody(
  way: Way,
  session: UploadSession,
): Promise<Pick<Call, "body" | "file" | "asPiece">> {
  const { blob, hooks: { onProgress } } = way;
  const { http } = session.context;
  if (way.fromPage) {
    way.sent = "blob";
    return { body: way.fromPage };
  }
  if (!way.asBytes && !mustBeHeld(session)) {
    const body = way.isFirst ? await countedFile(session, blob) : undefined;
    if (body) {
      way.sent = "file";
      return { body, file: watchedFile(way, session) };
    }
    way.sent = "stream";
    const listeners = { onProgress, onTaken: onSent(http), onEnd: noteEnd(session) };
    const open = await beginBody(way);
    return { body: () => reportProgress(open(), listeners) };
  }
  const whole = way.isFirst && isRuntimeFetch(http) ? blob.blob?.() : undefined;
  const body = whole ?? await bytesOf(blob);
  way.sent = whole ? "file" : mayBePiece(way, session) ? "piece" : "bytes";
  return { body, asPiece: way.sent === "piece" };
}

/**
 * Makes what opens a body for each request that it takes. One that comes from a registry has begun by then: that of
 * go-containerregistry (`crane registry serve` 0.22.1) answers nobody while it takes a body, and would wait for its own.
 */
export async function beginBody(way: Way): Promise<() => ReadableStream<Bytes>> {
  const { blob } = way;
  if (!blob.failure) return () => blob.open();
  way.begun = (await readHead(blob.open().getReader(), 1)).whole;
  return () => {
    const body = way.begun ?? blob.open();
    way.begun = undefined;
    return body;
  };
}

/** A large body for the system to send; undefined where it would be read into memory, or nobody saw it go. */
async function countedFile(
  { context: { http: { fetch, seen } }, location }: UploadSession,
  { blob, isWhole }: UploadBlob,
): Promise<Blob | undefined> {
  // The system has no pace but its own.
  if (!blob || !isWhole || seen.pace?.countsBytes) return undefined;
  const count = await sentFromFiles(fetch, location);
  if (!count) return undefined;
  const { maySendFile } = await import("../http/watched_file.ts");
  return maySendFile(count) ? blob() : undefined;
}

function watchedFile(way: Way, session: UploadSession): FileBody {
  return {
    onEnd: noteEnd(session),
    async isWhole() {
      way.isCut = await way.blob.isWhole?.() === false;
      return !way.isCut;
    },
  };
}

async function bytesOf(blob: UploadBlob): Promise<Bytes> {
  if (blob.read) return await blob.read();
  const pieces: Bytes[] = [];
  for await (const piece of piecesOf(blob.open())) pieces.push(piece);
  return concat(pieces, blob.size);
}

function mayBePiece({ blob, isFirst }: Way, session: UploadSession): boolean {
  const { size, mayStream } = blob;
  const { http } = session.context;
  return isFirst && mayStream === true && size >= LEAST_PIECE_BYTES && isRuntimeFetch(http) &&
    !http.seen.breaksStreams && !mustBeHeld(session);
}
