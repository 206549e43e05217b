import { type Digest, digestAlgorithm, digestBytes, isDigest } from "../digest.ts";
import { MANIFEST_TYPES } from "../media_types.ts";
import {
  checkDigestHeader,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
} from "./blobs.ts";
import { askWhetherThere, mayWantOneType } from "./existence.ts";
import type { ManifestContent } from "./get_manifest.ts";
import { contentLength, contentType, discard, headerOf } from "./http/call.ts";
import { request } from "./http/http.ts";

/** What a registry tells of a manifest without sending it; each where it does. */
export interface ManifestHead {
  /** `Docker-Content-Digest`, as it came. */
  digest: string | undefined;
  /** Media type, without parameters. */
  mediaType: string | undefined;
  /** Length in bytes. */
  size: number | undefined;
}

/**
 * Asks whether a repository has a manifest, now and not when a cache was last asked: who asks goes on to write, or to remove.
 *
 * @param reference Tag or digest.
 * @returns Undefined when it is not there; else its digest, where the registry says it.
 */
export async function headManifest(
  context: RepositoryContext,
  reference: string,
  hooks: UploadHooks = {},
): Promise<ManifestHead | undefined> {
  const { http } = context;
  if (!http.seen.wantsOneType) {
    try {
      const response = await askWhetherThere(http, {
        action: `look for manifest ${reference} in ${nameOf(context)}`,
        url: repositoryUrl(context, `manifests/${reference}`),
        headers: { accept: MANIFEST_TYPES.join(", ") },
        isFresh: true,
        signal: hooks.signal,
        onRetry: hooks.onRetry,
      }, { isLast: (error) => mayWantOneType(http, error) });
      if (response?.status !== 200) return undefined;
      if (!mayWantOneType(http, response)) return describeHead(response, contentLength(response));
    } catch (error) {
      if (!mayWantOneType(http, error)) throw error;
    }
  }
  return await readHead(context, reference, hooks);
}

function describeHead(response: Response, size: number | undefined): ManifestHead {
  return {
    digest: headerOf(response, "docker-content-digest"),
    mediaType: contentType(response) || undefined,
    size,
  };
}

/** The same of a registry that has to be asked for each type alone: it may tell of something else, which only reading it shows. */
async function readHead(
  context: RepositoryContext,
  reference: string,
  hooks: UploadHooks,
): Promise<ManifestHead | undefined> {
  const { isAbsence, requestManifest } = await import("./get_manifest.ts");
  try {
    const found = await requestManifest(context, reference, { ...hooks, isFresh: true });
    return describeHead(found.response, found.bytes.length);
  } catch (error) {
    if (isAbsence(error, reference)) return undefined;
    throw error;
  }
}

/** The digest of what a tag names; undefined where there is no such tag, or the registry does not say. */
export async function headDigest(
  context: RepositoryContext,
  tag: string,
  hooks: UploadHooks,
): Promise<Digest | undefined> {
  const head = await headManifest(context, tag, hooks);
  return isDigest(head?.digest) ? head.digest : undefined;
}

/**
 * Stores a manifest or index under a tag or its digest (distribution-spec, "Pushing Manifests"). All that it names
 * must be there before.
 *
 * @param reference Tag or digest.
 * @throws {DigestMismatchError} If the registry stored it under another digest.
 * @throws {RegistryError} If it was not stored, whatever the answer says.
 */
export async function putManifest(
  context: RepositoryContext,
  reference: string,
  manifest: ManifestContent,
  hooks: UploadHooks = {},
): Promise<Headers> {
  const response = await request(context.http, {
    action: `push manifest ${reference} to ${nameOf(context)}`,
    method: "PUT",
    url: repositoryUrl(context, `manifests/${reference}`),
    headers: { "content-type": manifest.mediaType },
    body: manifest.bytes,
    expect: [200, 201, 202],
    signal: hooks.signal,
    onRetry: hooks.onRetry,
  });
  await discard(response);
  const expected = await digestToExpect(response, manifest);
  checkDigestHeader(response, expected, `manifest pushed to ${nameOf(context)}`);
  if (!isOfRegistry(response)) {
    const { confirmManifest } = await import("./get_manifest.ts");
    await confirmManifest(context, reference, manifest, response, hooks);
  }
  return response.headers;
}

/** What a registry says of a manifest that it has stored: at least one of these headers (distribution-spec: `Location`). */
const STORED_HEADERS = [
  "docker-content-digest",
  "docker-distribution-api-version",
  "location",
  "oci-subject",
];

/** Whether the answer to a PUT is one that a registry gives, and not just any server: that may say 201, too. */
function isOfRegistry({ headers }: Response): boolean {
  return STORED_HEADERS.some((name) => headers.has(name));
}

/** What comes by tag gets a digest of the registry's algorithm, sha256, also where an archive says sha512. */
async function digestToExpect(
  response: Response,
  { digest, bytes }: ManifestContent,
): Promise<Digest> {
  const named = headerOf(response, "docker-content-digest");
  if (!isDigest(named) || digestAlgorithm(named) === digestAlgorithm(digest)) return digest;
  return await digestBytes(bytes, digestAlgorithm(named));
}
