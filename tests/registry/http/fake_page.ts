import type { Page, PageRequest } from "../../../src/page.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";

/** How the page of a test is. */
export interface FakePageOptions {
  origin?: string;
  isSecure?: boolean;
  /** States of permissions. */
  permissions?: Record<string, string>;
  /** Whether it has `XMLHttpRequest`. */
  hasXhr?: boolean;
}

/** A page whose requests a handler answers; what it throws is what a browser throws, whatever it was. */
export function fakePage(handler: FetchHandler, options: FakePageOptions = {}): Page {
  const { origin = "http://page.test", isSecure = false, permissions = {}, hasXhr = false } =
    options;
  return {
    origin,
    isSecure,
    async fetch(url, init) {
      init.signal?.throwIfAborted();
      try {
        return await handler(new Request(url, init));
      } catch (cause) {
        throw new TypeError("Failed to fetch", { cause });
      }
    },
    XMLHttpRequest: hasXhr ? xhrOf(handler) : undefined,
    permission: (name) => Promise.resolve(permissions[name]),
  };
}

function xhrOf(handler: FetchHandler): new () => PageRequest {
  return class implements PageRequest {
    responseType = "";
    status = 0;
    response: unknown;
    responseURL = "";
    onload: (() => void) | null = null;
    onerror: (() => void) | null = null;
    onabort: (() => void) | null = null;
    upload: PageRequest["upload"] = { onprogress: null, onload: null };
    #url = "";
    #method = "";
    #headers: Record<string, string> = {};
    #answer = new Headers();
    #isAborted = false;

    open(method: string, url: string): void {
      [this.#method, this.#url] = [method, url];
    }

    setRequestHeader(name: string, value: string): void {
      this.#headers[name] = value;
    }

    getAllResponseHeaders(): string {
      return [...this.#answer].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    }

    send(body: Blob): void {
      this.#send(body).then(
        () => !this.#isAborted && this.onload?.(),
        () => !this.#isAborted && this.onerror?.(),
      );
    }

    async #send(body: Blob): Promise<void> {
      this.upload.onprogress?.({ loaded: Math.floor(body.size / 2) });
      const init = { method: this.#method, headers: this.#headers, body };
      const response = await handler(new Request(this.#url, init));
      this.upload.onprogress?.({ loaded: body.size });
      this.upload.onload?.();
      this.status = response.status;
      this.#answer = response.headers;
      this.responseURL = response.headers.get("x-answered-at") ?? this.#url;
      this.response = await response.blob();
    }

    abort(): void {
      this.#isAborted = true;
      this.onabort?.();
    }
  };
}
