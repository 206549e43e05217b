import { type Descriptor, OCI_INDEX } from "../media_types.ts";
import type { StoredManifest } from "../storage.ts";
import type { RegistryContext } from "./context.ts";
import { parseManifestDocument } from "./manifest_document.ts";
import { jsonResponse, Problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/** Entries of a page of the catalog where the request names no number, as in distribution. */
const CATALOG_PAGE = 100;
/** Most entries of a page of the catalog: an uncapped `n` cost distribution its memory (CVE-2023-2253). */
const MAX_CATALOG_PAGE = 1000;
/** Most descriptors of a page of referrers; with usual annotations it stays below a manifest's 4 MiB. */
const MAX_REFERRERS_PAGE = 1000;

/** GET on the tags of a repository (distribution-spec, "Listing Tags"); all of them unless `n` says otherwise. */
export async function listTags(
  { storage }: RegistryContext,
  { repository }: Route & { kind: "tags" },
  request: Request,
): Promise<Response> {
  const all = await storage.listTags(repository);
  if (!all) {
    const message = "the registry has no such repository";
    throw new Problem(404, { code: "NAME_UNKNOWN", message, detail: { name: repository } });
  }
  const { entries, headers } = paginate(all, request, Infinity, Infinity);
  return jsonResponse({ name: repository, tags: entries }, headers);
}

/** GET on the catalog, which lists every repository page by page. */
export async function listRepositories(
  { storage }: RegistryContext,
  request: Request,
): Promise<Response> {
  const all = await storage.listRepositories();
  const { entries, headers } = paginate(all, request, CATALOG_PAGE, MAX_CATALOG_PAGE);
  return jsonResponse({ repositories: entries }, headers);
}

/** GET on the referrers of a digest, which need not exist (distribution-spec, "Listing Referrers"). */
export async function listReferrers(
  { storage }: RegistryContext,
  { repository, digest }: Route & { kind: "referrers" },
  request: Request,
): Promise<Response> {
  const wanted = new URL(request.url).searchParams.get("artifactType");
  const referrers = new Map<string, Referrer>();
  for (const referrer of await storage.listReferrers(repository, digest)) {
    const manifest = await storage.getManifest(repository, referrer);
    if (!manifest) continue; // deleted since it was listed
    const descriptor = toReferrer(manifest);
    if (!descriptor) continue;
    if (!wanted || descriptor.artifactType === wanted) referrers.set(referrer, descriptor);
  }
  const page = paginate([...referrers.keys()], request, MAX_REFERRERS_PAGE, MAX_REFERRERS_PAGE);
  const manifests = page.entries.map((key) => referrers.get(key));
  return jsonResponse({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, {
    ...page.headers,
    "Content-Type": OCI_INDEX,
    ...(wanted ? { "OCI-Filters-Applied": "artifactType" } : {}),
  });
}

type Referrer = Omit<Descriptor, "annotations"> & { annotations?: unknown };

/** The descriptor of a referrer; undefined for what no push would have brought: a storage may have it from elsewhere. */
function toReferrer({ digest, mediaType, bytes }: StoredManifest): Referrer | undefined {
  try {
    const { artifactType, annotations } = parseManifestDocument(bytes, mediaType);
    return {
      ...{ mediaType, digest, size: bytes.length },
      ...(artifactType ? { artifactType } : {}),
      ...(annotations ? { annotations } : {}),
    };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/**
 * Sorts and cuts a list by the parameters `n` and `last`, with a Link to the rest. The order is that of code units,
 * which the spec calls ASCIIbetical.
 */
function paginate(
  all: readonly string[],
  request: Request,
  usual: number,
  most: number,
): { entries: string[]; headers: Record<string, string> } {
  const url = new URL(request.url);
  const limit = Math.min(parseCount(url.searchParams.get("n")) ?? usual, most);
  const last = url.searchParams.get("last") ?? "";
  const rest = all.filter((entry) => entry > last).sort();
  const entries = rest.slice(0, limit);
  const final = entries.at(-1);
  if (final === undefined || entries.length === rest.length) return { entries, headers: {} };
  url.searchParams.set("n", `${limit}`);
  url.searchParams.set("last", final);
  return { entries, headers: { "Link": `<${url.pathname}${url.search}>; rel="next"` } };
}

function parseCount(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  const message = "expected n to be a number of entries";
  throw new Problem(400, {
    code: "PAGINATION_NUMBER_INVALID",
    message,
    detail: { n: text.slice(0, 100) },
  });
}
