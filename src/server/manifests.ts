import { type Bytes, collect } from "../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import type { RegistryErrorEntry } from "../errors.ts";
import { type Descriptor, isForeignLayer, isIndexType, isManifestType } from "../media_types.ts";
import { isTag } from "../reference.ts";
import type { StoredManifest } from "../storage.ts";
import { bodyOf, streamPieces } from "./body_pieces.ts";
import { isNotModified } from "./conditions.ts";
import type { RegistryContext } from "./context.ts";
import { type ManifestDocument, parseManifestDocument } from "./manifest_document.ts";
import { emptyResponse, Problem } from "./problem.ts";
import { checkFamily, checkMayDelete, checkMaySet } from "./quirks.ts";
import type { ManifestReference, Route } from "./routes.ts";

type ManifestRoute = Route & { kind: "manifest" };

/** Most tags that one PUT may set; distribution-spec, "Pushing Manifests", asks for ten at least. */
const MAX_TAGS_PER_PUT = 100;

/** GET, HEAD, PUT and DELETE on a manifest. */
export async function handleManifest(
  context: RegistryContext,
  route: ManifestRoute,
  request: Request,
): Promise<Response> {
  if (request.method === "PUT") return await putManifest(context, route, request);
  if (request.method === "DELETE") return await deleteManifest(context, route);
  return await getManifest(context, route, request);
}

async function getManifest(
  { storage }: RegistryContext,
  { repository, reference }: ManifestRoute,
  request: Request,
): Promise<Response> {
  const digest = await resolve(storage, repository, reference);
  const manifest = digest && await storage.getManifest(repository, digest);
  // A tag may name something else at any moment: who has asked by digest counts on the answer.
  const isGone = request.method === "HEAD" && reference.kind === "digest" &&
    await storage.keep?.(repository, reference.digest) === false;
  if (!manifest || isGone) throw unknownManifest(reference);
  const headers = {
    "Content-Type": manifest.mediaType,
    "Docker-Content-Digest": manifest.digest,
    "ETag": `"${manifest.digest}"`,
  };
  if (isNotModified(request, headers.ETag)) return emptyResponse(304, headers);
  const length = { "Content-Length": `${manifest.bytes.length}` };
  return new Response(manifest.bytes, { headers: { ...headers, ...length } });
}

async function resolve(
  storage: RegistryContext["storage"],
  repository: string,
  reference: ManifestReference,
): Promise<Digest | undefined> {
  if (reference.kind === "digest") return reference.digest;
  return reference.kind === "tag" ? await storage.getTag(repository, reference.tag) : undefined;
}

/** Checks a manifest and everything it names, then stores it with its tags: a tag never names less than a whole. */
async function putManifest(
  context: RegistryContext,
  { repository, reference }: ManifestRoute,
  request: Request,
): Promise<Response> {
  const { storage, quirks } = context;
  const tags = tagsToSet(reference, new URL(request.url).searchParams);
  const bytes = await readManifest(request, context.maxManifestBytes);
  const digest = await checkDigest(bytes, reference);
  const document = parseManifestDocument(bytes, request.headers.get("Content-Type"));
  checkFamily(document.mediaType, quirks);
  await checkContent(context, repository, document);
  await checkMaySet(storage, repository, tags, quirks);
  const subject = document.subject?.digest;
  const manifest = { digest, mediaType: document.mediaType, bytes, subject };
  await storage.putManifest(repository, manifest, tags);
  return emptyResponse(201, {
    "Location": `/v2/${repository}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...(subject ? { "OCI-Subject": subject } : {}),
    ...(reference.kind === "digest" && tags.length > 0 ? { "OCI-Tag": tags.join(", ") } : {}),
  });
}

/** Deletes by tag the tag alone, by digest the manifest and all its tags. */
async function deleteManifest(
  { storage, quirks }: RegistryContext,
  { repository, reference }: ManifestRoute,
): Promise<Response> {
  await checkMayDelete(storage, repository, reference, quirks);
  const deleted = reference.kind === "digest"
    ? await storage.deleteManifest(repository, reference.digest)
    : reference.kind === "tag" && await storage.deleteTag(repository, reference.tag);
  if (!deleted) throw unknownManifest(reference);
  return emptyResponse(202);
}

function tagsToSet(reference: ManifestReference, query: URLSearchParams): string[] {
  if (reference.kind === "tag") return [reference.tag];
  const tags = reference.kind === "neither" ? [reference.text] : [...new Set(query.getAll("tag"))];
  if (tags.length > MAX_TAGS_PER_PUT) {
    const message = `${tags.length} tags in one request, at most ${MAX_TAGS_PER_PUT} are taken`;
    throw new Problem(414, { code: "MANIFEST_INVALID", message });
  }
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong === undefined) return tags;
  const message = "the tag breaks the grammar of distribution-spec, Pulling manifests";
  throw new Problem(400, { code: "MANIFEST_INVALID", message, detail: wrong.slice(0, 300) });
}

async function readManifest(request: Request, limit: number): Promise<Bytes> {
  const tooLarge = () => {
    const message = `the manifest has more than ${limit} bytes`;
    return new Problem(413, { code: "SIZE_INVALID", message });
  };
  if (Number(request.headers.get("Content-Length")) > limit) throw tooLarge();
  try {
    const body = await bodyOf(request);
    if (!body) return new Uint8Array(0);
    return await collect(streamPieces(body, request), limit, tooLarge);
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    const message = "the request's body broke off";
    throw new Problem(400, { code: "MANIFEST_INVALID", message }, { cause });
  }
}

async function checkDigest(bytes: Bytes, reference: ManifestReference): Promise<Digest> {
  const algorithm = reference.kind === "digest" ? digestAlgorithm(reference.digest) : "sha256";
  const digest = await digestBytes(bytes, algorithm);
  if (reference.kind !== "digest" || reference.digest === digest) return digest;
  const message = `the manifest has digest ${digest}, the URL names ${reference.digest}`;
  throw new Problem(400, { code: "DIGEST_INVALID", message, detail: digest });
}

/** Every blob and child must be there, in the size that its descriptor gives; the subject need not be. */
async function checkContent(
  context: RegistryContext,
  repository: string,
  { blobs, children }: ManifestDocument,
): Promise<void> {
  const errors: RegistryErrorEntry[] = [];
  for (const descriptor of blobs) {
    const size = await blobSize(context, repository, descriptor.digest);
    if (size === undefined && isForeignLayer(descriptor.mediaType)) continue;
    errors.push(...compareSize(descriptor, size, "blob"));
  }
  for (const descriptor of children) {
    const size = await childSize(context, repository, descriptor);
    errors.push(...compareSize(descriptor, size, "manifest"));
  }
  if (errors.length > 0) throw new Problem(400, errors);
}

/** BuildKit's cache index lists layers among its manifests, so what has no manifest's type may be a blob. */
async function childSize(
  context: RegistryContext,
  repository: string,
  { digest, mediaType }: Descriptor,
): Promise<number | undefined> {
  const { storage } = context;
  const manifest: StoredManifest | undefined = await storage.getManifest(repository, digest);
  if (manifest) await storage.keep?.(repository, digest);
  if (manifest || isIndexType(mediaType) || isManifestType(mediaType)) {
    return manifest?.bytes.length;
  }
  return await blobSize(context, repository, digest);
}

/** Size of a blob that is there, and stays until the manifest that names it is. */
async function blobSize(
  { storage }: RegistryContext,
  repository: string,
  digest: Digest,
): Promise<number | undefined> {
  const size = (await storage.openBlob(repository, digest))?.size;
  return size === undefined || await storage.keep?.(repository, digest) === false
    ? undefined
    : size;
}

function compareSize(
  { digest, size: expected }: Descriptor,
  size: number | undefined,
  noun: "blob" | "manifest",
): RegistryErrorEntry[] {
  if (size === expected) return [];
  if (size !== undefined) {
    const message = `the descriptor gives ${expected} bytes, the ${noun} ${digest} has ${size}`;
    return [{ code: "SIZE_INVALID", message, detail: digest }];
  }
  const message = `the repository has no ${noun} ${digest}`;
  return [{ code: "MANIFEST_BLOB_UNKNOWN", message, detail: digest }];
}

function unknownManifest(reference: ManifestReference): Problem {
  const detail = reference.kind === "digest"
    ? reference.digest
    : reference.kind === "tag"
    ? reference.tag
    : reference.text;
  const message = "the repository has no such manifest";
  return new Problem(404, { code: "MANIFEST_UNKNOWN", message, detail });
}
