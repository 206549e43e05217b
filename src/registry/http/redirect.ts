import type { Call, Http } from "./call.ts";

/** Answers that redirects led to, and where they came from. */
const places = new WeakMap<Response, URL>();

/**
 * Where an answer came from: what it says is relative to that.
 *
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
 * Where a request goes: as it is named, or where the registry sends reads and writes alike.
 *
 * @param url As the request names it.
 */
export function currentUrl({ seen }: Http, url: URL): URL {
  if (!seen.moves) return url;
  const { href } = url;
  for (const [from, to] of seen.moves) {
    // An upload that was opened at the new place goes on there.
    const isMoved = href.startsWith(`${from}/`) && !href.startsWith(`${to}/`);
    if (isMoved) return new URL(to + href.slice(from.length));
  }
  return url;
}

/** What a redirect puts in the place of what. */
export interface Move {
  from: string;
  to: string;
}

/** Shared segments of a path that show that what stands before them has moved: `blobs/DIGEST`, `manifests/TAG`. */
const LEAST_SHARED = 2;

/**
 * What a redirect changes of a URL, where the end of the path and the query stay: such a one is of a whole server or
 * repository. One to a store for blobs, or to a sign-in page, is not.
 */
export function moveBetween(from: URL, to: URL): Move | undefined {
  if (from.search !== to.search) return undefined;
  const [old, now] = [from.pathname.split("/"), to.pathname.split("/")];
  let shared = 0;
  while (shared < Math.min(old.length, now.length) && old.at(-1 - shared) === now.at(-1 - shared)) {
    shared++;
  }
  if (shared < LEAST_SHARED) return undefined;
  const before = (url: URL, path: string[]) => url.origin + path.slice(0, -shared).join("/");
  return { from: before(from, old), to: before(to, now) };
}
