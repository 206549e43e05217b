import { createStream } from "../bytes.ts";
import { ownBody } from "../owned_bytes.ts";
import { type BlobSource, readRange } from "../source/blob_source.ts";
import { chooseRanges, formatRange, multipart } from "./byte_ranges.ts";
import { isNotModified } from "./conditions.ts";
import type { RegistryContext } from "./context.ts";
import { emptyResponse, Problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/**
 * Largest part of a blob that is answered as bytes, not as a stream: Bun keeps the Content-Length of bytes and Blobs
 * only, and a part of this size is in memory anyway while it is sent.
 */
const MAX_BYTES_BODY = 1024 * 1024;

/** GET, HEAD and DELETE on a blob (distribution-spec, "Pulling blobs", "Deleting Blobs"). */
export async function handleBlob(
  { storage, reportError }: RegistryContext,
  { repository, digest }: Route & { kind: "blob" },
  request: Request,
): Promise<Response> {
  if (request.method === "DELETE") {
    if (!await storage.deleteBlob(repository, digest)) throw unknownBlob(digest);
    return emptyResponse(202, { "Docker-Content-Digest": digest });
  }
  const blob = await storage.openBlob(repository, digest);
  const isGone = request.method === "HEAD" && await storage.keep?.(repository, digest) === false;
  if (!blob || isGone) throw unknownBlob(digest);
  const headers = {
    "Content-Type": "application/octet-stream",
    "Docker-Content-Digest": digest,
    "ETag": `"${digest}"`,
    "Accept-Ranges": "bytes",
  };
  const onFailure = (error: unknown) => reportError(error, request);
  return await blobResponse(blob, request, headers, onFailure);
}

async function blobResponse(
  blob: BlobSource,
  request: Request,
  headers: Record<string, string> & { "ETag": string; "Content-Type": string },
  onFailure: (error: unknown) => void,
): Promise<Response> {
  if (isNotModified(request, headers.ETag)) return emptyResponse(304, headers);
  const ranges = chooseRanges(request, blob.size, headers.ETag);
  if (ranges?.length === 0) {
    const message = `the blob has ${blob.size} bytes`;
    throw new Problem(416, { code: "SIZE_INVALID", message }, {
      headers: { "Content-Range": `bytes */${blob.size}` },
    });
  }
  if (ranges && ranges.length > 1) {
    const { contentType, length, body } = multipart(blob, ranges, headers["Content-Type"]);
    const own = { "Content-Type": contentType, "Content-Length": `${length}` };
    const init = { status: 206, headers: { ...headers, ...own } };
    return new Response(reportFailure(body, onFailure), init);
  }
  const [range] = ranges ?? [];
  const { start, end } = range ?? { start: 0, end: blob.size };
  const length = { "Content-Length": `${end - start}` };
  const part: Record<string, string> = range
    ? { "Content-Range": formatRange(range, blob.size) }
    : {};
  const init = { status: range ? 206 : 200, headers: { ...headers, ...length, ...part } };
  if (request.method === "HEAD") return new Response(null, init);
  return await sendPart(blob, start, end, init, onFailure);
}

/** Answers with a part of a blob, in the form that its server sends fastest. */
async function sendPart(
  blob: BlobSource,
  start: number,
  end: number,
  init: ResponseInit & { headers: Record<string, string> },
  onFailure: (error: unknown) => void,
): Promise<Response> {
  if (end - start <= MAX_BYTES_BODY) return new Response(await readRange(blob, start, end), init);
  const part = blob.slice(start, end);
  const file = part instanceof Blob ? part : part.blob?.();
  if (file) {
    // Without it, Bun tells what the file is called.
    const headers = { ...init.headers, "Content-Disposition": "attachment" };
    return new Response(file, { ...init, headers });
  }
  const own = part.ownStream?.();
  const response = new Response(reportFailure(own ?? part.stream(), onFailure), init);
  return own ? ownBody(response) : response;
}

/** The same stream; when it fails, and breaks off the answer, that is told. */
function reportFailure(
  stream: ReadableStream<Uint8Array>,
  onFailure: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  const next = async () => {
    try {
      return (await reader.read()).value;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
  return createStream(next, (reason) => reader.cancel(reason));
}

function unknownBlob(digest: string): Problem {
  return new Problem(404, {
    code: "BLOB_UNKNOWN",
    message: "the repository has no such blob",
    detail: digest,
  });
}
