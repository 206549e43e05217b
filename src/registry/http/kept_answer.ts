import { type Call, discard, type Http } from "./call.ts";
import { send } from "./send.ts";

/** The path of what never changes. */
const BY_DIGEST = /\/(?:blobs|manifests)\/[^/]+:[^/]+$/;

/** Servers that keep answers where they are told to, and tell nobody that they did. */
const SILENT_SERVER = /^(?:nginx|openresty|tengine|angie)\b/i;

/**
 * Whether an answer may be of another time. What passed a cache says so (header `Age`); nginx says nothing, and is asked twice
 * the first time that an old answer would do harm.
 */
export function mayBeKept({ isFresh }: Call, { headers }: Response): boolean {
  return headers.has("age") ||
    (isFresh === true && SILENT_SERVER.test(headers.get("server") ?? ""));
}

/**
 * The same URL, past every cache on the way: with a query that nobody had before. Caches heed no `Cache-Control` of a
 * request (Varnish, nginx); registries ignore what they do not know in a query, as containerd sends each mirror `?ns=`.
 */
export function pastCaches({ retry }: Http, url: URL): URL {
  const never = `past-cache=${Date.now()}-${retry.random()}`;
  // What a registry wrote of an upload is opaque: it is added to, never written anew.
  return new URL(`${url.href}${url.search ? "&" : "?"}${never}`);
}

/**
 * Asks again where an answer may be of another time: what a tag names changes, and what is absent comes. Varnish, with its
 * defaults, keeps either for two minutes, whatever writes pass it meanwhile.
 *
 * @param http The registry.
 * @param call The request.
 * @param url Where it was sent.
 * @param response The answer, which may have been kept.
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
  const mayHaveChanged = response.ok
    ? call.isFresh === true || !BY_DIGEST.test(url.pathname)
    : response.status === 404;
  if (!mayHaveChanged) return response;
  if (call.isFresh) http.seen.mayKeep = true;
  await discard(response);
  return await send(http, call, pastCaches(http, url));
}
