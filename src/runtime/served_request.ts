import { parseUrl } from "../parse_url.ts";

/**
 * The request as handlers count on it: with a URL that can be parsed. One without a Host, as the checks of load balancers
 * are (HTTP/1.0), has a path alone on Bun, and the address of the server on Deno.
 *
 * @returns The request; undefined where its Host is none.
 */
export function withWholeUrl(request: Request): Request | undefined {
  const host = request.headers.get("host");
  // Deno would take what follows for the beginning of the path.
  if (host && /[/?#@\\]/.test(host)) return undefined;
  if (parseUrl(request.url)) return request;
  if (host) return undefined;
  return new Request(`http://localhost${request.url}`, request);
}

/** The answer to a request whose Host is none (RFC 9112, 3.2). */
export function badHost(): Response {
  return new Response(null, { status: 400 });
}

/** The answer of a server that lets the requests before this one come to their end, and takes no more. */
export function ending(): Response {
  return new Response(null, { status: 503, headers: { "Connection": "close" } });
}

/** The answer where a handler has failed: it tells of that itself, and what it says is for nobody else. */
export function answerFailure(): Response {
  return new Response(null, { status: 500 });
}
