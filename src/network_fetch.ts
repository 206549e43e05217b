/**
 * A `fetch` that leads to the network. It takes what the runtime's own takes and heeds the signal; when it asks for the
 * next piece of a body, the connection has taken the one before, and whose that was may free it.
 */
export interface NetworkFetch {
  /** Sends a request. */
  (input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /**
   * Which proxy is on the way to a URL.
   *
   * @returns Its address without a login; undefined where there is none.
   */
  proxyFor(url: URL): string | undefined;
  /**
   * Where a file as a body goes from the system's memory to the connection, however large it is: what counts the bytes
   * that this process had sent so. Undefined where such a body would be read into memory, or where nobody counts.
   */
  sentFromFiles?(url: URL): Promise<(() => Promise<number>) | undefined>;
}

/** The runtime's own, whatever takes its place later. */
const runtimeFetch = globalThis.fetch;

/** Whether a `fetch` is a {@linkcode NetworkFetch}, or the runtime's own, which does the same. */
export function isNetworkFetch(fetch: unknown): boolean {
  return fetch === runtimeFetch || isOfHost(fetch);
}

/** Whether a `fetch` takes URL and settings as the runtime's own does: a Request between them would copy a body. */
export function takesInit(fetch: unknown): fetch is typeof globalThis.fetch {
  return isNetworkFetch(fetch) || fetch === globalThis.fetch;
}

/** Which proxy is known to be on the way to a URL: nothing is of what the runtime's own `fetch` does. */
export function proxyFor(fetch: unknown, url: URL): string | undefined {
  return isOfHost(fetch) ? fetch.proxyFor(url) : undefined;
}

/** What counts the bytes that go straight from files to a URL; undefined where a file is no body for it. */
export async function sentFromFiles(
  fetch: unknown,
  url: URL,
): Promise<(() => Promise<number>) | undefined> {
  return isOfHost(fetch) ? await fetch.sentFromFiles?.(url) : undefined;
}

function isOfHost(fetch: unknown): fetch is NetworkFetch {
  return typeof fetch === "function" && "proxyFor" in fetch;
}
