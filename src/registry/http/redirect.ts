import type { Call, Http } from "./call.ts";
import { resolveLocation } from "./location.ts";

const REDIRECTS = [301, 302, 303, 307, 308];
/** Those after which the same is sent again: the others turn a write into a GET, or may. */
const KEEPING_METHOD = [307, 308];

/** Answers that redirects led to, and where they came from. */
const places = new WeakMap<Response, URL>();

/**
 * Where an answer came from: what it says is relative to that.
 *
 * @param call The request that was answered.
 * @param response The answer, as `request` returned it.
 */
export function answeredAt({ url }: Pick<Call, "url">, response: Response): URL {
  return places.get(response) ?? url;
}

/** Notes that redirects led to an answer. */
export function noteAnswer(response: Response, url: URL): void {
  places.set(response, url);
}

/**
 * Where a request goes: to the registry that was named, or to where that sends reads and writes alike.
 *
 * @param http The registry.
 * @param url As the request names it.
 */
export function currentUrl({ origin, seen }: Http, url: URL): URL {
  // Where an upload goes on is at the new place already.
  const isFirst = url.origin === origin && url.pathname.startsWith("/v2/");
  if (seen.movedTo === undefined || !isFirst) return url;
  return new URL(seen.movedTo + url.pathname + url.search);
}

/**
 * Where the same request is to be sent after a redirect. A read follows every one; a write those that keep the method,
 * and a 301 or 302 where reads were led the same way: the whole registry has moved, from http to https for one.
 *
 * @param http The registry; it learns where it has moved to.
 * @param call The request.
 * @param url Where it was sent.
 * @param response The answer.
 * @returns Undefined where it is no redirect, or none to follow.
 * @throws {NetworkError} If it leads where no request goes.
 */
export function followRedirect(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): URL | undefined {
  const { status, headers } = response;
  const location = headers.get("location");
  if (!location || !REDIRECTS.includes(status)) return undefined;
  const isRead = call.method === "GET" || call.method === "HEAD";
  const isSame = KEEPING_METHOD.includes(status);
  if (!isRead && status === 303) return undefined;
  if (!isRead && !isSame && !isKnownMove(http, url, URL.parse(location, url))) return undefined;
  const target = resolveLocation(http, call.action, location, url);
  const base = url.origin === http.origin ? moveBetween(url, target) : undefined;
  if (base === undefined) return target;
  if (isRead) (http.seen.movedReads ??= new Set()).add(base);
  else if (http.seen.movedReads?.has(base)) http.seen.movedTo = base;
  return target;
}

/**
 * What stands before the path of a target, where all before it changed and nothing else: such a redirect is one of the
 * whole server. One that goes to a store for blobs, or to a sign-in page, is not.
 */
export function moveBetween({ pathname, search }: URL, { href }: URL): string | undefined {
  const path = pathname + search;
  return href.endsWith(path) ? href.slice(0, -path.length) : undefined;
}

function isKnownMove({ seen }: Http, url: URL, target: URL | null): boolean {
  const base = target ? moveBetween(url, target) : undefined;
  return base !== undefined && seen.movedReads?.has(base) === true;
}
