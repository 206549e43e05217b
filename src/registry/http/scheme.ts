import { NetworkError } from "../../errors.ts";
import { discard, type Http } from "./call.ts";
import { isLoopback } from "./location.ts";
import { isBroken, toNetworkError } from "./network.ts";
import { PROBE_MILLISECONDS, probeSignal } from "./time_limits.ts";

/**
 * Says so where a request failed because one side speaks TLS and the other does not.
 *
 * @param options Signal; and whether it is not tried again: a connection that breaks without an answer is asked about
 * only then.
 * @returns The same error, or one that names the scheme to use.
 */
export async function explainScheme(
  http: Http,
  error: NetworkError,
  { signal, isLast = false }: { signal?: AbortSignal | undefined; isLast?: boolean } = {},
): Promise<NetworkError> {
  const url = new URL(error.url);
  const isCut = isBroken(error);
  if (url.origin !== http.origin || http.seen.answered || (isCut && !isLast)) return error;
  if (!isCut && !NO_TLS.test(error.message) && !NO_HTTP.test(error.message)) return error;
  const isOther = await speaksOtherScheme(http, url, signal);
  signal?.throwIfAborted();
  if (!isOther) return error;
  const text = `${error.message.replace(/: [^:]*$/, "")}: ${schemeText(url)}`;
  const { method, cause } = error;
  return new NetworkError(text, {
    method,
    url: error.url,
    cause,
    retryable: false,
    hint: schemeHint(url),
  });
}

/** Whether the other one of http and https is what is spoken there; asked once. */
export function speaksOtherScheme(
  http: Http,
  url: URL,
  signal?: AbortSignal,
): Promise<boolean> {
  return http.seen.otherScheme ??= url.protocol === "https:"
    ? speaksPlainHttp(http, url, signal)
    : speaksTls(http, url, signal);
}

/** What the other side speaks, as a state for messages. */
export function schemeText({ protocol }: URL): string {
  return protocol === "https:"
    ? "it speaks plain http, not https"
    : "it speaks https, not plain http";
}

/** How to ask for the other scheme. */
export function schemeHint({ protocol, host, hostname }: URL): string {
  if (protocol === "https:") {
    return `use --plain-http, or write http://${host}/... in the reference`;
  }
  const write = `write https://${host}/... in the reference`;
  // This machine is spoken to in plain http by itself.
  return isLoopback(hostname) ? write : `leave out --plain-http, or ${write}`;
}

const NO_TLS = /: (?:it speaks no TLS|TLS handshake failed)$/;
const NO_HTTP = /: it answered with something that is no HTTP$/;

async function speaksPlainHttp(http: Http, url: URL, signal?: AbortSignal): Promise<boolean> {
  try {
    const status = await probe(http, `http://${url.host}/v2/`, signal);
    // A TLS port that is spoken to in plain http answers 400.
    return status !== 400;
  } catch {
    return false;
  }
}

/** Whether there is TLS: one that does not come about, for a certificate or the like, is TLS all the same. */
async function speaksTls(http: Http, url: URL, signal?: AbortSignal): Promise<boolean> {
  const address = `https://${url.host}/v2/`;
  try {
    await probe(http, address, signal);
    return true;
  } catch (error) {
    const { message } = toNetworkError(error, "ask", { method: "GET", url: address });
    return /TLS|certificate/.test(message) && !NO_TLS.test(message);
  }
}

async function probe(http: Http, address: string, signal?: AbortSignal): Promise<number> {
  const response = await ask(http, address, signal);
  await discard(response);
  return response.status;
}

/** What a server says to a GET; empty where it says nothing. */
export async function askForText(http: Http, url: URL, signal?: AbortSignal): Promise<string> {
  try {
    const { readShown } = await import("./answer_content.ts");
    return await readShown(await ask(http, `${url.origin}/v2/`, signal), PROBE_MILLISECONDS);
  } catch {
    return "";
  }
}

async function ask(http: Http, address: string, cancel?: AbortSignal): Promise<Response> {
  const signal = probeSignal(cancel, http.timeouts.connect);
  // Nothing of the caller's goes over the wire unencrypted: neither headers nor path.
  const { fetch } = http;
  return await fetch(new Request(address, { redirect: "manual", signal }));
}
