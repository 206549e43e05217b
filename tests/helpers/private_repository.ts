import type { FetchHandler } from "../../src/registry/http/call.ts";

/** A registry whose repository `private` wants a login. */
export function withPrivate(registry: FetchHandler): FetchHandler {
  return (request) => {
    if (!new URL(request.url).pathname.startsWith("/v2/private/")) return registry(request);
    const headers = { "www-authenticate": "Basic" };
    return Promise.resolve(new Response(null, { status: 401, headers }));
  };
}
