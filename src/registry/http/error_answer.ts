import { hasCode, RegistryError, type RegistryErrorEntry } from "../../errors.ts";
import { parseErrors, proxyOfAnswer, readShown } from "./answer_content.ts";
import { type Call, describe, headerOf, type Http, isPage } from "./call.ts";
import { isDiskFailure } from "./error_details.ts";
import { explainRefusal } from "./explain_refusal.ts";
import { meaningOf } from "./forbidden.ts";
import { placeHint, placeOf } from "./place.ts";
import { readRateLimit } from "./rate_limit.ts";
import { parseRetryAfter } from "./retry.ts";
import { noteStranger } from "./stranger.ts";

/** Longest time to read an error answer: its status says most of it. */
const ERROR_MILLISECONDS = 5_000;
// 520 to 524: Cloudflare did not reach the registry, or lost it.
const RETRYABLE_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524]);
const RETRYABLE_CODES = ["TOOMANYREQUESTS", "UNAVAILABLE"];
/** What stays as it is: distribution answers 500 where it finds several things in a manifest, this one among them. */
const FINAL_CODES = [
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_INVALID",
  "MANIFEST_UNVERIFIED",
  "NAME_INVALID",
];

const STATUS_TEXT: Record<number, string> = {
  301: " Moved Permanently",
  302: " Found",
  303: " See Other",
  400: " Bad Request",
  401: " Unauthorized",
  403: " Forbidden",
  404: " Not Found",
  405: " Method Not Allowed",
  407: " Proxy Authentication Required",
  413: " Payload Too Large",
  429: " Too Many Requests",
  500: " Internal Server Error",
  501: " Not Implemented",
  502: " Bad Gateway",
  503: " Service Unavailable",
};

/**
 * Reads an answer with a status that was not expected, and says what it means.
 *
 * @param url Where it went in the end.
 * @param response The answer; its body is read here.
 */
export async function toRegistryError(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): Promise<RegistryError> {
  const { status } = response;
  const text = await readShown(response, Math.min(http.timeouts.idle, ERROR_MILLISECONDS));
  const errors = parseErrors(text);
  const proxy = errors.length === 0 ? proxyOfAnswer(http, url, response) : undefined;
  const meaning = await meaningOf(http, call, url, response, errors);
  const isCrowd = isNginxCrowd(response, text);
  const refusal = { http, call, url, response, text, errors, proxy, meaning, isCrowd };
  const { state, hint } = await explainRefusal(refusal);
  const place = placeOf(http, call, url) + (proxy === undefined ? "" : `, through ${proxy},`);
  const words = `${status}${
    response.statusText ? " " + response.statusText : STATUS_TEXT[status] ?? ""
  }`;
  const error = new RegistryError(
    `Cannot ${call.action}: ${place} answered ${printable(words)}${printable(state)}`,
    {
      ...describe(call, url),
      status,
      errors,
      hint: hint ?? placeHint(http, call, url),
      retryable: isRetryable(status, errors),
      retryAfter: waitOf(http, response),
    },
  );
  noteStranger(error, {
    isPage: isPage(response) && errors.length === 0,
    isCrowd,
    isShutOut: meaning?.isShutOut === true,
    isLarge: meaning?.isLarge === true,
  });
  return error;
}

function isRetryable(status: number, errors: readonly RegistryErrorEntry[]): boolean {
  if (isDiskFailure(status, errors)) return false;
  return hasCode({ errors }, ...RETRYABLE_CODES) ||
    (RETRYABLE_STATUS.has(status) && !(status === 500 && hasCode({ errors }, ...FINAL_CODES)));
}

/** Whether nginx itself answered 503: its limit_req and limit_conn do so as they come, and so does an ingress without pods. */
function isNginxCrowd({ status, headers }: Response, text: string): boolean {
  return status === 503 && /^(?:nginx|openresty)\b/i.test(headers.get("server") ?? "") &&
    (text === "" || text.includes("<center><h1>503 Service Temporarily Unavailable"));
}

/** Milliseconds that a registry wants to be left alone; undefined where it does not say. */
function waitOf({ retry }: Http, response: Response): number | undefined {
  const { status, headers } = response;
  const now = Date.now();
  const wait = parseRetryAfter(headerOf(response, "retry-after"), now);
  if (wait !== undefined || status !== 429) return wait;
  const { reset } = readRateLimit(headers, now);
  // Long windows are counted in hours, and some requests are answered before they end.
  return reset !== undefined && reset <= retry.maxRetryAfter ? reset : undefined;
}

/** One line of at most 300 characters, with control characters made visible. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return line.length > 300 ? line.slice(0, 300) + "..." : line;
}
