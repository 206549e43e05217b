import { type Digest, isDigest } from "../digest.ts";
import { isRepository, isTag } from "../reference.ts";
import { Problem } from "./problem.ts";

/** What a path means (distribution-spec, "Endpoints"; the catalog is distribution's own). */
export type Route =
  | { kind: "base" }
  | { kind: "catalog" }
  | { kind: "tags"; repository: string }
  | { kind: "manifest"; repository: string; reference: ManifestReference }
  | { kind: "blob"; repository: string; digest: Digest }
  | { kind: "uploads"; repository: string }
  | { kind: "upload"; repository: string; id: string }
  | { kind: "referrers"; repository: string; digest: Digest };

/** A digest, a tag, or a text that is neither: no manifest has that name, and none can be pushed under it. */
export type ManifestReference =
  | { kind: "digest"; digest: Digest }
  | { kind: "tag"; tag: string }
  | { kind: "neither"; text: string };

/** What the registry lets its clients change. */
export interface Permissions {
  /** Whether nothing may be changed. */
  readOnly: boolean;
  /** Whether tags, manifests and blobs may be deleted. */
  allowDelete: boolean;
}

// A repository's components may be named like endpoints ("a/blobs/b"), so the last match in the path counts.
const UPLOADS = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/s;
const CONTENT = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/s;
const TAGS = /^\/v2\/(.+)\/tags\/list$/s;

/**
 * Finds out what a path means.
 *
 * @param pathname Path of the request's URL, percent-encoded as it came.
 * @throws {Problem} 404 for no endpoint, 400 for a name or digest that breaks the grammar.
 */
export function parseRoute(pathname: string): Route {
  const path = decodePath(pathname);
  if (path === "/v2" || path === "/v2/") return { kind: "base" };
  if (path === "/v2/_catalog") return { kind: "catalog" };
  const [, uploads, id] = UPLOADS.exec(path) ?? [];
  if (uploads !== undefined) {
    const repository = parseName(uploads);
    return id ? { kind: "upload", repository, id } : { kind: "uploads", repository };
  }
  const [, name, endpoint, reference = ""] = CONTENT.exec(path) ?? [];
  if (name !== undefined) {
    const repository = parseName(name);
    if (endpoint === "manifests") {
      return { kind: "manifest", repository, reference: parseManifestReference(reference) };
    }
    const kind = endpoint === "blobs" ? "blob" : "referrers";
    return { kind, repository, digest: requireDigest(reference) };
  }
  const [, tags] = TAGS.exec(path) ?? [];
  if (tags !== undefined) return { kind: "tags", repository: parseName(tags) };
  throw new Problem(404, { code: "UNSUPPORTED", message: "no such endpoint", detail: cut(path) });
}

/** The methods that an endpoint takes, for the check and for the header Allow. */
export function allowedMethods(
  kind: Route["kind"],
  { readOnly, allowDelete }: Permissions,
): readonly string[] {
  const remove = allowDelete && !readOnly ? ["DELETE"] : [];
  if (kind === "manifest") return ["GET", "HEAD", ...(readOnly ? [] : ["PUT"]), ...remove];
  if (kind === "blob") return ["GET", "HEAD", ...remove];
  if (kind === "uploads") return readOnly ? [] : ["POST"];
  if (kind === "upload") return readOnly ? [] : ["GET", "HEAD", "PATCH", "PUT", "DELETE"];
  return ["GET", "HEAD"];
}

/**
 * Checks a digest that a client named.
 *
 * @param text The digest as received, null where it is missing.
 * @throws {Problem} 400 if it is none.
 */
export function requireDigest(text: string | null): Digest {
  if (isDigest(text)) return text;
  throw new Problem(400, {
    code: "DIGEST_INVALID",
    message: text === null
      ? "the parameter digest is missing"
      : "expected sha256: and 64, or sha512: and 128 lowercase hex digits",
    detail: text === null ? undefined : cut(text),
  });
}

function parseName(text: string): string {
  if (isRepository(text)) return text;
  throw new Problem(400, {
    code: "NAME_INVALID",
    message: "the repository name breaks the grammar of distribution-spec, Pulling manifests",
    detail: cut(text),
  });
}

function parseManifestReference(text: string): ManifestReference {
  if (text.includes(":")) return { kind: "digest", digest: requireDigest(text) };
  return isTag(text) ? { kind: "tag", tag: text } : { kind: "neither", text: cut(text) };
}

function decodePath(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch (cause) {
    const message = "the path is not percent-encoded UTF-8";
    throw new Problem(400, { code: "NAME_INVALID", message, detail: cut(pathname) }, { cause });
  }
}

/** Client text that is sent back, bounded. */
function cut(text: string): string {
  return text.slice(0, 300);
}
