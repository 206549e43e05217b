import { type Call, discard, type Http } from "./call.ts";
import { send } from "./send.ts";

/** The path of what never changes. */
const BY_DIGEST = /\/(?:blobs|manifests)\/[^/]+:[^/]+$/;

/**
 * The same URL, past every cache on the way: with a query that nobody had before. Caches heed no `Cache-Control` of a
 * request (Varnish, nginx), and nginx does not tell what it has kept; registries ignore what they do not know in a query, as
 * containerd sends each mirror `?ns=`.
 */
export function pastCaches({ retry }: Http, url: URL): URL {
  const never = `past-cache=${Date.now()}-${retry.random()}`;
  // What a registry wrote of an upload is opaque: it is added to, never written anew.
  return new URL(`${url.href}${url.search ? "&" : "?"}${never}`);
}

/**
 * Asks again where an answer that passed a cache (header `Age`) may be of another time: what a tag names changes, and what
 * is absent comes. Varnish, with its defaults, keeps either for two minutes, whatever writes pass it meanwhile.
 *
 * @param http The registry.
 * @param call The request.
 * @param url Where it was sent.
 * @param response The answer, with an `Age`.
 * @returns The same answer where it is good at any time; else that of the registry now.
 */
export async function askPastCache(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): Promise<Response> {
  const isRead = call.method === "GET" || call.method === "HEAD";
  if (!isRead || call.url.origin !== http.origin) return response;
  const mayHaveChanged = response.ok ? !BY_DIGEST.test(url.pathname) : response.status === 404;
  if (!mayHaveChanged) return response;
  await discard(response);
  return await send(http, call, pastCaches(http, url));
}
