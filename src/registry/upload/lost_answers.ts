import type { Digest } from "../../digest.ts";
import { NetworkError, RegistryError } from "../../errors.ts";
import { headBlob, type RepositoryContext, type UploadHooks, withoutRetry } from "../blobs.ts";

/** Whether a failed upload is in the registry after all: the answer was lost, or the request was sent twice. */
export async function arrived(
  context: RepositoryContext,
  blob: { digest: Digest; size: number },
  error: unknown,
  hooks: UploadHooks,
): Promise<boolean> {
  if (hooks.signal?.aborted) return false;
  if (!isOutcomeUnknown(error)) return false;
  try {
    return await headBlob({ ...context, http: withoutRetry(context.http) }, blob.digest, hooks) ===
      blob.size;
  } catch {
    // What counts is the failure that led here.
    return false;
  }
}

/** A connection that broke says nothing of what arrived, and neither does a gateway that lost its registry. */
function isOutcomeUnknown(error: unknown): boolean {
  if (error instanceof NetworkError) return error.retryable && error.method !== "POST";
  if (!(error instanceof RegistryError)) return false;
  return isLostSession(error) || (error.method === "PUT" && error.status >= 499);
}

/** Whether something on the way had no patience with the registry; 524 is Cloudflare's. */
export function isGatewayTimeout(error: unknown): boolean {
  return error instanceof RegistryError && (error.status === 504 || error.status === 524);
}

/** Whether a registry says that it does not know an upload, or not as we do. */
export function isLostSession({ method, status, errors }: RegistryError): boolean {
  // Before an upload is open there is none to lose: that 404 means the repository, or no registry at all.
  if (method === "POST") return false;
  return status === 404 || status === 416 ||
    errors.some(({ code }) => code === "BLOB_UPLOAD_UNKNOWN" || code === "BLOB_UPLOAD_INVALID");
}
