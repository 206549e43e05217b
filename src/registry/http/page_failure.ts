import { BLOCKED_PORT, isBlockedPort } from "../../blocked_ports.ts";
import { ArchiveError, NetworkError, RegistryError } from "../../errors.ts";
import type { Page } from "../../page.ts";
import { type Call, describe, type Http } from "./call.ts";
import { isLoopback } from "./location.ts";
import { BROKEN } from "./network.ts";
import { placeOf } from "./place.ts";
import { probeSignal } from "./time_limits.ts";

/** What a registry must let a page do and read. */
const METHODS = "HEAD, GET, POST, PATCH, PUT, DELETE";
const HEADERS = ["Accept", "Authorization", "Content-Range", "Content-Type", "Range"];
const EXPOSED =
  "Docker-Content-Digest, Link, Location, OCI-Chunk-Max-Length, OCI-Chunk-Min-Length, OCI-Subject, Range, Retry-After";
/** Any that is not blocked, where a URL names none. */
const DEFAULT_PORT = 443;
/** What browsers call the right to reach machines that are not on the internet. */
const LOCAL_PERMISSIONS = ["local-network-access", "local-network", "loopback-network"];

/** Methods that a registry has answered so that the page could see it. */
const allowed = new WeakMap<Http["seen"], Set<string>>();

/** Notes that a page saw the answer to a request: what fails later is not forbidden. */
export function noteAllowed({ seen }: Http, { method }: Pick<Call, "method">): void {
  const methods = allowed.get(seen) ?? new Set();
  allowed.set(seen, methods.add(method));
}

/**
 * Finds out why a request of a page had no answer. The browser says the same whatever it was: that the registry is not
 * there, that the page may not ask it or read what it says, or that the connection broke.
 *
 * @param url Where it went.
 * @param sent Headers and body that were sent, and what was thrown.
 * @returns The error to throw; only what may pass is retryable.
 */
export async function explainInPage(
  http: Http,
  page: Page,
  call: Call,
  url: URL,
  { headers, body, cause }: { headers: RequestInit["headers"]; body: unknown; cause: unknown },
): Promise<NetworkError | ArchiveError> {
  const fail = (state: string, hint?: string, retryable = false) =>
    new NetworkError(`Cannot ${call.action}: ${placeOf(http, call, url)}: ${state}`, {
      ...describe(call, url),
      cause,
      hint,
      retryable,
    });
  if (body instanceof Blob && !await isReadable(body)) {
    return new ArchiveError(
      `Cannot ${call.action}: the file has changed or is gone since it was chosen`,
      { cause, hint: "choose it again" },
    );
  }
  if (isBlockedPort(Number(url.port || DEFAULT_PORT))) {
    return fail(BLOCKED_PORT.state, BLOCKED_PORT.hint);
  }
  if (isMixed(page, url)) {
    return fail(
      "a page that came by https may not ask it by plain http",
      "open this page by http, or give the registry a TLS certificate",
    );
  }
  if (!await isThere(page, url, call.signal)) {
    if (http.seen.answered) return fail(BROKEN, undefined, true);
    return fail(...await whyNotThere(page, url, call.signal));
  }
  const isKnown = allowed.get(http.seen)?.has(call.method) === true;
  if (isKnown) return fail(BROKEN, undefined, true);
  if (!await mayAsk(page, call, url, headers)) {
    return fail(
      `it is there, but does not let this page send it ${call.method} (CORS)`,
      headerLines(http, page, "have it send these headers with every answer, also to OPTIONS"),
    );
  }
  // A body may have been cut off: a proxy that refuses its size often does that.
  if (body !== undefined) return fail(BROKEN, undefined, true);
  return fail(
    `it lets this page ask, but not see the answer to this ${call.method} (CORS)`,
    headerLines(
      http,
      page,
      "have it send these headers with errors, too (nginx: add_header ... always)",
    ),
  );
}

/** The error where a registry opened an upload, and a page may not read where. */
export function hiddenLocation(
  http: Http,
  page: Page,
  { action, url }: Pick<Call, "action" | "url">,
  status: number,
): RegistryError {
  return new RegistryError(
    `Cannot ${action}: ${url.host} answered ${status}, and does not let this page read its header Location (CORS)`,
    {
      method: "POST",
      url: url.origin + url.pathname,
      status,
      hint: headerLines(http, page, "have it send these headers with every answer"),
    },
  );
}

function headerLines(http: Http, { origin }: Page, what: string): string {
  const known = HEADERS.map((name) => name.toLowerCase());
  const own = Object.keys(http.headers).filter((name) => !known.includes(name));
  return [
    `${what}:`,
    `Access-Control-Allow-Origin: ${origin === "null" ? "*" : origin}`,
    `Access-Control-Allow-Methods: ${METHODS}`,
    `Access-Control-Allow-Headers: ${[...HEADERS, ...own].join(", ")}`,
    `Access-Control-Expose-Headers: ${EXPOSED}`,
  ].join("\n");
}

async function isReadable(body: Blob): Promise<boolean> {
  try {
    await body.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Browsers ask nothing by plain http for pages that came by https, but this machine. */
function isMixed({ isSecure }: Page, { protocol, hostname }: URL): boolean {
  return isSecure && protocol === "http:" && !isLoopback(hostname);
}

/** Whether a server answers: what it says stays hidden, and that it said something shows. */
async function isThere(page: Page, url: URL, cancel: AbortSignal | undefined): Promise<boolean> {
  return await mayFetch(page, url, cancel, { mode: "no-cors" });
}

/** Whether the page may send a request like this one: it is sent to where every registry has nothing to change. */
async function mayAsk(
  page: Page,
  { method, signal }: Call,
  url: URL,
  headers: RequestInit["headers"],
): Promise<boolean> {
  return await mayFetch(page, url, signal, { method, ...headers && { headers } });
}

async function mayFetch(
  page: Page,
  { origin }: URL,
  cancel: AbortSignal | undefined,
  init: RequestInit,
): Promise<boolean> {
  try {
    const options: RequestInit = { ...init, cache: "no-store", signal: probeSignal(cancel) };
    const response = await page.fetch(`${origin}/v2/`, options);
    await response.body?.cancel();
    return true;
  } catch {
    cancel?.throwIfAborted();
    return false;
  }
}

async function whyNotThere(
  page: Page,
  url: URL,
  signal: AbortSignal | undefined,
): Promise<[state: string, hint: string]> {
  for (const name of LOCAL_PERMISSIONS) {
    if (await page.permission(name) === "denied") {
      const what = page.origin === "null" ? "this page" : page.origin;
      return [
        "no connection: this page may not reach the local network",
        `allow it in the browser's settings for ${what}, and reload the page`,
      ];
    }
  }
  if (url.protocol === "http:") {
    return ["no connection", "check host and port, and that the registry is running"];
  }
  const plain = new URL(`http://${url.host}`);
  if (!isMixed(page, plain) && await isThere(page, plain, signal)) {
    return ["it speaks plain http, not https", `write http://${url.host}/...`];
  }
  return [
    "no connection, or a TLS certificate that the browser does not trust",
    `check host and port; open ${url.origin}/v2/ in a tab to see what the browser says of it`,
  ];
}
