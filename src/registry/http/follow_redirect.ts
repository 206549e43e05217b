import type { Call, Http } from "./call.ts";
import { resolveLocation } from "./location.ts";
import { moveBetween } from "./redirect.ts";

const REDIRECTS = [301, 302, 303, 307, 308];
/** Those after which the same is sent again: the others turn a write into a GET, or may. */
const KEEPING_METHOD = [307, 308];

/**
 * Where the same request is to be sent after a redirect. A read follows every one; a write those that keep the method,
 * and a 301 or 302 where reads were led the same way: all of it has moved, from http to https for one.
 *
 * @param http The registry; it learns where it has moved to.
 * @param url Where it was sent.
 * @returns Undefined where it is no redirect, or none to follow.
 * @throws {NetworkError} If it leads where no request goes.
 */
export function followRedirect(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): URL | undefined {
  const { seen } = http;
  const { status, headers } = response;
  const location = headers.get("location");
  if (!location || !REDIRECTS.includes(status)) return undefined;
  const isRead = call.method === "GET" || call.method === "HEAD";
  const isKept = isRead || KEEPING_METHOD.includes(status);
  const target = resolveLocation(http, call.action, location, url);
  const move = moveBetween(url, target);
  const isKnown = move !== undefined && seen.movedReads?.has(`${move.from} ${move.to}`) === true;
  if (!isKept && (!isKnown || status === 303)) return undefined;
  if (move && isRead) (seen.movedReads ??= new Set()).add(`${move.from} ${move.to}`);
  else if (move && isKnown) (seen.moves ??= new Map()).set(move.from, move.to);
  return target;
}
