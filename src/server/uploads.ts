import type { Digest } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
import { isRepository } from "../reference.ts";
import type { RegistryContext } from "./context.ts";
import { emptyResponse, Problem } from "./problem.ts";
import { chunkHeaders } from "./quirks.ts";
import { requireDigest, type Route } from "./routes.ts";
import type { Session } from "./sessions.ts";
import { parseContentRange, writeBody } from "./upload_body.ts";

/**
 * POST on the uploads of a repository: mounts a blob, takes a whole one, or opens a session
 * (distribution-spec, "Pushing blobs" and "Mounting a blob from another repository").
 *
 * A mount that is not possible and a POST without a digest both give 202 and a session.
 */
export async function startUpload(
  context: RegistryContext,
  { repository }: Route & { kind: "uploads" },
  request: Request,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const mounted = await mountBlob(context, repository, query);
  if (mounted) return blobCreated(repository, mounted);
  checkAlgorithm(query.get("digest-algorithm"));
  const digest = query.has("digest") ? requireDigest(query.get("digest")) : undefined;
  const session = await context.sessions.open(repository);
  if (!digest) return sessionResponse(session, 202, chunkHeaders(context.quirks));
  try {
    return await commitUpload(context, session, digest, request);
  } finally {
    // Nobody knows the session of a single POST: it must not outlive the request.
    context.sessions.close(session);
    await session.writer.discard();
  }
}

/** GET, PATCH, PUT and DELETE on one upload session. */
export async function handleUpload(
  context: RegistryContext,
  route: Route & { kind: "upload" },
  request: Request,
): Promise<Response> {
  const session = context.sessions.get(route.repository, route.id);
  if (request.method === "PATCH") return await sendChunk(context, session, request);
  if (request.method === "DELETE") return await cancelUpload(context, session);
  if (request.method !== "PUT") {
    return sessionResponse(session, 204, chunkHeaders(context.quirks));
  }
  const digest = requireDigest(new URL(request.url).searchParams.get("digest"));
  return await commitUpload(context, session, digest, request);
}

async function mountBlob(
  { storage }: RegistryContext,
  repository: string,
  query: URLSearchParams,
): Promise<Digest | undefined> {
  if (!query.has("mount")) return undefined;
  const digest = requireDigest(query.get("mount"));
  const from = query.get("from");
  // Without `from` the registry would have to search repositories that the client may not know of.
  if (from === null || !isRepository(from)) return undefined;
  return await storage.mountBlob(from, repository, digest) ? digest : undefined;
}

/**
 * Appends a chunk, or a body of any length where the request has no Content-Range. When the body breaks off, what
 * arrived stays: the client asks for the session's range and goes on from there.
 */
function sendChunk(
  context: RegistryContext,
  session: Session,
  request: Request,
): Promise<Response> {
  return context.sessions.use(session, async (signal) => {
    await append(context, session, request, signal);
    return sessionResponse(session, 202);
  });
}

/** Appends the last bytes, if any, and closes the session, which a wrong digest ends as well. */
function commitUpload(
  context: RegistryContext,
  session: Session,
  digest: Digest,
  request: Request,
): Promise<Response> {
  return context.sessions.use(session, async (signal) => {
    await append(context, session, request, signal);
    try {
      await session.writer.commit(session.repository, digest);
    } catch (error) {
      throw error instanceof DigestMismatchError ? digestProblem(error) : error;
    } finally {
      context.sessions.close(session);
    }
    return blobCreated(session.repository, digest);
  });
}

async function append(
  { quirks, maxBlobBytes }: RegistryContext,
  session: Session,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const length = checkRange(session, request);
  await writeBody(session, request, length, signal, quirks.chunkLimits, maxBlobBytes);
}

async function cancelUpload({ sessions }: RegistryContext, session: Session): Promise<Response> {
  await sessions.use(session, async () => {
    sessions.close(session);
    await session.writer.discard();
  });
  return emptyResponse(204);
}

function checkRange(session: Session, request: Request): number | undefined {
  const header = request.headers.get("Content-Range");
  if (header === null) return undefined;
  const { start, end } = parseContentRange(header);
  const { size } = session.writer;
  if (start === size) return end + 1 - start;
  const message = `the chunk starts at byte ${start}, the upload stands at byte ${size}`;
  const headers = sessionHeaders(session);
  throw new Problem(416, { code: "BLOB_UPLOAD_INVALID", message }, { headers });
}

function checkAlgorithm(algorithm: string | null): void {
  if (algorithm === null || algorithm === "sha256" || algorithm === "sha512") return;
  const message = "expected the digest algorithm sha256 or sha512";
  throw new Problem(400, { code: "DIGEST_INVALID", message, detail: algorithm.slice(0, 100) });
}

function digestProblem(error: DigestMismatchError): Problem {
  const message = `the content has digest ${error.actual}, the request names ${error.expected}`;
  return new Problem(400, { code: "DIGEST_INVALID", message, detail: error.actual }, {
    cause: error,
  });
}

function blobCreated(repository: string, digest: Digest): Response {
  return emptyResponse(201, {
    "Location": `/v2/${repository}/blobs/${digest}`,
    "Docker-Content-Digest": digest,
  });
}

function sessionResponse(
  session: Session,
  status: 202 | 204,
  headers: Record<string, string> = {},
): Response {
  return emptyResponse(status, { ...sessionHeaders(session), ...headers });
}

function sessionHeaders({ id, repository, writer }: Session): Record<string, string> {
  return {
    "Location": `/v2/${repository}/blobs/uploads/${id}`,
    // "0-0" for nothing as well as for one byte, as distribution has it; the spec knows no empty range.
    "Range": `0-${Math.max(0, writer.size - 1)}`,
    "Docker-Upload-UUID": id,
  };
}
