import type { Digest } from "../digest.ts";
import { NetworkError, RegistryError } from "../errors.ts";
import {
  type Descriptor,
  isIndexType,
  type JsonObject,
  OCI_INDEX,
  parseDescriptor,
} from "../media_types.ts";
import { nameOf, type RepositoryContext, repositoryUrl, type UploadHooks } from "./blobs.ts";
import {
  badAnswer,
  openAnswer,
  parseAnswer,
  type ReadCall,
  requestBytes,
} from "./http/answer_body.ts";
import type { Call, Http } from "./http/call.ts";
import { request } from "./http/http.ts";
import { resolveLocation } from "./http/location.ts";
import { answeredAt } from "./http/redirect.ts";
import { readJsonList } from "./json_list.ts";
import { explainAbsence, getManifest, MAX_PULLED_MANIFEST_BYTES } from "./manifests.ts";
import { referrersTag } from "./referrers_tag.ts";

/** Signal and listener of a request that reads. */
export type ReadHooks = Pick<UploadHooks, "signal" | "onRetry">;

/** How a list of names is asked for. */
export interface ListOptions extends ReadHooks {
  /** Names to ask for at a time. */
  pageSize?: number | undefined;
  /** The name after which the list begins. */
  last?: string | undefined;
}

/** Names asked for at a time: registry:2 refuses more for the catalog (since CVE-2023-2253), ECR for tags. */
export const MAX_PAGE_NAMES = 1000;
/** Most pages of one list: ten million names; a list beyond that is a loop. */
const MAX_PAGES = 10_000;

/**
 * Lists the repositories of a registry, page by page. The catalog is distribution's own; some registries have none.
 *
 * @param http The registry.
 * @param options Size of pages, signal and listeners.
 * @yields Names as they come, in the registry's order.
 * @throws {RangeError} If the size of pages is out of range.
 * @throws {RegistryError} If the registry has no catalog, or sends none.
 */
export async function* listRepositories(
  http: Http,
  options: ListOptions = {},
): AsyncGenerator<string, void, void> {
  const action = `list the repositories of ${new URL(http.origin).host}`;
  yield* listNames(http, action, new URL("/v2/_catalog", http.origin), "repositories", options);
}

/**
 * Lists the tags of a repository, page by page (distribution-spec, "Listing Tags"). registry:2 sends them all at once
 * and in no order; they are passed on while they come.
 *
 * @param context The repository.
 * @param options Size of pages, signal and listeners.
 * @yields Tags as they come, in the registry's order.
 * @throws {RangeError} If the size of pages is out of range.
 * @throws {RegistryError} 404 where there is no such repository.
 */
export async function* listTags(
  context: RepositoryContext,
  options: ListOptions = {},
): AsyncGenerator<string, void, void> {
  const action = `list the tags of ${nameOf(context)}`;
  const url = repositoryUrl(context, "tags/list");
  try {
    yield* listNames(context.http, action, url, "tags", options);
  } catch (error) {
    throw explainAbsence(context, { action }, error);
  }
}

/**
 * Lists what refers to a manifest: signatures, attestations, SBOMs (distribution-spec, "Listing Referrers"). A registry
 * without the referrers API is asked for the tag that clients keep in its place.
 *
 * @param context The repository.
 * @param digest The manifest referred to; it need not exist.
 * @param artifactType Only referrers of this type.
 * @param hooks Signal and listeners.
 * @yields Their descriptors.
 */
export async function* listReferrers(
  context: RepositoryContext,
  digest: Digest,
  artifactType?: string,
  hooks: ReadHooks = {},
): AsyncGenerator<Descriptor, void, void> {
  const url = repositoryUrl(context, `referrers/${digest}`);
  if (artifactType !== undefined) url.searchParams.set("artifactType", artifactType);
  const pages = new Pages(context.http);
  for (let next: URL | undefined = url; next;) {
    const call: Call = {
      action: `list the referrers of ${digest} in ${nameOf(context)}`,
      method: "GET",
      isDocument: true,
      url: next,
      headers: { accept: OCI_INDEX },
      expect: [200, 404],
      ...hooks,
    };
    pages.enter(call);
    const { response, bytes } = await requestBytes(context.http, call, MAX_PULLED_MANIFEST_BYTES);
    if (response.status === 404) {
      yield* filterReferrers(await readReferrersTag(context, digest, hooks), artifactType);
      return;
    }
    const found = descriptorsOf(call, response, parseAnswer(call, response, bytes));
    const isFiltered = /(?:^|,)\s*artifactType\s*(?:,|$)/.test(
      response.headers.get("oci-filters-applied") ?? "",
    );
    yield* filterReferrers(found, isFiltered ? undefined : artifactType);
    next = pages.next(call, response);
  }
}

/**
 * Reads the target of `rel="next"` of a Link header (RFC 8288).
 *
 * @param header The header's value.
 * @returns The target as it stands there; undefined where there is none.
 */
export function parseNextLink(header: string | null): string | undefined {
  for (const [, target, parameters = ""] of (header ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    const [, quoted, bare] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? [];
    if ((quoted ?? bare ?? "").toLowerCase().split(/\s+/).includes("next")) return target;
  }
  return undefined;
}

async function* listNames(
  http: Http,
  action: string,
  url: URL,
  member: string,
  { pageSize = MAX_PAGE_NAMES, last, ...hooks }: ListOptions,
): AsyncGenerator<string, void, void> {
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_PAGE_NAMES) {
    throw new RangeError(
      `Cannot use pageSize ${pageSize}: expected a whole number from 1 to ${MAX_PAGE_NAMES}`,
    );
  }
  url.searchParams.set("n", `${pageSize}`);
  if (last !== undefined) url.searchParams.set("last", last);
  const pages = new Pages(http);
  for (let next: URL | undefined = url; next;) {
    const call: Call = {
      action,
      method: "GET",
      isDocument: true,
      url: next,
      expect: [200],
      ...hooks,
    };
    pages.enter(call);
    const response = await request(http, call);
    try {
      for await (const names of readJsonList(openAnswer(http, response, call), member)) {
        pages.see(names);
        yield* names;
      }
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw badAnswer(call, response, error.message, { cause: error });
      }
      throw error;
    }
    next = pages.next(call, response);
  }
}

/** Goes from page to page, forwards only: a list ends although a registry, or who speaks for it, would have it go on. */
class Pages {
  readonly #http: Http;
  readonly #visited = new Set<string>();
  #last = "";
  #isSorted = true;

  constructor(http: Http) {
    this.#http = http;
  }

  enter({ url }: ReadCall): void {
    const key = new URL(url);
    if (key.searchParams.get("last") === "") key.searchParams.delete("last");
    this.#visited.add(key.href);
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
    const key = new URL(url);
    if (key.searchParams.get("last") === "") key.searchParams.delete("last");
    if (url.origin !== at.origin && url.origin !== this.#http.origin) {
      throw refuse(call, `leads to another host, ${url.host}`);
    }
    if (this.#visited.has(key.href)) throw refuse(call, "leads to a page that was read already");
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

function refuse({ action, url, method }: ReadCall, reason: string): NetworkError {
  return new NetworkError(`Cannot ${action}: ${url.host} sent a Link that ${reason}`, {
    method,
    url: url.origin + url.pathname,
    retryable: false,
  });
}

function descriptorsOf(call: ReadCall, response: Response, index: JsonObject): Descriptor[] {
  const { manifests } = index;
  // Go writes an empty list as null.
  if (manifests === null) return [];
  if (!Array.isArray(manifests)) throw badAnswer(call, response, "an index without manifests");
  try {
    return manifests.map(parseDescriptor);
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "a broken descriptor";
    throw badAnswer(call, response, `an index with a broken entry: ${reason}`, { cause });
  }
}

function filterReferrers(found: Descriptor[], artifactType: string | undefined): Descriptor[] {
  if (artifactType === undefined) return found;
  return found.filter((descriptor) => descriptor.artifactType === artifactType);
}

async function readReferrersTag(
  context: RepositoryContext,
  digest: Digest,
  hooks: ReadHooks,
): Promise<Descriptor[]> {
  const tag = referrersTag(digest);
  try {
    const { json, mediaType, call, response } = await getManifest(context, tag, hooks);
    if (isIndexType(mediaType)) return descriptorsOf(call, response, json);
    throw badAnswer(call, response, `${mediaType} under the tag ${tag}, expected an index`);
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return [];
    throw error;
  }
}
