import { hasStatus, RegistryError } from "../errors.ts";
import type { ReadHooks } from "./blobs.ts";
import type { ListNamesOptions } from "./call_options.ts";
import { badAnswer, openAnswer } from "./http/answer_body.ts";
import type { Call, Http } from "./http/call.ts";
import { request } from "./http/http.ts";
import { wasPage } from "./http/stranger.ts";
import { readJsonList } from "./json_list.ts";
import { MAX_PAGES, Pages } from "./pages.ts";

/** How a list of names is asked for. */
export type ListOptions = ListNamesOptions & ReadHooks;

/** Names asked for at a time: registry:2 refuses more for the catalog (since CVE-2023-2253), ECR for tags. */
export const MAX_PAGE_NAMES = 1000;

/** A list of names: what it is of, for messages, where it is, and the member of the answer that holds it. */
export interface NameList {
  what: string;
  url: URL;
  member: string;
}

/**
 * Lists names page by page, in the registry's order. A page without a link to the next one is not taken for the last: some
 * registries cut a list and say nothing (`crane registry serve` 0.22 at 1,000), so it is asked what follows until that is
 * nothing new.
 *
 * @throws {RangeError} If the size of pages is out of range.
 */
export async function* listNames(
  http: Http,
  { what, url, member }: NameList,
  { pageSize = MAX_PAGE_NAMES, last, onWarning, ...hooks }: ListOptions,
): AsyncGenerator<string, void, void> {
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_PAGE_NAMES) {
    throw new RangeError(
      `Cannot use pageSize ${pageSize}: expected a whole number from 1 to ${MAX_PAGE_NAMES}`,
    );
  }
  const action = `list ${what}`;
  const call: Call = { action, method: "GET", isDocument: true, url, expect: [200], ...hooks };
  const reading: Reading = { http, call, member, pageSize, isLinked: false };
  const names: string[] = [];
  for await (const found of readFromStart(reading, last)) {
    // A registry that links its pages has said that there are no more, one that sends more than was asked for sent all.
    if (!reading.isLinked && names.length <= pageSize) names.push(...found.slice(0, pageSize + 1));
    yield* found;
  }
  if (reading.isLinked || names.length > pageSize || (yield* askOn(reading, names))) return;
  onWarning?.(
    `${what} may be more than these: the registry sent ${pageSize} at once with no link to others, and does not say what follows a name`,
  );
}

interface Reading {
  http: Http;
  /** What is asked of every page, without a query. */
  call: Call;
  member: string;
  pageSize: number;
  /** Whether a page has had a link to the next one. */
  isLinked: boolean;
}

function urlOf({ call }: Reading, query: { n?: string; last?: string | undefined }): URL {
  const url = new URL(call.url);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

/** Whether it may be the query that is not there: what is written with CherryPy (zuul-registry 1.3.0) says so with a page. */
function mayMissQuery(error: unknown): boolean {
  return hasStatus(error, 404) && wasPage(error);
}

/** Reads the list; a registry that refuses a page of that size (`ociserver` of CUE with a limit) chooses one itself. */
async function* readFromStart(
  reading: Reading,
  last: string | undefined,
): AsyncGenerator<string[], void, void> {
  let isBegun = false;
  try {
    for await (const names of readLinked(reading, { n: `${reading.pageSize}`, last })) {
      isBegun = true;
      yield names;
    }
  } catch (error) {
    if (isBegun || reading.isLinked || !(hasStatus(error, 400) || mayMissQuery(error))) throw error;
    yield* readLinked(reading, { last });
  }
}

/** Reads a page, and all that it links to. */
async function* readLinked(
  reading: Reading,
  query: { n?: string; last?: string | undefined },
): AsyncGenerator<string[], void, void> {
  const pages = new Pages(reading.http);
  for (let next: URL | undefined = urlOf(reading, query); next;) {
    const call: Call = { ...reading.call, url: next };
    pages.enter(call);
    const response = await request(reading.http, call);
    try {
      for await (
        const names of readJsonList(openAnswer(reading.http, response, call), reading.member)
      ) {
        pages.see(names);
        yield names;
      }
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw badAnswer(call, response, error.message, { cause: error });
      }
      throw error;
    }
    next = pages.next(call, response);
    if (next) reading.isLinked = true;
  }
}

/**
 * Asks what follows a page that links to no other.
 *
 * @returns Whether the list is known to be whole.
 */
async function* askOn(
  reading: Reading,
  first: readonly string[],
): AsyncGenerator<string, boolean, void> {
  const { pageSize } = reading;
  const seen = new Set(first);
  let page = first;
  for (let count = 0; count < MAX_PAGES; count++) {
    if (page.length < Math.min(2, pageSize)) return true;
    // After the last name but one there is the last one at least: a registry that sends it alone heeds the question, and
    // has no more. After the last one some begin anew.
    const more = await readMore(reading, page.at(-2) ?? page[0]);
    const fresh = more?.filter((name) => !seen.has(name)) ?? [];
    if (more && fresh.length === 0 && more.length < page.length) return true;
    if (!more || fresh.length === 0) break;
    for (const name of fresh) seen.add(name);
    yield* fresh;
    page = more;
  }
  // registry:2 sends all tags whatever it is asked: what is shorter than it might be was not cut.
  return page.length < pageSize || (yield* askForAll(reading, seen));
}

/** The page after a name; undefined where the registry refuses to say. */
async function readMore(reading: Reading, last: string | undefined): Promise<string[] | undefined> {
  const names: string[] = [];
  try {
    for await (const found of readLinked(reading, { n: `${reading.pageSize}`, last })) {
      names.push(...found);
      // It sends all whatever it is asked; one page tells as much.
      if (names.length > reading.pageSize) break;
    }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return undefined;
  }
  return names.slice(0, reading.pageSize);
}

/** Asks without a limit, as a registry may heed one and nothing else (the catalog of `crane registry serve` 0.22). */
async function* askForAll(
  reading: Reading,
  seen: ReadonlySet<string>,
): AsyncGenerator<string, boolean, void> {
  let count = 0;
  try {
    for await (const found of readLinked(reading, {})) {
      count += found.length;
      yield* found.filter((name) => !seen.has(name));
    }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
  return count > reading.pageSize;
}
