import type { Call, Http } from "./call.ts";

/** What a request went to, for messages: the server, or where that led, with how it came to that. */
export function placeOf({ origin }: Http, call: Pick<Call, "url">, url: URL): string {
  if (url.origin !== origin) return `${url.origin} (where ${hostOf(origin)} leads)`;
  if (url.pathname === call.url.pathname) return url.host;
  return `${url.origin}${url.pathname} (where ${url.host} leads)`;
}

/** What to look at where a request failed at a server that was not named; undefined where it was. */
export function placeHint({ origin }: Http, { method }: Call, url: URL): string | undefined {
  if (url.origin === origin) return undefined;
  const host = hostOf(origin);
  return method === "GET" || method === "HEAD"
    ? `${host} redirects to it: it must answer here, too`
    : `${host} sends uploads there: a proxy before it that drops name or port of the header Host makes it do so (nginx: proxy_set_header Host $http_host)`;
}

function hostOf(origin: string): string {
  return origin.slice(origin.indexOf("//") + 2);
}
