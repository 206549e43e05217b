/** What is used of `XMLHttpRequest`, the one way for a page to see how much of a body has gone. */
export interface PageRequest {
  responseType: string;
  readonly status: number;
  readonly response: unknown;
  readonly responseURL: string;
  onload: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  readonly upload: {
    onprogress: ((event: { loaded: number }) => void) | null;
    onload: (() => void) | null;
  };
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getAllResponseHeaders(): string;
  send(body: Blob): void;
  abort(): void;
}

/** A web page, or a worker of one, as far as it sets limits to requests. */
export interface Page {
  /** As in the header `Origin`: `https://app.example`, or `null` for a file. */
  readonly origin: string;
  /** Whether it came by https: it may ask nothing by plain http then, but this machine. */
  readonly isSecure: boolean;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Not there in a service worker. */
  readonly XMLHttpRequest: (new () => PageRequest) | undefined;
  /** State of a permission of the page, such as `denied`; undefined where the browser knows no such permission. */
  permission(name: string): Promise<string | undefined>;
}

/** What is used of a browser's globals. */
interface Browser {
  navigator?: {
    userAgent?: string;
    permissions?: { query(descriptor: { name: string }): Promise<{ state: string }> };
  };
  /** As in the header `Origin`; of a file `location` has another one in some browsers. */
  origin?: string;
  location?: { protocol: string };
  fetch: Page["fetch"];
  XMLHttpRequest?: new () => PageRequest;
}

/** The page that this runs in; undefined on servers and edge runtimes. */
export function currentPage(browser: Browser = globalThis as unknown as Browser): Page | undefined {
  const { navigator } = browser;
  if (!navigator?.userAgent?.startsWith("Mozilla/")) return undefined;
  const { location, XMLHttpRequest } = browser;
  return {
    origin: browser.origin ?? "null",
    isSecure: location?.protocol === "https:",
    fetch: (url, init) => browser.fetch(url, init),
    XMLHttpRequest,
    async permission(name) {
      try {
        return (await navigator.permissions?.query({ name }))?.state;
      } catch {
        return undefined;
      }
    },
  };
}
