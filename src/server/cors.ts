import { emptyResponse } from "./problem.ts";

/** What a page may read beyond the few headers that CORS always shows; a push needs all of the first line. */
const EXPOSED_HEADERS = "Location, Range, Docker-Content-Digest, Docker-Upload-UUID, Link, " +
  "OCI-Chunk-Min-Length, OCI-Chunk-Max-Length, OCI-Subject, OCI-Tag, OCI-Filters-Applied, " +
  "Retry-After, Content-Length, Content-Range, Accept-Ranges, ETag, Docker-Distribution-API-Version";
const ALLOWED_METHODS = "HEAD, GET, POST, PATCH, PUT, DELETE, OPTIONS";
/** Pages about registries ask past the caches on the way with the last (joxit/docker-registry-ui). */
const ALLOWED_HEADERS = "Content-Type, Content-Range, Authorization, Accept, Range, " +
  "If-Range, If-None-Match, Cache-Control";
/** How long a browser may remember a preflight: Chromium keeps none longer than two hours. */
const MAX_AGE_SECONDS = 7200;

/** Whether a request only asks what a page may do (Fetch standard, "CORS protocol"). */
export function isPreflight({ method, headers }: Request): boolean {
  return method === "OPTIONS" && headers.has("Access-Control-Request-Method");
}

/** The answer to a preflight; the caller adds {@linkcode corsHeaders}. */
export function preflightResponse(): Response {
  return emptyResponse(204, {
    "Access-Control-Allow-Methods": ALLOWED_METHODS,
    "Access-Control-Allow-Headers": ALLOWED_HEADERS,
    "Access-Control-Max-Age": `${MAX_AGE_SECONDS}`,
  });
}

/**
 * The headers that let a page read an answer.
 *
 * @param origins Origins that may, `*` for all.
 * @returns The headers for the answer; only Vary where the origin is not allowed.
 */
export function corsHeaders(
  origins: readonly string[],
  origin: string | null,
): Record<string, string> {
  const all = origins.includes("*");
  const vary: Record<string, string> = all ? {} : { "Vary": "Origin" };
  if (!all && (origin === null || !origins.includes(origin))) return vary;
  return {
    ...vary,
    "Access-Control-Allow-Origin": all ? "*" : origin ?? "*",
    "Access-Control-Expose-Headers": EXPOSED_HEADERS,
  };
}
