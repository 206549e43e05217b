import { parseUrl } from "../../parse_url.ts";
import { NetworkError } from "../../errors.ts";
import type { Http } from "./call.ts";

/**
 * Resolves a `Location` or redirect target. It may be relative, and on another host, where the caller's headers do
 * not go. A proxy in front of the registry often makes https into http: on the same host the scheme is kept.
 *
 * @param base URL of the request that was answered.
 * @throws {NetworkError} If it is no http(s) URL, gives up https, or leads from another host to a private address.
 */
export function resolveLocation(http: Http, action: string, location: string, base: URL): URL {
  const refuse = (reason: string) =>
    new NetworkError(`Cannot ${action}: ${base.host} sent a Location that ${reason}`, {
      method: "GET",
      url: base.origin + base.pathname,
      retryable: false,
    });
  const url = parseUrl(location, base);
  if (!url) throw refuse("is not a URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("is not an http(s) URL");
  const secure = base.protocol === "https:";
  if (secure && url.protocol === "http:" && url.hostname === base.hostname) url.protocol = "https:";
  if (secure && url.protocol === "http:") throw refuse(`leads from https to ${url.origin}`);
  if (!isNear(http, url, base) && isPrivateAddress(url.hostname)) {
    throw refuse(`leads to the private address ${url.host}`);
  }
  // What is after # is not sent, and would stand in the way of what is added to the query.
  url.username = url.password = url.hash = "";
  return url;
}

/** Whether a request failed because of where it was led. */
export function isBadLocation(error: unknown): boolean {
  return error instanceof NetworkError && / sent a Location that /.test(error.message);
}

/** Whether an address is on a host that is spoken to anyway. */
function isNear(http: Http, { hostname }: URL, base: URL): boolean {
  if (hostname === base.hostname) return true;
  const known = [base.hostname, new URL(http.origin).hostname];
  return known.includes(hostname) || (isLoopback(hostname) && known.some(isLoopback));
}

/** Whether a host name is one of this machine. */
export function isLoopback(hostname: string): boolean {
  return /^(?:127\.[\d.]+|\[::1\]|(?:.+\.)?localhost\.?)$/.test(hostname);
}

function isPrivateAddress(hostname: string): boolean {
  return isLoopback(hostname) || hostname.startsWith("[") ||
    /^(?:0|10|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01]))\./
      .test(hostname);
}
