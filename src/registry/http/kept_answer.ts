import { NetworkError } from "../../errors.ts";
import { type Call, discard, type Http, isPage } from "./call.ts";
import { send } from "./send.ts";

/** The path of what never changes. */
const BY_DIGEST = /\/(?:blobs|manifests)\/[^/]+:[^/]+$/;
/** The path of what names something else, or more, at another time: a tag, a list. */
const BY_NAME = /\/(?:manifests\/[^/:]+|referrers\/[^/]+|tags\/list|_catalog)$/;

/** Servers that keep answers where they are told to, and tell nobody that they did. */
const SILENT_SERVER = /^(?:nginx|openresty|tengine|angie)\b/i;

/** Whether an old answer is a wrong one: of a name, and of whatever a write follows from. */
function mustBeFresh(call: Call): boolean {
  return isRead(call) && (call.isFresh === true || BY_NAME.test(call.url.pathname));
}

/** Whether a cache may answer; what is written goes to its own URL, whose kept answers caches then drop (RFC 9111, 4.4). */
function isRead({ method }: Call): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether a request goes past caches at once: there may be one, and it would do harm. */
export function goesPast({ seen }: Http, call: Call): boolean {
  return seen.mayKeep === true && mustBeFresh(call);
}

/**
 * Whether an answer may be of another time. What passed a cache says so (header `Age`); nginx says nothing, and is asked twice
 * the first time that an old answer would do harm, and where something that is to be read is not there: before it was sent,
 * a push has asked for it.
 */
export function mayBeKept({ seen }: Http, call: Call, { headers, status }: Response): boolean {
  if (seen.mayKeep === false || !isRead(call)) return false;
  if (headers.has("age")) return true;
  const isUnread = status === 404 && call.method === "GET" && BY_DIGEST.test(call.url.pathname);
  return (mustBeFresh(call) || isUnread) && SILENT_SERVER.test(headers.get("server") ?? "");
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
 * @returns The same answer where it is good at any time, or nothing else is to be had; else that of the registry now.
 */
export async function askPastCache(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): Promise<Response> {
  if (call.url.origin !== http.origin) return response;
  const mayHaveChanged = response.ok
    ? call.isFresh === true || !BY_DIGEST.test(url.pathname)
    : response.status === 404;
  if (!mayHaveChanged) return response;
  if (response.ok) return await preferFresh(http, call, url, response);
  await discard(response);
  const fresh = await send(http, call, pastCaches(http, url));
  if (await isForQuery(http, call, fresh)) http.seen.mayKeep = false;
  else noteCache(http, call);
  return fresh;
}

/** What is asked past a cache, or what the cache gave where the registry is out of reach, or takes no such query. */
async function preferFresh(http: Http, call: Call, url: URL, kept: Response): Promise<Response> {
  let fresh: Response | undefined;
  try {
    fresh = await send(http, call, pastCaches(http, url));
  } catch (error) {
    if (call.isFresh || !(error instanceof NetworkError)) {
      await discard(kept);
      throw error;
    }
  }
  if (fresh && !isRefusal(call, fresh) && !await isForQuery(http, call, fresh)) {
    await discard(kept);
    noteCache(http, call);
    return fresh;
  }
  if (fresh) await discard(fresh);
  // A registry that is out of reach for now may be asked the next time.
  if (fresh && fresh.status < 500) http.seen.mayKeep = false;
  return kept;
}

/** From here on what must be fresh goes past caches at once. */
function noteCache({ seen }: Http, call: Call): void {
  if (mustBeFresh(call)) seen.mayKeep = true;
}

/** Whether an answer is for the question past a cache, and not for what was asked. */
function isRefusal({ isFresh }: Call, { status }: Response): boolean {
  if (status === 404 || status === 429 || status < 400) return false;
  // What is to be written waits until the registry can be asked.
  return status < 500 || isFresh !== true;
}

/**
 * Whether that something is absent was said of the query alone: what is written with CherryPy (zuul-registry 1.3.0) answers
 * 404 to one that it does not know.
 */
async function isForQuery(http: Http, { signal }: Call, answer: Response): Promise<boolean> {
  if (answer.status !== 404 || !isPage(answer)) return false;
  const base = new URL("/v2/", http.origin);
  const action = `ask ${base.host} whether it takes a query`;
  const statuses: number[] = [];
  for (const url of [base, pastCaches(http, base)]) {
    const response = await send(http, { action, method: "GET", url, expect: [], signal }, url);
    await discard(response);
    statuses.push(response.status);
  }
  return statuses[0] !== statuses[1];
}
