import { NetworkError } from "../errors.ts";
import type { ReadCall } from "./http/answer_body.ts";
import { describe, type Http } from "./http/call.ts";
import { resolveLocation } from "./http/location.ts";
import { answeredAt } from "./http/redirect.ts";

/** Most pages of one list: ten million names; a list beyond that is a loop. */
export const MAX_PAGES = 10_000;

/**
 * Reads the target of `rel="next"` of a Link header (RFC 8288).
 *
 * @returns The target as it stands there; undefined where there is none.
 */
export function parseNextLink(header: string | null): string | undefined {
  for (const [, target, parameters = ""] of (header ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    const [, quoted, bare] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? [];
    if ((quoted ?? bare ?? "").toLowerCase().split(/\s+/).includes("next")) return target;
  }
  return undefined;
}

/** Goes from page to page, forwards only: a list ends although a registry, or who speaks for it, would have it go on. */
export class Pages {
  readonly #http: Http;
  readonly #visited = new Set<string>();
  #last = "";
  #isSorted = true;

  constructor(http: Http) {
    this.#http = http;
  }

  enter({ url }: ReadCall): void {
    this.#visited.add(keyOf(url));
  }

  see(names: readonly string[]): void {
    for (const name of names) {
      if (name < this.#last) this.#isSorted = false;
      this.#last = name;
    }
  }

  next(call: ReadCall, response: Response): URL | undefined {
    const link = parseNextLink(response.headers.get("link"));
    if (link === undefined) return undefined;
    const at = answeredAt(call, response);
    const url = resolveLocation(this.#http, call.action, link, at);
    if (url.origin !== at.origin && url.origin !== this.#http.origin) {
      throw refuse(call, `leads to another host, ${url.host}`);
    }
    if (this.#visited.has(keyOf(url))) throw refuse(call, "leads to a page that was read already");
    const last = url.searchParams.get("last");
    const before = call.url.searchParams.get("last");
    if (this.#isSorted && last !== null && before !== null && last < before) {
      throw refuse(call, `leads back, from ${JSON.stringify(before)} to ${JSON.stringify(last)}`);
    }
    if (this.#visited.size >= MAX_PAGES) {
      throw refuse(call, `leads beyond ${MAX_PAGES} pages`);
    }
    return url;
  }
}

/** A page as it is known again: to begin after no name is to begin at the start. */
function keyOf(url: URL): string {
  const key = new URL(url);
  if (key.searchParams.get("last") === "") key.searchParams.delete("last");
  return key.href;
}

function refuse(call: ReadCall, reason: string): NetworkError {
  const message = `Cannot ${call.action}: ${call.url.host} sent a Link that ${reason}`;
  return new NetworkError(message, { ...describe(call), retryable: false });
}
