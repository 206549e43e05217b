import { BLOCKED_PORT } from "../blocked_ports.ts";
import { type Bytes, giveUp, toBytes } from "../bytes.ts";
import { anySignal, sleep } from "../concurrency.ts";
import { NetworkError, TimeoutError } from "../errors.ts";
import { proxyFor, takesInit } from "../network_fetch.ts";

/** What answers requests: the runtime's `fetch`, or something in its place. */
type Fetch = (request: Request) => Promise<Response>;

/** How an archive behind a URL is read. */
export interface UrlOptions {
  /**
   * What answers requests.
   * @default {fetch}
   */
  fetch?: Fetch | undefined;
  /**
   * Milliseconds without a byte after which it is given up.
   * @default {{ idle: 60_000 }}
   */
  timeouts?: { idle?: number } | undefined;
  /**
   * How often the first answer and a small range are asked for, and how long is waited before the second time, in
   * milliseconds; three times as long before each further one, as far as `maxDelay` goes. Whoever reads a large one asks
   * again by itself.
   * @default {{ attempts: 3, delay: 500, maxDelay: 45_000 }}
   */
  retry?: Retry | undefined;
}

interface Retry {
  attempts: number;
  delay: number;
  maxDelay: number;
}

/** How the requests for one archive are sent. */
export interface Connection {
  signal: AbortSignal;
  fetch: Fetch;
  idle: number;
  retry: Retry;
}

/** The longest that a timer waits. */
const MOST_MILLISECONDS = 2 ** 31 - 1;

/** Completes the options of an archive. */
export function connectionOf(
  signal: AbortSignal,
  {
    fetch = globalThis.fetch,
    timeouts: { idle = 60_000 } = {},
    retry = { attempts: 3, delay: 500, maxDelay: 45_000 },
  }: UrlOptions,
): Connection {
  return { signal, fetch, idle: Math.min(idle, MOST_MILLISECONDS), retry };
}

/**
 * Reads, and again after a failure that may pass.
 *
 * @param isWorth Whether another attempt is to follow the one of this number, counted from 1.
 */
export async function readAgain<T>(
  read: () => Promise<T>,
  { signal, retry: { attempts, delay, maxDelay } }: Connection,
  isWorth: (error: NetworkError, attempt: number) => boolean = () => true,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await read();
    } catch (error) {
      const mayPass = error instanceof NetworkError && error.retryable && isWorth(error, attempt);
      if (!mayPass || attempt >= attempts) throw error;
      await sleep(Math.min(maxDelay, delay * 3 ** (attempt - 1)), signal);
    }
  }
}

/** Whether what answers so may answer otherwise in a while. */
export function isPassing(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

/**
 * Sends a GET.
 *
 * @throws {NetworkError} If there is no answer in time.
 */
export async function get(
  url: URL,
  headers: Record<string, string>,
  { signal, fetch, idle }: Connection,
): Promise<Response> {
  const over = new AbortController();
  try {
    // Compressed on the way, ranges and lengths would not be those of the file. Bun inflates what is labelled so all the
    // same, unless it is told not to.
    const init: RequestInit & { decompress: boolean } = {
      headers: { ...headers, "accept-encoding": "identity" },
      decompress: false,
      signal: anySignal(signal, over.signal),
    };
    return await inTime(
      takesInit(fetch) ? fetch(url, init) : fetch(new Request(url, init)),
      idle,
    );
  } catch (cause) {
    signal.throwIfAborted();
    if (cause === LATE) {
      over.abort();
      throw tooLate(url, "no answer", true, idle);
    }
    if (BLOCKED_PORT.pattern.test(String(cause))) {
      throw failure(url, BLOCKED_PORT.state, false, cause, BLOCKED_PORT.hint);
    }
    const { proxy, hint } = onTheWay(url, fetch);
    throw failure(url, `no answer${proxy}`, true, cause, hint);
  }
}

/** What a proxy on the way is called, and what to do about it; empty where none is known of. */
export function onTheWay(url: URL, fetch: Fetch): { proxy: string; hint?: string } {
  const via = proxyFor(fetch, url);
  if (via === undefined) return { proxy: "" };
  return {
    proxy: `, through the proxy ${via},`,
    hint: `NO_PROXY=${url.hostname} goes past the proxy`,
  };
}

/** The next piece of an answer; undefined at its end. */
export async function readFrom(
  url: URL,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  retryable: boolean,
  { signal, idle }: Connection,
): Promise<Bytes | undefined> {
  try {
    const { value } = await inTime(reader.read(), idle);
    return value && toBytes(value);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause !== LATE) throw failure(url, "the answer broke off", retryable, cause);
    giveUp(reader);
    throw tooLate(url, "no byte moved", retryable, idle);
  }
}

/** What a promise rejects with that took too long. */
const LATE = Symbol();

async function inTime<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(LATE), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function tooLate(url: URL, what: string, retryable: boolean, idle: number): TimeoutError {
  const seconds = idle / 1000;
  const hint = `allow more time with --timeout SECONDS, above ${seconds}`;
  return new TimeoutError(...failureOf(url, `${what} for ${seconds} s`, { retryable, hint }));
}

/** The error for an archive that cannot be read; its URL stands there without the query, which may hold a secret. */
export function failure(
  url: URL,
  state: string,
  retryable: boolean,
  cause?: unknown,
  hint?: string,
): NetworkError {
  return new NetworkError(...failureOf(url, state, { retryable, cause, hint }));
}

function failureOf(
  url: URL,
  state: string,
  options: { retryable: boolean; cause?: unknown; hint?: string | undefined },
): ConstructorParameters<typeof NetworkError> {
  const where = url.origin + url.pathname;
  return [`Cannot read ${where}: ${state}`, { method: "GET", url: where, ...options }];
}
