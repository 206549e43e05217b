import { RegistryError, type RegistryErrorEntry } from "../../errors.ts";
import { isTooDeep } from "../../json_depth.ts";
import { isJsonObject } from "../../media_types.ts";
import { type Call, describe, type Http } from "./call.ts";
import { parseRetryAfter } from "./retry.ts";
import { schemeHint, schemeText, speaksOtherScheme } from "./scheme.ts";

/** Most bytes read of an error answer. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Longest time to read one: its status says most of it. */
const ERROR_MILLISECONDS = 5_000;
const RETRYABLE_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 522]);
const RETRYABLE_CODES = new Set(["TOOMANYREQUESTS", "UNAVAILABLE"]);

/**
 * Reads an answer with a status that was not expected, and says what it means.
 *
 * @param http The registry.
 * @param call The request.
 * @param url Where it went in the end.
 * @param response The answer; its body is read here.
 * @returns The error to throw.
 */
export async function toRegistryError(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): Promise<RegistryError> {
  const { status } = response;
  const text = await readErrorBody(response, Math.min(http.timeouts.idle, ERROR_MILLISECONDS));
  const errors = parseErrors(text);
  const said = errors.map(({ code, message }) => [code, message].filter(Boolean).join(": ")).join(
    "; ",
  );
  const type = response.headers.get("content-type")?.split(";")[0];
  // The answer to a HEAD has no text that could say so.
  const wantsTls = status === 400 && url.protocol === "http:" &&
    (PLAIN_HTTP_REFUSED.test(text) ||
      (!http.seen.answered && call.method === "HEAD" &&
        await speaksOtherScheme(http, url, call.signal)));
  const foreign = wantsTls
    ? `: ${schemeText(url)}`
    : isWebPage(call, response)
    ? ` with ${type}, expected the answer of a registry`
    : text && !errors.length
    ? ` with ${type ?? "a body"} that is no registry error`
    : "";
  const words = `${status}${
    response.statusText ? " " + response.statusText : STATUS_TEXT[status] ?? ""
  }`;
  return new RegistryError(
    `Cannot ${call.action}: ${url.host} answered ${printable(words)}${
      said ? `: ${printable(said)}` : printable(foreign)
    }`,
    {
      ...describe(call, url),
      status,
      errors,
      hint: wantsTls ? schemeHint(url) : statusHint(http, status),
      retryable: RETRYABLE_STATUS.has(status) ||
        errors.some(({ code }) => RETRYABLE_CODES.has(code)),
      retryAfter: parseRetryAfter(response.headers.get("retry-after"), Date.now()),
    },
  );
}

/** Whether this is a web server that answers 200 to everything, and no registry at all. */
export function isWebPage({ method }: Call, { status, headers }: Response): boolean {
  return status === 200 && method !== "GET" &&
    headers.get("content-type")?.toLowerCase().startsWith("text/html") === true;
}

/** What Go, nginx and Apache answer on a TLS port to a request without TLS. */
const PLAIN_HTTP_REFUSED =
  /HTTP request (?:was sent )?to (?:an )?HTTPS|speaking plain HTTP to an SSL/i;

const STATUS_TEXT: Record<number, string> = {
  400: " Bad Request",
  401: " Unauthorized",
  403: " Forbidden",
  404: " Not Found",
  405: " Method Not Allowed",
  413: " Payload Too Large",
  429: " Too Many Requests",
  500: " Internal Server Error",
  502: " Bad Gateway",
  503: " Service Unavailable",
};

function statusHint(http: Http, status: number): string | undefined {
  if (status === 401 || status === 403) {
    return "the registry wants a login, and tarpush has none: use a registry without one, or the module's headers option";
  }
  if (status === 404 || status === 200) {
    return `check that ${http.origin} is a registry: ${http.origin}/v2/ should answer 200`;
  }
  if (status === 413) return "a limit on the size of a request: try a smaller --chunk-size";
  return undefined;
}

async function readErrorBody({ body }: Response, milliseconds: number): Promise<string> {
  if (!body) return "";
  const reader = body.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  const timer = setTimeout(stop, milliseconds);
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (text.length < MAX_ERROR_BYTES) {
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
  return text.slice(0, MAX_ERROR_BYTES).trim();
}

function parseErrors(text: string): RegistryErrorEntry[] {
  try {
    // What a registry adds as a detail is written out again.
    if (isTooDeep(text)) return [];
    const body: unknown = JSON.parse(text);
    if (!isJsonObject(body) || !Array.isArray(body.errors)) return [];
    return body.errors.filter(isJsonObject).slice(0, 10).map(({ code, message, detail }) => ({
      code: typeof code === "string" ? code : "UNKNOWN",
      message: typeof message === "string" ? message : "",
      detail,
    }));
  } catch {
    return [];
  }
}

/** One line of at most 300 characters, with control characters made visible. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return line.length > 300 ? line.slice(0, 300) + "..." : line;
}
