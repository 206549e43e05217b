import { proxyFor } from "../../network_fetch.ts";
import { wantsLogin } from "./answer_content.ts";
import { type Http, isPage } from "./call.ts";
import { loginHint, nameProxy, pastHint } from "./proxy_tunnel.ts";

/**
 * The proxy that an answer came through, where it may be the proxy's own: an answer in plain http that has nothing of a
 * registry, with a status that proxies refuse with, or as a page.
 */
export function proxyOfAnswer(http: Http, url: URL, response: Response): string | undefined {
  const { status, headers } = response;
  if (status === 407) return nameProxy(proxyFor(http.fetch, url));
  const via = url.protocol === "http:" ? proxyFor(http.fetch, url) : undefined;
  if (via === undefined || headers.has("docker-distribution-api-version")) return undefined;
  if (wantsLogin(response, [])) return undefined;
  return status === 403 || status >= 502 || isPage(response) ? nameProxy(via) : undefined;
}

/** What to do about the answer of a proxy. */
export function proxyAnswerHint(status: number, url: URL): string {
  return status === 407 ? loginHint(url) : `the proxy may refuse it; ${pastHint(url)}`;
}
