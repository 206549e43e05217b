import type { Digest } from "../../digest.ts";
import { hasCode, hasStatus, NetworkError, RegistryError } from "../../errors.ts";
import {
  fitsSize,
  headBlob,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
  withoutRetry,
} from "../blobs.ts";

/**
 * What is in the registry after a failed upload, as `headBlob` tells: the answer may be lost, or the request was sent twice.
 *
 * @returns Undefined as well where that is no question.
 */
export async function lengthThere(
  context: RepositoryContext,
  digest: Digest,
  error: unknown,
  hooks: UploadHooks,
): Promise<number | undefined> {
  if (hooks.signal?.aborted || !isOutcomeUnknown(error)) return undefined;
  try {
    return await headBlob({ ...context, http: withoutRetry(context.http) }, digest, hooks);
  } catch {
    // What counts is the failure that led here.
    return undefined;
  }
}

/**
 * Makes sure that a registry has all of a blob which it had a part of after an attempt that failed: pulp_container 2.30 keeps
 * the beginning of a body that broke off under the digest of the whole, and that in place of what is sent afterwards.
 *
 * @throws {RegistryError} If it tells of another length.
 */
export async function checkLength(
  context: RepositoryContext,
  { digest, size }: { digest: Digest; size: number },
  hooks: UploadHooks,
): Promise<void> {
  const found = await headBlob(context, digest, hooks);
  if (fitsSize(found, size)) return;
  const has = found === undefined ? "does not have it" : `has ${found} bytes of it`;
  throw new RegistryError(
    `Cannot push blob ${digest} to ${
      nameOf(context)
    }: the registry took it, and ${has}, expected ${size}`,
    {
      method: "HEAD",
      url: repositoryUrl(context, `blobs/${digest}`).href,
      status: found === undefined ? 404 : 200,
      hint: "it keeps something else under its digest: have that deleted there, and push again",
    },
  );
}

/** A connection that broke says nothing of what arrived, and neither does a gateway that lost its registry. */
function isOutcomeUnknown(error: unknown): boolean {
  if (error instanceof NetworkError) return error.retryable && error.method !== "POST";
  if (!(error instanceof RegistryError)) return false;
  return isLostSession(error) || (error.method === "PUT" && error.status >= 499);
}

/** Whether something on the way had no patience with the registry; 524 is Cloudflare's. */
export function isGatewayTimeout(error: unknown): boolean {
  return hasStatus(error, 504, 524);
}

/** Whether something before the registry failed: what a registry says of itself has a reason. */
export function isOfGateway(error: unknown): boolean {
  return error instanceof RegistryError && error.status >= 500 && error.errors.length === 0;
}

/** Whether a registry says that it does not know an upload, or not as we do. */
export function isLostSession(error: RegistryError): boolean {
  // Before an upload is open there is none to lose: that 404 means the repository, or no registry at all.
  if (error.method === "POST") return false;
  return error.status === 404 || error.status === 416 ||
    hasCode(error, "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID");
}
