/** ollama names itself so: `ollama/0.17.4 (amd64 linux) Go/go1.26.8`. */
const USER_AGENT = /^ollama\//;

const BLOB_PATH = /\/blobs\/[^/]+$/;

/**
 * Tells ollama where to go on, for it cannot do without: of an upload it takes a Location with its host alone ("no Host in request
 * URL"), and a blob it reads only from where a Location leads, after 200 as well ("no Location header in response"). Both
 * were seen of its main of 2026-08; nobody else needs either.
 */
export function guideOllama({ headers, status }: Response, request: Request): void {
  if (!USER_AGENT.test(request.headers.get("User-Agent") ?? "")) return;
  const url = new URL(request.url);
  const location = headers.get("Location");
  if (location?.startsWith("/")) {
    // A proxy that takes https passes on http, and this header.
    if (request.headers.get("X-Forwarded-Proto") === "https") url.protocol = "https:";
    headers.set("Location", url.origin + location);
  } else if (request.method === "GET" && status === 200 && BLOB_PATH.test(url.pathname)) {
    headers.set("Location", url.pathname);
  }
}
