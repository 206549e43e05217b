import { NetworkError } from "../../errors.ts";
import { type Call, discard, headerOf, type Http } from "./call.ts";
import { resolveLocation } from "./location.ts";
import { type Move, moveBetween } from "./redirect.ts";
import { send } from "./send.ts";

const REDIRECTS = [301, 302, 303, 307, 308];
/** Those after which the same is sent again: the others turn a write into a GET, or may. */
const KEEPING_METHOD = [307, 308];

/**
 * Where the same request is to be sent after a redirect. A read follows every one; a write those that keep the method,
 * and a 301 or 302 where reads are led the same way: all of it has moved, from http to https for one.
 *
 * @param http The registry; it learns where it has moved to.
 * @param url Where it was sent.
 * @returns Undefined where it is no redirect, or none to follow.
 * @throws {NetworkError} If it leads where no request goes.
 */
export async function followRedirect(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): Promise<URL | undefined> {
  const { seen } = http;
  const { status } = response;
  const location = headerOf(response, "location");
  if (!location || !REDIRECTS.includes(status)) return undefined;
  const isRead = call.method === "GET" || call.method === "HEAD";
  const isKept = isRead || KEEPING_METHOD.includes(status);
  const target = resolveLocation(http, call.action, location, url);
  // The same would come again.
  if (target.href === url.href) return undefined;
  const move = moveBetween(url, target);
  if (!isKept && (!move || status === 303)) return undefined;
  const isKnown = !isRead && move !== undefined && (hasMovedReads(http, move) ||
    (!isKept && await movesReads(http, call, url, move)));
  if (!isKept && !isKnown) return undefined;
  if (move && isRead) (seen.movedReads ??= new Set()).add(`${move.from} ${move.to}`);
  else if (move && isKnown) (seen.moves ??= new Map()).set(move.from, move.to);
  return target;
}

function hasMovedReads({ seen }: Http, { from, to }: Move): boolean {
  return seen.movedReads?.has(`${from} ${to}`) === true;
}

/** Whether reads are led the same way: where a push begins with an upload, as that of a pipe may, none was sent yet. */
async function movesReads(http: Http, call: Call, url: URL, move: Move): Promise<boolean> {
  const read = new URL(
    url.origin + url.pathname.replace(/\/(?:blobs|manifests)\/.*$/, "/tags/list"),
  );
  const { action, signal } = call;
  const question: Call = { action, method: "HEAD", url: read, expect: [], signal };
  try {
    const response = await send(http, question, read);
    await discard(response);
    await followRedirect(http, question, read, response);
  } catch (error) {
    signal?.throwIfAborted();
    // That this has no answer is not what is to be told of the write.
    if (!(error instanceof NetworkError)) throw error;
  }
  return hasMovedReads(http, move);
}
