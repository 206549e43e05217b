import { MAX_MANIFEST_BYTES } from "../../media_types.ts";
import type { Page, PageRequest } from "../../page.ts";
import type { Http, SentCall } from "./call.ts";
import { explainInPage, noteAllowed } from "./page_failure.ts";
import { noteAnswer } from "./redirect.ts";

/** What a browser sends by itself and lets no page set; the first is one that a registry would have to allow. */
const OF_THE_BROWSER = new Set(["user-agent", "accept-encoding", "content-length"]);
/** Statuses whose answers have no body. */
const EMPTY = new Set([204, 205, 304]);

/** A request that a web page is to send. */
export interface FromPage extends SentCall {
  page: Page;
  http: Http;
  /** Sends it in place of the browser. */
  fetch?: ((init: RequestInit) => Promise<Response>) | undefined;
}

/**
 * Sends a request from a web page. Redirects cannot be seen there, and are followed by the browser. A Blob goes by
 * `XMLHttpRequest` where there is one: the browser reads it from disk either way, and tells how much has gone only so.
 *
 * @param request The request, its time limits, and who sends it.
 * @returns The answer; where redirects led to it is noted.
 * @throws {NetworkError} If there was none; with what a page can find out of the reason.
 */
export async function sendFromPage(request: FromPage): Promise<Response> {
  const { page, http, call, url, clock } = request;
  const { body } = request.init;
  const headers = Object.entries(request.init.headers ?? {})
    .filter(([name]) => !OF_THE_BROWSER.has(name));
  const init: RequestInit = {
    ...request.init,
    headers: Object.fromEntries(headers),
    redirect: "follow",
    // What a browser kept of the registry may be from before a push.
    cache: "no-store",
    // Uploads are cancelled when the page is closed, too, and nothing else is sent then.
    keepalive: request.init.method === "DELETE",
  };
  const answer = await send({ ...request, init }).catch(async (cause) => {
    if (clock.signal.aborted || !(cause instanceof TypeError)) throw cause;
    throw await explainInPage(http, page, call, url, { headers: init.headers, body, cause });
  });
  noteAllowed(http, call);
  if (answer.href !== url.href && answer.href) noteAnswer(answer.response, new URL(answer.href));
  return answer.response;
}

/** An answer, and where redirects led to it; nothing where that is not told. */
interface Answer {
  response: Response;
  href: string;
}

async function send(request: FromPage): Promise<Answer> {
  const { page, url, init, fetch } = request;
  const { XMLHttpRequest } = page;
  if (XMLHttpRequest && init.body instanceof Blob && !fetch) {
    return await sendBlob(new XMLHttpRequest(), request, init.body);
  }
  const response = await (fetch ? fetch(init) : page.fetch(url.href, init));
  return { response, href: response.url };
}

async function sendBlob(
  request: PageRequest,
  { call: { onSent }, url, init, clock, onError }: FromPage,
  body: Blob,
): Promise<Answer> {
  const { signal } = clock;
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const stop = () => request.abort();
    const end = () => signal.removeEventListener("abort", stop);
    request.open(init.method ?? "PUT", url.href);
    for (const [name, value] of Object.entries(init.headers ?? {})) {
      request.setRequestHeader(name, value);
    }
    request.responseType = "blob";
    const fail = (error: unknown) => {
      onError(error);
      end();
      reject(new DOMException("who listens has failed", "AbortError"));
      request.abort();
    };
    let told = Promise.resolve();
    request.upload.onprogress = ({ loaded }) => {
      clock.moved();
      told = told.then(() => onSent?.(loaded));
      told.catch(fail);
    };
    request.upload.onload = () => clock.sent();
    request.onload = () => {
      end();
      // One that has failed was told to `fail`.
      told.then(() => resolve(answerOf(request)), () => {});
    };
    request.onerror = () => {
      end();
      reject(new TypeError("Failed to fetch"));
    };
    request.onabort = () => {
      end();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    request.send(body);
  });
}

function answerOf(request: PageRequest): Answer {
  const { status, response: content, responseURL } = request;
  const lines = request.getAllResponseHeaders().trim().split(/\r?\n/).filter(Boolean);
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  // What is larger is no answer to an upload; the browser keeps a Blob outside of the memory of the page.
  const body = content instanceof Blob ? content.slice(0, MAX_MANIFEST_BYTES) : null;
  const response = new Response(EMPTY.has(status) ? null : body, { status, headers });
  return { response, href: responseURL };
}
