import type { Bytes } from "../../bytes.ts";
import { NetworkError, OciError, RegistryError } from "../../errors.ts";
import { isNetworkFetch, sentFromFiles, takesInit } from "../../network_fetch.ts";
import { free } from "../../owned_bytes.ts";
import type { Page } from "../../page.ts";
import { type Call, describe, discard, type Http, isWebPage, type SentCall } from "./call.ts";
import type { Pace } from "./pace.ts";
import { currentUrl, noteAnswer } from "./redirect.ts";
import type { Refusals } from "./refusals.ts";
import { retryDelay, sleep } from "./retry.ts";
import { startClock } from "./time_limits.ts";

const MAX_REDIRECTS = 10;
/** Attempts for a registry that has not answered yet: most likely it is not there, or not what it is taken for. */
const FIRST_ATTEMPTS = 3;
const USER_AGENT = "tarpush/0.1.0";
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
  if (isSpent(error)) throw error;
  const isKnown = error instanceof NetworkError ? hasAnswered(http, error) : http.seen.answered;
  if (error instanceof NetworkError && !isKnown) {
    const { isRefused } = await import("./network.ts");
    if (isRefused(error)) throw error;
  }
  const retryAfter = error instanceof RegistryError ? error.retryAfter : undefined;
  const delay = isKnown || attempt <= FIRST_ATTEMPTS
    ? retryDelay(attempt, http.retry, retryAfter)
    : undefined;
  if (delay === undefined) {
    const last = error instanceof NetworkError ? await explainLast(http, error, call) : error;
    spent.add(last);
    throw last;
  }
  if (retryAfter !== undefined) (await paceOf(http)).pause(retryAfter);
  await call.onRetry?.(attempt, delay, error);
  await sleep(delay, call.signal);
}

async function explainLast(
  http: Http,
  error: NetworkError,
  call: Pick<Call, "signal">,
): Promise<NetworkError> {
  const { explainScheme } = await import("./scheme.ts");
  return await explainScheme(http, error, { ...call, isLast: true });
}

/** Notes that there is a server at an address. */
function noteServer({ origin, seen }: Http, url: URL): void {
  if (url.origin === origin) seen.answered = true;
  else (seen.others ??= new Set()).add(url.origin);
}

/** Whether the server that a request went to has answered before: only such a one is waited for. */
function hasAnswered({ origin, seen }: Http, { url }: { url: string }): boolean {
  const at = new URL(url).origin;
  return at === origin ? seen.answered : seen.others?.has(at) === true;
}

/** Whether a failure, or one that led to it, has had all its attempts. */
function isSpent(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (spent.has(at)) return true;
  }
  return false;
}

/**
 * Sends a request once (redirects followed) and returns an expected answer; see {@linkcode request}. One that is refused for
 * want of pace was not dealt with: it is sent again before all others.
 */
export async function requestOnce(http: Http, call: Call): Promise<Response> {
  const { seen, limits, retry } = http;
  let refusals: Refusals | undefined;
  for (;;) {
    const pace = seen.pace ?? (limits && await paceOf(http));
    const sentAt = await pace?.enter(call.signal, refusals !== undefined);
    const fresh = refusals?.reopened(call) ?? call;
    try {
      const response = await sendOn(http, fresh);
      seen.pace?.accepted(response.headers);
      return response;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (!refusals) {
        const module = await import("./refusals.ts");
        refusals = new module.Refusals(await paceOf(http), retry);
      }
      if (!await refusals.wait(call, error, sentAt)) {
        if (retry.attempts > 1) spent.add(error);
        throw error;
      }
    }
  }
}

/** Whether a registry answered that there are too many requests, and not that this one is wrong. */
function isRefusal(error: unknown): error is RegistryError {
  return error instanceof RegistryError &&
    (error.status === 429 || error.errors.some(({ code }) => code === "TOOMANYREQUESTS"));
}

/** The pace of requests to a registry; none has one that nobody asked for, until it refuses a request. */
async function paceOf({ limits = {}, retry, seen }: Http): Promise<Pace> {
  const { Pace } = await import("./pace.ts");
  return seen.pace ??= new Pace(limits, retry);
}

/** Sends a request to where it is led. */
async function sendOn(http: Http, call: Call): Promise<Response> {
  let url = currentUrl(http, call.url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await send(http, call, url);
    // A TLS port answers 400 to all that comes without TLS.
    if (response.status !== 400) noteServer(http, url);
    if (call.expect.includes(response.status) && !isWebPage(call, response)) {
      if (url !== call.url) noteAnswer(response, url);
      return response;
    }
    const next = await redirectOf(http, call, url, response);
    if (!next) {
      const { toRegistryError } = await import("./error_answer.ts");
      throw await toRegistryError(http, call, url, response);
    }
    await discard(response);
    url = next;
  }
  throw new NetworkError(`Cannot ${call.action}: more than ${MAX_REDIRECTS} redirects`, {
    ...describe(call, url),
    retryable: false,
  });
}

async function redirectOf(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
): Promise<URL | undefined> {
  if (!response.headers.has("location")) return undefined;
  const { followRedirect } = await import("./follow_redirect.ts");
  return followRedirect(http, call, url, response);
}

/**
 * What to do with each piece of a body once the next is asked for: a connection has taken it by then, and its memory can
 * go. Undefined where something else answers: a registry in this process, or the caller's own `fetch`, may keep it.
 */
export function onSent(http: Http): ((piece: Bytes) => void) | undefined {
  return isRuntimeFetch(http) ? free : undefined;
}

/** Whether requests go straight to the network, by the runtime's own `fetch` or by its host's. */
export function isRuntimeFetch({ fetch }: Http): boolean {
  return isNetworkFetch(fetch);
}

async function send(http: Http, call: Call, url: URL): Promise<Response> {
  call.signal?.throwIfAborted();
  const pace = http.seen.pace?.countsBytes ? http.seen.pace : undefined;
  const count = call.file && !pace ? await sentFromFiles(http.fetch, url) : undefined;
  const stream = openBody(http, call, { pace, isCounted: count !== undefined });
  const body = stream || typeof call.body === "function" ? undefined : call.body;
  await pace?.pass(lengthOf(body), call.signal);
  const clock = startClock(http.alarms, http.timeouts, {
    isFirst: !http.seen.answered,
    isStreamed: stream !== undefined || showsProgress(http, body),
    isStored: call.method === "PUT" || call.method === "PATCH",
    // The answer to a GET is read when this is over.
    isRead: call.method === "GET",
    bytes: lengthOf(body),
    signal: call.signal,
    grace: call.grace ?? 0,
  });
  const { signal } = clock;
  let bodyError: unknown;
  const onError = (error: unknown) => void (bodyError = error);
  const init: RequestInit & { duplex?: "half"; decompress: boolean } = {
    method: call.method,
    headers: headersFor(http, call, url),
    redirect: "manual",
    // Bun inflates what a web server or a store labels as compressed, although it was asked for as it is.
    decompress: false,
    signal,
  };
  if (stream) {
    const { idle } = http.timeouts;
    const isPatient = call.isPatient === true;
    const { watchBody } = await import("./watched_body.ts");
    init.body = watchBody(
      stream,
      clock,
      { idle, isPatient, size: call.size, pace },
      onError,
    );
    init.duplex = "half";
  } else if (call.asPiece && body instanceof Uint8Array) {
    init.body = onePiece(body);
    init.duplex = "half";
  } else if (body) init.body = body;
  // workerd and browsers refuse to have it called as a method of something.
  const { fetch } = http;
  try {
    // What leads to the network heeds the signal, and spares itself a copy of the body where no Request stands between.
    const response = http.page
      ? await sendInPage(http, http.page, { call, url, init, clock, onError })
      : takesInit(fetch)
      ? await (count
        ? sendCounted(count, { call, url, init, clock, onError }, fetch)
        : fetch(url.href, init))
      : await unlessAborted(fetch(new Request(url, init)), signal);
    if (bodyError === undefined) return response;
    // A registry in this process answers although the body broke; over a socket there is no answer.
    await discard(response);
    throw bodyError;
  } catch (error) {
    call.signal?.throwIfAborted();
    if (bodyError !== undefined) throw bodyError;
    // What can be said of a failure in a page has been said.
    if (http.page && error instanceof OciError && !clock.expired) throw error;
    const { explainFailure } = await import("./failed_request.ts");
    throw await explainFailure(http, call, url, error, clock.expired);
  } finally {
    clock.stop();
  }
}

/**
 * The body of a call as a stream, where it is one, or has to become one: what `fetch` reads by itself has no pace, and a file
 * may have been redirected to where files are no bodies.
 */
function openBody(
  { page, seen }: Http,
  { body, file }: Call,
  { pace, isCounted }: { pace: Pace | undefined; isCounted: boolean },
): ReadableStream<Bytes> | undefined {
  if (typeof body === "function") return body();
  if (!(body instanceof Blob)) return undefined;
  const isPaced = pace && body.size > pace.pieceBytes && !page && !seen.wantsLength;
  return isPaced || (file && !isCounted) ? body.stream() : undefined;
}

function lengthOf(body: Bytes | Blob | undefined): number {
  return body instanceof Blob ? body.size : body?.length ?? 0;
}

async function sendCounted(
  ...request: Parameters<typeof import("./watched_file.ts").sendFile>
): Promise<Response> {
  const { sendFile } = await import("./watched_file.ts");
  return await sendFile(...request);
}

/** Whether it is seen how much of a body that is sent from a page has gone. */
function showsProgress(http: Http, body: Bytes | Blob | undefined): boolean {
  return body instanceof Blob && http.page?.XMLHttpRequest !== undefined && takesInit(http.fetch);
}

async function sendInPage(
  http: Http,
  page: Page,
  request: SentCall,
): Promise<Response> {
  const { sendFromPage } = await import("./page_request.ts");
  const { url, clock } = request;
  const { fetch } = http;
  const send = takesInit(fetch)
    ? undefined
    : (init: RequestInit) => unlessAborted(fetch(new Request(url, init)), clock.signal);
  return await sendFromPage({ ...request, http, page, fetch: send });
}

function onePiece(bytes: Bytes): ReadableStream<Bytes> {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  }, { highWaterMark: 0 });
}

function headersFor(http: Http, call: Call, url: URL): Record<string, string> {
  return {
    "user-agent": USER_AGENT,
    // Blobs are their bytes, and so are lengths and parts; Deno inflates what it was not told to leave.
    "accept-encoding": "identity",
    // The caller's headers may be credentials: they stay with the registry that they were given for.
    ...(url.origin === http.origin ? http.headers : undefined),
    ...call.headers,
    // Deno ignores it for a streamed body and sends chunks; Bun keeps it.
    ...(call.size === undefined ? undefined : { "content-length": String(call.size) }),
  };
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
