import type { Bytes } from "../../bytes.ts";
import { sleep } from "../../concurrency.ts";
import { hasStatus, NetworkError, RegistryError } from "../../errors.ts";
import { isNetworkFetch } from "../../network_fetch.ts";
import { free } from "../../owned_bytes.ts";
import { type Call, describe, discard, type Http, isWebPage, kindOf } from "./call.ts";
import type { Pace } from "./pace.ts";
import { askPastCache, goesPast, mayBeKept, pastCaches } from "./kept_answer.ts";
import { currentUrl, noteAnswer } from "./redirect.ts";
import type { Refusals } from "./refusals.ts";
import { retryDelay } from "./retry.ts";
import { send } from "./send.ts";

const MAX_REDIRECTS = 10;
/** Attempts where a failure is likely to stay: of a registry that has not answered yet, it is not there, or not what it is taken for. */
const FEW_ATTEMPTS = 3;
/** Kinds of requests to remember: each repository has a few, and a call may go to any number of them. */
const MAX_KINDS = 1000;
/** Failures that have had all their attempts: whatever they are part of does not begin to count anew. */
const spent = new WeakSet<Error>();

/**
 * Sends a request, again where the failure may pass, and returns an expected answer.
 *
 * @param call The request; a body given as a function must be able to open it anew.
 * @returns The answer; the caller reads or discards its body.
 * @throws {RegistryError} If the last answer was not an expected one.
 * @throws {NetworkError} If there was no answer.
 */
export async function request(http: Http, call: Call): Promise<Response> {
  return await withRetry(http, call, () => requestOnce(http, call));
}

/** Does what takes one request or several, from its beginning again where a failure may pass; see {@linkcode waitForRetry}. */
export async function withRetry<T>(
  http: Http,
  call: Pick<Call, "signal" | "onRetry">,
  job: () => Promise<T>,
): Promise<T> {
  for (let attempt = 2;; attempt++) {
    try {
      return await job();
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
 * @param call Signal and listener of the request or group of requests that failed.
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
  const mayPass = isKnown && !mayBeAlgorithm(error);
  const delay = mayPass || attempt <= FEW_ATTEMPTS
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

/** Whether a registry may fail at an algorithm that it does not know: uber's Kraken answers 500 to each digest of sha512. */
function mayBeAlgorithm(error: NetworkError | RegistryError): boolean {
  return hasStatus(error, 500) && error.url.includes("/sha512:");
}

async function explainLast(
  http: Http,
  error: NetworkError,
  call: Pick<Call, "signal">,
): Promise<NetworkError> {
  const { explainScheme } = await import("./scheme.ts");
  return await explainScheme(http, error, { ...call, isLast: true });
}

/** Notes that there is a server at an address, and what its answer has passed. */
function noteServer({ origin, seen }: Http, url: URL, { headers }: Response): void {
  if (url.protocol === "http:" && headers.get("via")?.includes("(squid")) seen.passesSquid = true;
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
      noteServed(http, call);
      seen.pace?.accepted(response.headers);
      return response;
    } catch (error) {
      // What is not there is asked for all the time, and whoever asks goes on at once.
      if (!(error instanceof RegistryError) || error.status === 404) throw error;
      const { isRefusal, Refusals } = await import("./refusals.ts");
      if (!isRefusal(error, seen.served !== undefined)) throw error;
      refusals ??= new Refusals(await paceOf(http), retry);
      if (!await refusals.wait(call, error, sentAt)) {
        if (retry.attempts > 1) spent.add(error);
        throw error;
      }
    }
  }
}

function noteServed({ seen }: Http, call: Call): void {
  const kinds = seen.served ??= new Set();
  if (kinds.size >= MAX_KINDS) kinds.clear();
  kinds.add(kindOf(call));
}

/** The pace of requests to a registry; none has one that nobody asked for, until it refuses a request. */
async function paceOf({ limits = {}, retry, seen }: Http): Promise<Pace> {
  const { Pace } = await import("./pace.ts");
  return seen.pace ??= new Pace(limits, retry);
}

/** Sends a request to where it is led. */
async function sendOn(http: Http, call: Call): Promise<Response> {
  const asked = currentUrl(http, call.url);
  const isPast = goesPast(http, call);
  let url = isPast ? pastCaches(http, asked) : asked;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await send(http, call, url);
    const response = hops === 0 && !isPast && mayBeKept(http, call, answer)
      ? await askPastCache(http, call, url, answer)
      : answer;
    // A TLS port answers 400 to all that comes without TLS.
    if (response.status !== 400) noteServer(http, url, response);
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
