import { type Call, hostOf, type Http } from "./call.ts";

/** What a request went to, for messages: the server, or where that led, with how it came to that. */
export function placeOf(http: Http, call: Pick<Call, "url">, url: URL): string {
  if (url.origin !== http.origin) return `${url.origin} (where ${hostOf(http)} leads)`;
  if (url.pathname === call.url.pathname) return url.host;
  return `${url.origin}${url.pathname} (where ${url.host} leads)`;
}

/** Whether a server speaks for the registry: it was named, or the whole of it has moved there. */
export function isRegistry({ origin, seen }: Http, url: URL): boolean {
  if (url.origin === origin) return true;
  return [...seen.moves?.values() ?? []].some((to) => `${to}/`.startsWith(`${url.origin}/`));
}

/** What to look at where a request failed at a server that does not speak for the registry; undefined where it does. */
export function placeHint(http: Http, { method }: Call, url: URL): string | undefined {
  if (isRegistry(http, url)) return undefined;
  const host = hostOf(http);
  if (url.host === host) {
    return `${host} names another scheme than it speaks: a proxy before it that tells a wrong X-Forwarded-Proto makes it do so`;
  }
  return method === "GET" || method === "HEAD"
    ? `${host} redirects to it: it must answer here, too`
    : `${host} sends uploads there: a proxy before it that drops name or port of the header Host makes it do so (nginx: proxy_set_header Host $http_host)`;
}
