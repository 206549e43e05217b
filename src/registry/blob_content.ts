import { parseUrl } from "../parse_url.ts";
import { type Bytes, giveUp, type PieceReader, streamOf } from "../bytes.ts";
import { type Digest, digestAlgorithm } from "../digest.ts";
import { DigestMismatchError, NetworkError } from "../errors.ts";
import { createHash, type Hasher, type IncrementalHash } from "../incremental_hash.ts";
import {
  checkDigestHeader,
  nameOf,
  type ReadHooks,
  type RepositoryContext,
  repositoryUrl,
} from "./blobs.ts";
import { badAnswer, readAnswer } from "./http/answer_body.ts";
import { type Call, contentLength, describe, discard, headerOf, isPage } from "./http/call.ts";
import { codingOf } from "./http/content_encoding.ts";
import { request, requestOnce, waitForRetry } from "./http/http.ts";

/** What is wanted of a blob, and how. */
export interface GetBlobOptions extends ReadHooks {
  /**
   * First byte to read.
   * @default {0}
   */
  start?: number | undefined;
  /** One past the last byte to read; without it to the end. */
  end?: number | undefined;
  /** Length of the whole blob, where it is known: it tells whether the answer was compressed on the way. */
  size?: number | undefined;
  /**
   * Makes the hash that the whole of a blob is checked with.
   * @default {createHash}
   */
  hasher?: Hasher | undefined;
  /**
   * Whether the whole of a blob is checked against its digest; where it is not, the caller has to.
   * @default {true}
   */
  verify?: boolean | undefined;
}

/** So much more than at the failure before makes a failure the first one again. */
const PROGRESS_BYTES = 64 * 1024;

/** What may be wrong with a blob that came without its length: such an answer was inflated on its way to here. */
export const INFLATED_HINT =
  "where the registry or its store labels blobs with a Content-Encoding, Deno before 2.8 inflates them, as does a fetch of Bun that is not called with decompress: false";

/** A blob, or the part of it that was asked for, on its way. */
export interface BlobContent {
  /** Length of `body` in bytes, where the registry tells. */
  size: number | undefined;
  /**
   * The bytes. It fails at its end if length or digest are wrong (of a part, the length); a broken connection is opened
   * again where it broke. Whoever does not read it to the end cancels it.
   */
  body: ReadableStream<Bytes>;
}

/**
 * Reads a blob (distribution-spec, "Pulling blobs").
 *
 * @throws {RangeError} If `start` and `end` make no part.
 * @throws {RegistryError} 404 where the repository does not have it.
 */
export async function getBlob(
  context: RepositoryContext,
  digest: Digest,
  options: GetBlobOptions = {},
): Promise<BlobContent> {
  const { size, reader } = await readBlob(context, digest, options);
  return { size, body: streamOf(reader) };
}

/**
 * Does what {@linkcode getBlob} does, with no stream around the content.
 *
 * @returns The content, and its length where the registry tells.
 */
export async function readBlob(
  context: RepositoryContext,
  digest: Digest,
  options: GetBlobOptions,
): Promise<{ size: number | undefined; reader: PieceReader }> {
  const { start = 0, end, size, hasher = createHash, verify = true, signal, onRetry } = options;
  checkPart(start, end);
  const call: Call = {
    action: `read blob ${digest} of ${nameOf(context)}`,
    method: "GET",
    url: repositoryUrl(context, `blobs/${digest}`),
    expect: [200, 206],
    signal,
    onRetry,
  };
  const reading: Reading = { context, digest, size, call };
  const first = await openPart(reading, start, end, request);
  const isWhole = start === 0 && end === undefined;
  const hash = isWhole && verify ? await hasher(digestAlgorithm(digest)) : undefined;
  return {
    size: first.end === undefined ? undefined : first.end - start,
    reader: readOn(reading, start, first.end ?? end, first, hash),
  };
}

interface Reading {
  context: RepositoryContext;
  digest: Digest;
  /** Length of the whole, where the caller knows it. */
  size: number | undefined;
  call: Call;
}

interface OpenPart {
  reader: PieceReader;
  /** Bytes to pass over: a registry may send all where a part was asked for. */
  skip: number;
  /** One past the last byte of the blob that is wanted, where that is known. */
  end: number | undefined;
}

async function openPart(
  { context, digest, size, call }: Reading,
  start: number,
  end: number | undefined,
  send: typeof request,
): Promise<OpenPart> {
  const isPart = start > 0 || end !== undefined;
  const range = `bytes=${start}-${end === undefined ? "" : end - 1}`;
  const response = await send(context.http, isPart ? { ...call, headers: { range } } : call);
  if (isPageInstead(response, size)) {
    const { toRegistryError } = await import("./http/error_answer.ts");
    const url = parseUrl(response.url) ?? call.url;
    throw await toRegistryError(context.http, { ...call, isDocument: true }, url, response);
  }
  try {
    checkDigestHeader(response, digest, `blob of ${nameOf(context)}`);
    const sent = describePart(call, response, start);
    if (isPart && sent.total !== undefined && sent.total <= start) {
      throw badAnswer(call, response, `${sent.total} bytes, expected more than ${start}`);
    }
    const isDocument = !isPart && isPacked(response, size);
    const reader = readAnswer(context.http, response, { ...call, isDocument });
    const last = sent.total === undefined ? end : Math.min(end ?? Infinity, sent.total);
    return { reader, skip: start - sent.start, end: last };
  } catch (error) {
    await discard(response);
    throw error;
  }
}

/** Whether a page for people came in the place of a blob, as where one has to sign in: its length is another. */
function isPageInstead(response: Response, size: number | undefined): boolean {
  return size !== undefined && response.status === 200 && contentLength(response) !== size &&
    isPage(response);
}

/** Whether a blob was compressed on the way: its length is another then. What a label alone says is nothing. */
function isPacked(response: Response, size: number | undefined): boolean {
  const length = contentLength(response);
  return size !== undefined && length !== undefined && length !== size &&
    codingOf(response) !== undefined;
}

/** Where the body of an answer begins in the blob, and how long the blob is. */
function describePart(
  call: Call,
  response: Response,
  asked: number,
): { start: number; total: number | undefined } {
  if (response.status === 200) {
    const isEncoded = response.headers.get("content-encoding");
    return { start: 0, total: isEncoded ? undefined : contentLength(response) };
  }
  const range = headerOf(response, "content-range") ?? "";
  const [, start, total] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/i.exec(range) ?? [];
  if (start === undefined || Number(start) !== asked) {
    throw badAnswer(
      call,
      response,
      `the range ${JSON.stringify(range.slice(0, 80))}, expected one from ${asked}`,
    );
  }
  return { start: asked, total: total === "*" ? undefined : Number(total) };
}

/** Reads from the first byte to the last over as many answers as it takes. */
function readOn(
  reading: Reading,
  start: number,
  end: number | undefined,
  first: OpenPart,
  hash: IncrementalHash | undefined,
): PieceReader {
  const { context, digest, size, call } = reading;
  let position = start;
  let failedAt = start;
  let attempt = 1;
  let isOver = false;
  let open: OpenPart | undefined = first;
  const close = (reason: unknown) => {
    giveUp(open?.reader, reason);
    open = undefined;
  };
  const readPiece = async (): Promise<Bytes | undefined> => {
    if (position === end) {
      // The end of the answer is read too, so that its connection is free again; what stands behind it is not wanted.
      if (open && await open.reader.read()) close("read to the end");
      return undefined;
    }
    open ??= await openPart(reading, position, end, requestOnce);
    // Who cancelled meanwhile found nothing to close.
    if (isOver) throw new Error("nobody reads it any more");
    for (;;) {
      const value = await open.reader.read();
      if (!value) {
        if (end === undefined) return undefined;
        throw endedEarly(call, end - position);
      }
      const skipped = Math.min(open.skip, value.length);
      open.skip -= skipped;
      const piece = value.subarray(skipped, end === undefined ? end : skipped + end - position);
      if (piece.length > 0) return piece;
    }
  };
  const read = async () => {
    while (!isOver) {
      try {
        const piece = await readPiece();
        if (!piece) break;
        position += piece.length;
        await hash?.update(piece);
        return piece;
      } catch (error) {
        close(error);
        if (isOver) return undefined;
        // A body without a length has its end after its last byte: what breaks there has brought all.
        if (position === (end ?? size)) break;
        attempt = position - failedAt < PROGRESS_BYTES ? attempt + 1 : 2;
        failedAt = position;
        await waitForRetry(context.http, call, error, attempt);
      }
    }
    if (isOver) return undefined;
    isOver = true;
    await checkDigest(context, digest, hash, end === undefined);
    return undefined;
  };
  const cancel = (reason: unknown) => {
    isOver = true;
    return Promise.resolve(close(reason));
  };
  return { read, cancel };
}

function endedEarly(call: Call, missing: number): NetworkError {
  const message = `Cannot ${call.action}: the answer ended ${missing} bytes early`;
  return new NetworkError(message, describe(call));
}

async function checkDigest(
  context: RepositoryContext,
  expected: Digest,
  hash: IncrementalHash | undefined,
  isLengthUnknown: boolean,
): Promise<void> {
  const actual = await hash?.digest();
  if (actual === undefined || actual === expected) return;
  throw wrongDigest(context, expected, actual, isLengthUnknown ? INFLATED_HINT : undefined);
}

/** The error for a blob that does not have its digest. */
export function wrongDigest(
  context: RepositoryContext,
  expected: Digest,
  actual: Digest,
  hint: string | undefined,
): DigestMismatchError {
  return new DigestMismatchError(
    `Cannot trust blob of ${
      nameOf(context)
    }: what the registry sent has digest ${actual}, expected ${expected}`,
    { expected, actual, hint },
  );
}

function checkPart(start: number, end: number | undefined): void {
  const isPart = Number.isSafeInteger(start) && start >= 0 &&
    (end === undefined || (Number.isSafeInteger(end) && end > start));
  if (isPart) return;
  throw new RangeError(
    `Cannot read bytes ${start} to ${
      end ?? "the end"
    } of a blob: expected whole numbers, the second above the first`,
  );
}
