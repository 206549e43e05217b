import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import { hasCode, hasStatus, OciError, RegistryError, restate } from "../errors.ts";
import {
  type Descriptor,
  isIndexType,
  type JsonObject,
  OCI_INDEX,
  parseDescriptor,
} from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import { isTag, referrersTag } from "../reference.ts";
import {
  nameOf,
  type ReadHooks,
  type RepositoryContext,
  repositoryUrl,
  withoutRetry,
} from "./blobs.ts";
import { explainAbsence, getManifest, MAX_PULLED_MANIFEST_BYTES } from "./get_manifest.ts";
import { badAnswer, parseAnswer, type ReadCall, requestBytes } from "./http/answer_body.ts";
import { type Call, hostOf, type Http } from "./http/call.ts";
import { listNames, type ListOptions } from "./name_list.ts";
import { Pages } from "./pages.ts";

/**
 * Lists the repositories of a registry, page by page. The catalog is distribution's own; some registries have none.
 *
 * @yields Names as they come, in the registry's order.
 * @throws {RangeError} If the size of pages is out of range.
 * @throws {RegistryError} If the registry has no catalog, or sends none.
 */
export async function* listRepositories(
  http: Http,
  options: ListOptions = {},
): AsyncGenerator<string, void, void> {
  const what = `the repositories of ${hostOf(http)}`;
  const url = new URL("/v2/_catalog", http.origin);
  try {
    yield* listNames(http, { what, url, member: "repositories" }, options);
  } catch (error) {
    throw await explainNoCatalog(http, what, error, options);
  }
}

/** Answers of registries without a catalog: olareg has none, nor has ECR. */
const NO_CATALOG = [400, 404, 405, 501];
/** Answers where it is not shown: ttl.sh has nginx refuse it, and asks for no login. */
const CLOSED_CATALOG = [401, 403];

/** A registry without a catalog is one all the same; where there is none, the answer was right as it is. */
async function explainNoCatalog(
  http: Http,
  what: string,
  error: unknown,
  { signal }: ReadHooks,
): Promise<unknown> {
  if (!hasStatus(error, ...NO_CATALOG, ...CLOSED_CATALOG)) return error;
  const { pingRegistry } = await import("./ping.ts");
  const { state } = await pingRegistry(http, { signal });
  if (state !== "registry") return error;
  const why = CLOSED_CATALOG.includes(error.status)
    ? "the registry keeps its catalog closed"
    : "the registry has no catalog";
  return restate(error, `Cannot list ${what}: ${why} (${error.status})`, {
    hint: `name a repository: tarpush ls ${hostOf(http)}/REPOSITORY lists its tags`,
  });
}

/**
 * Lists the tags of a repository, page by page (distribution-spec, "Listing Tags"). registry:2 sends them all at once
 * and in no order; they are passed on while they come.
 *
 * @yields Tags as they come, in the registry's order.
 * @throws {RangeError} If the size of pages is out of range.
 * @throws {RegistryError} 404 where there is no such repository.
 */
export async function* listTags(
  context: RepositoryContext,
  options: ListOptions = {},
): AsyncGenerator<string, void, void> {
  const what = `the tags of ${nameOf(context)}`;
  const url = repositoryUrl(context, "tags/list");
  try {
    yield* listNames(context.http, { what, url, member: "tags" }, options);
  } catch (error) {
    throw explainNoTags(context, what, error);
  }
}

/** Tells a repository that is not there from a registry that lists no tags: drayage 0.2.9, a cache, lacks a manifest then. */
function explainNoTags(context: RepositoryContext, what: string, error: unknown): unknown {
  if (!hasStatus(error, 404) || !hasCode(error, "MANIFEST_UNKNOWN")) {
    return explainAbsence(context, { action: `list ${what}` }, error);
  }
  return restate(error, `Cannot list ${what}: the registry lists no tags (404)`, {
    hint: "a cache of another registry keeps no lists: name a tag or a digest",
  });
}

/**
 * Lists the tags of a repository that can be asked for. A registry may list anything, and a tag becomes part of a URL: what is
 * none is left out, with a warning.
 *
 * @yields Tags as they come, in the registry's order.
 * @throws {RegistryError} 404 where there is no such repository.
 */
export async function* listUsableTags(
  context: RepositoryContext,
  options: ListOptions = {},
): AsyncGenerator<string, void, void> {
  let count = 0;
  let first = "";
  for await (const tag of listTags(context, options)) {
    if (isTag(tag)) yield tag;
    else if (count++ === 0) first = tag;
  }
  if (count === 0) return;
  const more = count > 1 ? ` and ${count - 1} more` : "";
  options.onWarning?.(
    `the tags of ${nameOf(context)} have ${quoteName(first)}${more}, which no tag can be: left out`,
  );
}

/**
 * Lists what refers to a manifest: signatures, attestations, SBOMs (distribution-spec, "Listing Referrers"). A registry
 * without the referrers API is asked for the tag that clients keep in its place.
 *
 * @param digest The manifest referred to; it need not exist.
 */
export async function* listReferrers(
  context: RepositoryContext,
  digest: Digest,
  hooks: ReadHooks = {},
  artifactType?: string,
): AsyncGenerator<Descriptor, void, void> {
  const url = repositoryUrl(context, `referrers/${digest}`);
  if (artifactType !== undefined) url.searchParams.set("artifactType", artifactType);
  const pages = new Pages(context.http);
  for (let next: URL | undefined = url; next;) {
    const call = referrersCall(context, digest, hooks, next);
    pages.enter(call);
    const page = await readReferrersPage(context.http, call);
    if (!page) {
      yield* filterReferrers(await readReferrersTag(context, digest, hooks), artifactType);
      return;
    }
    const { response, bytes } = page;
    const found = descriptorsOf(call, response, parseAnswer(call, response, bytes));
    const isFiltered = /(?:^|,)\s*artifactType\s*(?:,|$)/.test(
      response.headers.get("oci-filters-applied") ?? "",
    );
    yield* filterReferrers(found, isFiltered ? undefined : artifactType);
    next = pages.next(call, response);
  }
}

/**
 * Whether a registry that answered a push with `OCI-Subject` does have the list that it promises: containerd-registry, as
 * all that is built on CUE's ociserver, sends the header, and then no list (400 UNSUPPORTED). It is asked until it has
 * answered once; one that cannot be asked is believed.
 */
export async function hasReferrersList(
  context: RepositoryContext,
  subject: Digest,
  hooks: ReadHooks,
): Promise<boolean> {
  const { http } = context;
  http.seen.hasReferrersList ??= await findsReferrers(context, subject, hooks);
  return http.seen.hasReferrersList;
}

async function findsReferrers(
  context: RepositoryContext,
  subject: Digest,
  hooks: ReadHooks,
): Promise<boolean> {
  const call = referrersCall(context, subject, hooks);
  try {
    return await readReferrersPage(withoutRetry(context.http), call) !== undefined;
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    return true;
  }
}

function referrersCall(
  context: RepositoryContext,
  digest: Digest,
  hooks: ReadHooks,
  url: URL = repositoryUrl(context, `referrers/${digest}`),
): Call {
  return {
    action: `list the referrers of ${digest} in ${nameOf(context)}`,
    method: "GET",
    isDocument: true,
    url,
    headers: { accept: OCI_INDEX },
    expect: [200, 404],
    ...hooks,
  };
}

/** Reads a page of a list of referrers; undefined where the registry has none, which 404 says, and some put otherwise. */
async function readReferrersPage(
  http: Http,
  call: Call,
): Promise<{ response: Response; bytes: Bytes } | undefined> {
  try {
    const page = await requestBytes(http, call, MAX_PULLED_MANIFEST_BYTES);
    return page.response.status === 404 ? undefined : page;
  } catch (error) {
    if (error instanceof RegistryError && hasCode(error, "UNSUPPORTED")) return undefined;
    throw error;
  }
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
    if (hasStatus(error, 404)) return [];
    throw error;
  }
}
