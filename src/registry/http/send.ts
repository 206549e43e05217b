import type { Bytes } from "../../bytes.ts";
import { OciError } from "../../errors.ts";
import { sentFromFiles, takesInit } from "../../network_fetch.ts";
import type { Page } from "../../page.ts";
import { type Call, discard, type Http, type SentCall } from "./call.ts";
import type { Pace } from "./pace.ts";
import { startClock } from "./time_limits.ts";

const USER_AGENT = "tarpush/0.1.0";

/**
 * Sends a request to one URL, once, within its time limits and at its pace.
 *
 * @param url Where it goes, be it by a redirect.
 * @throws {NetworkError} If there was none.
 */
export async function send(http: Http, call: Call, url: URL): Promise<Response> {
  call.signal?.throwIfAborted();
  const pace = http.seen.pace?.countsBytes ? http.seen.pace : undefined;
  const count = call.file && !pace ? await sentFromFiles(http.fetch, url) : undefined;
  const stream = openBody(http, call, { pace, isCounted: count !== undefined });
  const body = stream || typeof call.body === "function" ? undefined : call.body;
  const size = typeof call.body === "function" && leavesLength(http, url) ? undefined : call.size;
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
    headers: headersFor(http, { ...call, size }, url),
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
      { idle, isPatient, size, pace },
      onError,
    );
    init.duplex = "half";
  } else if (call.asPiece && body instanceof Uint8Array) {
    const { withLength } = await import("./known_length.ts");
    init.body = withLength(onePiece(body), body.length);
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
 * Whether what is streamed to a URL goes without its length: of bodies that tell it and come fast, Squid 5.7 as a proxy of
 * plain http drops those of several MiB. Others are slow without (3proxy), or lose what has none (glider).
 */
export function leavesLength({ seen }: Http, url: URL): boolean {
  return url.protocol === "http:" && seen.passesSquid === true;
}

/**
 * The body of a call as a stream, where it is one, or has to become one: what `fetch` reads by itself has no pace, and a file
 * may have been redirected to where files are no bodies.
 */
function openBody(
  { page }: Http,
  { body, file }: Call,
  { pace, isCounted }: { pace: Pace | undefined; isCounted: boolean },
): ReadableStream<Bytes> | undefined {
  if (typeof body === "function") return body();
  if (!(body instanceof Blob)) return undefined;
  const isPaced = pace && body.size > pace.pieceBytes && !page;
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
    // Bun keeps it for a stream; others are told in ways of their own.
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
