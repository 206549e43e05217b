import { NetworkError, RegistryError, type RegistryErrorEntry, TimeoutError } from "../errors.ts";
import { isTooDeep } from "../json_depth.ts";
import { isJsonObject } from "../media_types.ts";
import { free } from "../owned_bytes.ts";
import type { Bytes } from "../source.ts";
import { isRefused, toNetworkError } from "./network.ts";
import { parseRetryAfter, retryDelay, type RetryOptions, sleep } from "./retry.ts";
import { type Clock, startClock, type Timeouts } from "./time_limits.ts";
import { explainScheme, schemeHint, schemeText, speaksOtherScheme } from "./scheme.ts";

/** The runtime's own, whatever takes its place later. */
const runtimeFetch = globalThis.fetch;

/** What answers requests: the runtime's `fetch`, or a registry in the same process. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** What all requests to one registry share. */
export interface Http {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly fetch: FetchHandler;
  /** The caller's headers, sent to `origin` only. */
  readonly headers: Readonly<Record<string, string>>;
  readonly retry: Required<RetryOptions>;
  readonly timeouts: Required<Timeouts>;
  /** What this registry has shown of itself so far. */
  readonly seen: {
    answered: boolean;
    pausedUntil: number;
    /** Whether it speaks the other one of http and https. */
    otherScheme?: Promise<boolean>;
    /** Bodies above this size go in chunks: the caller wants it, or the registry refused a larger one. */
    chunkSize?: number;
  };
}

/** One request. */
export interface Call {
  /** What it does, for messages: `push blob sha256:... to host/repository`. */
  action: string;
  method: "HEAD" | "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: URL;
  headers?: Record<string, string>;
  /** Whole bytes, or a function that opens the body; it is called once for each time that the request is sent. */
  body?: Bytes | (() => ReadableStream<Bytes>);
  /** Length of a streamed body, where it is known. */
  size?: number;
  /** Whether reading the body has time limits of its own: while it is waited for, none runs here. */
  isPatient?: boolean | undefined;
  /** Statuses to return; any other becomes a {@linkcode RegistryError}. */
  expect: readonly number[];
  signal?: AbortSignal | undefined;
  /**
   * How long the answer to a request under way is still waited for after an abort, in milliseconds: what it opened has to
   * be closed again.
   * @default {0}
   */
  grace?: number;
  /** Told before each wait for another attempt. */
  onRetry?: ((attempt: number, delay: number, error: Error) => void | Promise<void>) | undefined;
}

/** Most bytes read of an error answer. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Longest time to read one: its status says most of it. */
const ERROR_MILLISECONDS = 5_000;
const MAX_REDIRECTS = 10;
const USER_AGENT = "tarpush/0.1.0";
const RETRYABLE_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 522]);
const RETRYABLE_CODES = new Set(["TOOMANYREQUESTS", "UNAVAILABLE"]);
/** Failures that have had all their attempts: whatever they are part of does not begin to count anew. */
const spent = new WeakSet<Error>();

/**
 * Sends a request, again where the failure may pass, and returns an expected answer.
 *
 * @param http The registry.
 * @param call The request; a body given as a function must be able to open it anew.
 * @returns The answer; the caller reads or discards its body.
 * @throws {RegistryError} If the last answer was not an expected one.
 * @throws {NetworkError} If there was no answer.
 */
export async function request(http: Http, call: Call): Promise<Response> {
  for (let attempt = 2;; attempt++) {
    try {
      return await requestOnce(http, call);
    } catch (error) {
      await waitForRetry(http, call, error, attempt);
    }
  }
}

/**
 * Waits before another attempt, or throws `error` when none is due: it cannot pass, it has had its attempts, here or in
 * a request that this is made of, or nobody listens where nobody has answered yet. A registry's `Retry-After` pauses
 * every request to it.
 *
 * @param http The registry.
 * @param call Signal and listener of the request or group of requests that failed.
 * @param error Why it failed.
 * @param attempt The attempt that would follow, counted from 2.
 */
export async function waitForRetry(
  http: Http,
  call: Pick<Call, "signal" | "onRetry">,
  error: unknown,
  attempt: number,
): Promise<void> {
  call.signal?.throwIfAborted();
  if (!(error instanceof NetworkError || error instanceof RegistryError) || !error.retryable) {
    throw error;
  }
  if (isSpent(error) || (!http.seen.answered && isRefused(error))) throw error;
  const retryAfter = error instanceof RegistryError ? error.retryAfter : undefined;
  const delay = retryDelay(attempt, http.retry, retryAfter);
  if (delay === undefined) {
    const last = error instanceof NetworkError
      ? await explainScheme(http, error, { ...call, isLast: true })
      : error;
    spent.add(last);
    throw last;
  }
  if (retryAfter !== undefined) {
    http.seen.pausedUntil = Math.max(http.seen.pausedUntil, Date.now() + retryAfter);
  }
  await call.onRetry?.(attempt, delay, error);
  await sleep(delay, call.signal);
}

/** Whether a failure, or one that led to it, has had all its attempts. */
function isSpent(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (spent.has(at)) return true;
  }
  return false;
}

/** Sends a request once (redirects followed) and returns an expected answer; see {@linkcode request}. */
export async function requestOnce(http: Http, call: Call): Promise<Response> {
  // Another request may make the pause longer meanwhile.
  for (let pause; (pause = http.seen.pausedUntil - Date.now()) > 0;) {
    await sleep(pause, call.signal);
  }
  let url = call.url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await send(http, call, url);
    // A TLS port answers 400 to all that comes without TLS.
    if (response.status !== 400) http.seen.answered = true;
    if (call.expect.includes(response.status) && !isWebPage(call, response)) return response;
    const location = redirectOf(call, response);
    if (!location) throw await toRegistryError(http, call, url, response);
    await discard(response);
    url = resolveLocation(http, call.action, location, url);
  }
  throw new NetworkError(`Cannot ${call.action}: more than ${MAX_REDIRECTS} redirects`, {
    ...describe(call, url),
    retryable: false,
  });
}

/**
 * What to do with each piece of a body once the next is asked for: a connection has taken it by then, and its memory can
 * go. Undefined where something else answers: a registry in this process, or the caller's own `fetch`, may keep it.
 */
export function onSent({ fetch }: Http): ((piece: Bytes) => void) | undefined {
  return fetch === runtimeFetch ? free : undefined;
}

/** Reads the rest of an answer that nobody needs, so that its connection is free again. */
export async function discard(response: Response): Promise<void> {
  // A HEAD or empty answer is at its end already; a long one is not worth reading.
  if (response.body) await response.body.cancel().catch(() => {});
}

/**
 * Resolves a `Location` or redirect target. It may be relative, and on another host, where the caller's headers do
 * not go. A proxy in front of the registry often makes https into http: on the same host the scheme is kept.
 *
 * @param http The registry.
 * @param action For the message.
 * @param location As received.
 * @param base URL of the request that was answered.
 * @returns An absolute URL.
 * @throws {NetworkError} If it is no http(s) URL, gives up https, or leads from another host to a private address.
 */
export function resolveLocation(http: Http, action: string, location: string, base: URL): URL {
  const refuse = (reason: string) =>
    new NetworkError(`Cannot ${action}: ${base.host} sent a Location that ${reason}`, {
      method: "GET",
      url: base.origin + base.pathname,
      retryable: false,
    });
  const url = URL.parse(location, base);
  if (!url) throw refuse("is not a URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("is not an http(s) URL");
  const secure = base.protocol === "https:";
  if (secure && url.protocol === "http:" && url.hostname === base.hostname) {
    url.protocol = "https:";
    if (url.port === "80") url.port = "";
  }
  if (secure && url.protocol === "http:") throw refuse(`leads from https to ${url.origin}`);
  if (!isNear(http, url, base) && isPrivateAddress(url.hostname)) {
    throw refuse(`leads to the private address ${url.host}`);
  }
  if (url.username || url.password) url.username = url.password = "";
  // It is not sent, and would stand in the way of what is added to the query.
  if (url.hash) url.hash = "";
  return url;
}

/** Whether an address is on a host that is spoken to anyway. */
function isNear(http: Http, { hostname }: URL, base: URL): boolean {
  if (hostname === base.hostname) return true;
  const known = [base.hostname, new URL(http.origin).hostname];
  return known.includes(hostname) || (isLoopback(hostname) && known.some(isLoopback));
}

async function send(http: Http, call: Call, url: URL): Promise<Response> {
  call.signal?.throwIfAborted();
  const body = typeof call.body === "function" ? call.body() : call.body;
  const clock = startClock(http.timeouts, {
    isFirst: !http.seen.answered,
    isStreamed: typeof call.body === "function",
    isStored: call.method === "PUT" || call.method === "PATCH",
    // The answer to a GET is read when this is over.
    isRead: call.method === "GET",
    bytes: call.body instanceof Uint8Array ? call.body.length : 0,
    signal: call.signal,
    grace: call.grace ?? 0,
  });
  const { signal } = clock;
  let bodyError: unknown;
  const init: RequestInit & { duplex?: "half" } = {
    method: call.method,
    headers: headersFor(http, call, url),
    redirect: "manual",
    signal,
  };
  if (body instanceof ReadableStream) {
    const { idle } = http.timeouts;
    const isPatient = call.isPatient === true;
    init.body = watch(body, clock, { idle, isPatient }, (error) => bodyError = error);
    init.duplex = "half";
  } else if (body) init.body = body;
  try {
    // The runtime's own fetch heeds the signal, and spares itself a copy of the body where no Request stands between.
    const response = http.fetch === globalThis.fetch
      ? await globalThis.fetch(url.href, init)
      : await unlessAborted(http.fetch(new Request(url, init)), signal);
    if (bodyError === undefined) return response;
    // A registry in this process answers although the body broke; over a socket there is no answer.
    await discard(response);
    throw bodyError;
  } catch (error) {
    call.signal?.throwIfAborted();
    if (bodyError !== undefined) throw bodyError;
    if (clock.expired) {
      throw new TimeoutError(
        `Cannot ${call.action}: ${url.host}: ${clock.expired}`,
        describe(call, url),
      );
    }
    const failure = toNetworkError(error, call.action, describe(call, url));
    throw await explainScheme(http, failure, call);
  } finally {
    clock.stop();
  }
}

function headersFor(http: Http, call: Call, url: URL): Record<string, string> {
  const headers: Record<string, string> = { "user-agent": USER_AGENT };
  // The caller's headers may be credentials: they stay with the registry that they were given for.
  if (url.origin === http.origin) {
    for (const [name, value] of Object.entries(http.headers)) headers[name.toLowerCase()] = value;
  }
  Object.assign(headers, call.headers);
  // Deno ignores it for a streamed body and sends chunks; Bun keeps it.
  if (call.size !== undefined) headers["content-length"] = String(call.size);
  return headers;
}

/** The answer, or the signal's reason as soon as it is aborted: a handler in this process may not heed it. */
function unlessAborted(answer: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      reject(signal.reason);
      // What still comes is nobody's.
      answer.then(discard, () => {});
    };
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** A slow connection takes this much at a time in less than any sensible limit. */
const LEAST_PIECE_BYTES = 128 * 1024;
/** What buffers of system and runtime take at once: it says nothing about the connection. */
const BUFFERED_BYTES = 4 * 1024 * 1024;

/** Bytes to hand over next, such that they are through in an eighth of the limit on idleness. */
function pieceBytes(taken: number, milliseconds: number, idle: number): number {
  const rate = Math.max(0, taken - BUFFERED_BYTES) / Math.max(1, milliseconds);
  // Where there is no limit, nothing times it would be no number.
  return rate > 0 ? Math.max(LEAST_PIECE_BYTES, Math.floor(rate * idle / 8)) : LEAST_PIECE_BYTES;
}

function watch(
  body: ReadableStream<Bytes>,
  clock: Clock,
  { idle, isPatient }: { idle: number; isPatient: boolean },
  onError: (error: unknown) => void,
): ReadableStream<Bytes> {
  const { signal } = clock;
  const reader = body.getReader();
  const start = performance.now();
  let rest: Bytes = new Uint8Array(0);
  let taken = 0;
  return new ReadableStream<Bytes>({
    start(controller) {
      signal.addEventListener("abort", () => {
        controller.error(signal.reason);
        // Nobody waits for the source to close; what its closing throws changes nothing.
        reader.cancel(signal.reason).catch(() => {});
      }, { once: true });
    },
    async pull(controller) {
      clock.moved();
      let isDone = false;
      try {
        while (rest.length === 0 && !isDone) {
          if (isPatient) clock.pause();
          const { done, value } = await reader.read();
          clock.moved();
          if (done) isDone = true;
          else rest = value;
        }
      } catch (error) {
        onError(error);
        throw error;
      }
      if (isDone) {
        clock.sent();
        return controller.close();
      }
      // Whole pieces are what is fast; only cut ones show that a slow connection moves.
      const part = rest.subarray(0, pieceBytes(taken, performance.now() - start, idle));
      rest = rest.subarray(part.length);
      taken += part.length;
      controller.enqueue(part);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Whether this is a web server that answers 200 to everything, and no registry at all. */
function isWebPage({ method }: Call, { status, headers }: Response): boolean {
  return status === 200 && method !== "GET" &&
    headers.get("content-type")?.toLowerCase().startsWith("text/html") === true;
}

function redirectOf(call: Call, response: Response): string | undefined {
  const any = call.method === "GET" || call.method === "HEAD";
  const follow = any ? [301, 302, 303, 307, 308] : [307, 308];
  return follow.includes(response.status)
    ? response.headers.get("location") ?? undefined
    : undefined;
}

async function toRegistryError(
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

function isLoopback(hostname: string): boolean {
  return /^(?:127\.[\d.]+|\[::1\]|(?:.+\.)?localhost\.?)$/.test(hostname);
}

function isPrivateAddress(hostname: string): boolean {
  return isLoopback(hostname) || hostname.startsWith("[") ||
    /^(?:0|10|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01]))\./
      .test(hostname);
}

function describe(call: Call, url: URL): { method: string; url: string } {
  return { method: call.method, url: url.origin + url.pathname };
}
