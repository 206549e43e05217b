import { giveUp } from "../../bytes.ts";
import type { RegistryErrorEntry } from "../../errors.ts";
import { isTooDeep } from "../../json_depth.ts";
import { isJsonObject } from "../../media_types.ts";
import { proxyFor } from "../../network_fetch.ts";
import { type Http, isPage, namesLogin } from "./call.ts";
import { codingOf, inflateText } from "./content_encoding.ts";
import { nameProxy, pastHint, proxyLoginHint } from "./proxy_tunnel.ts";

/** Most bytes read of an answer that is shown, not used. */
const MAX_SHOWN_BYTES = 64 * 1024;
/** How registries say that they would do it for somebody else. */
const LOGIN_CODES = new Set(["UNAUTHORIZED", "DENIED", "FORBIDDEN"]);
/** What those codes are used for besides. */
const OTHER_REASONS =
  /immutable|overwrit|read.?only|quota|exceed|polic|vulnerab|proxy (?:project|cache)|to groups?\b|firewall|client with ip/i;
/** Harbor answers 401 to somebody who is known, where there is no such project. */
const NO_PROJECT = /\b(?:project|organi[sz]ation|namespace)\b.*\b(?:not found|does not exist)\b/i;

/**
 * Reads what an answer says that is shown and not used. A body that breaks off or never ends counts as far as it came.
 *
 * @param response The answer; its body is read here.
 */
export async function readShown(response: Response, milliseconds: number): Promise<string> {
  const { body } = response;
  if (!body) return "";
  const coding = codingOf(response);
  const reader = (coding === undefined ? body : inflateText(body, coding)).getReader();
  const stop = () => giveUp(reader);
  const timer = setTimeout(stop, milliseconds);
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (text.length < MAX_SHOWN_BYTES) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // The status is what matters; a body that breaks off adds nothing.
  } finally {
    clearTimeout(timer);
    stop();
  }
  return text.slice(0, MAX_SHOWN_BYTES).trim();
}

/** The error list of a registry (distribution-spec, "Error Codes"); empty where the text is none. */
export function parseErrors(text: string): RegistryErrorEntry[] {
  const body = parseJson(text);
  if (!isJsonObject(body) || !Array.isArray(body.errors)) return [];
  return body.errors.filter(isJsonObject).slice(0, 10).map(({ code, message, detail }) => ({
    code: typeof code === "string" ? code : "UNKNOWN",
    message: typeof message === "string" ? message : "",
    detail,
  }));
}

/**
 * Whether a refusal is one of a registry, or of what guards it, that wants to know who asks: it names the way to log in,
 * or says so in its error list. A status alone is no such word: firewalls, proxies and web servers refuse with it, too.
 */
export function wantsLogin(
  response: Response,
  errors: readonly RegistryErrorEntry[],
): boolean {
  const { status } = response;
  if (status !== 401 && status !== 403) return false;
  if (namesLogin(response)) return true;
  return !lacksProject(errors) &&
    errors.some(({ code, message }) =>
      status === 401 || (LOGIN_CODES.has(code) && !OTHER_REASONS.test(message))
    );
}

/** Whether a registry says that it misses what a repository belongs to. */
export function lacksProject(errors: readonly RegistryErrorEntry[]): boolean {
  return errors.some(({ message }) => NO_PROJECT.test(message));
}

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
  return status === 407 ? proxyLoginHint(url) : `the proxy may refuse it; ${pastHint(url)}`;
}

/** JSON that is not nested too deep; undefined where it is something else. */
export function parseJson(text: string): unknown {
  try {
    // What a registry adds as a detail is written out again.
    return isTooDeep(text) ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
