import { type Digest, isDigest } from "../digest.ts";
import { hasCode, hasStatus, RegistryError, restate } from "../errors.ts";
import { nameOf, type RepositoryContext, repositoryUrl, type UploadHooks } from "./blobs.ts";
import { type Call, discard, type Http } from "./http/call.ts";
import { request } from "./http/http.ts";

/** What distribution and the embedded registry want to be told before they delete anything. */
const DISABLED_HINT =
  "deletion is switched off there: distribution (registry:2) needs REGISTRY_STORAGE_DELETE_ENABLED=true, tarpush serve --allow-delete";

/** GitLab's registry (4.32) keeps what another manifest has for its subject, or lists. */
const REFERENCED_HINT =
  "something there may still name it: delete the signatures and the like that refer to it, and indexes that list it, before it";

/**
 * Deletes a manifest by its digest, with all tags that name it, or a tag alone (distribution-spec, "Deleting tags",
 * "Deleting Manifests").
 *
 * @param reference Tag or digest.
 * @throws {RegistryError} 404 where it is not there; 400 or 405 where the registry does not delete (registry:2 deletes
 *   by digest only, and nothing unless it is told to).
 */
export async function deleteManifest(
  context: RepositoryContext,
  reference: string,
  hooks: UploadHooks = {},
): Promise<void> {
  const action = `delete ${isDigest(reference) ? "manifest" : "tag"} ${reference} of ${
    nameOf(context)
  }`;
  const url = repositoryUrl(context, `manifests/${reference}`);
  await requestDeletion(context.http, { action, url, ...hooks });
}

/**
 * Deletes a blob (distribution-spec, "Deleting Blobs"). Registries do not ask whether a manifest needs it.
 *
 * @throws {RegistryError} 404 where it is not there; 405 where deletion is switched off.
 */
export async function deleteBlob(
  context: RepositoryContext,
  digest: Digest,
  hooks: UploadHooks = {},
): Promise<void> {
  const action = `delete blob ${digest} of ${nameOf(context)}`;
  const url = repositoryUrl(context, `blobs/${digest}`);
  await requestDeletion(context.http, { action, url, ...hooks });
}

/** Whether a registry does not delete at all, or not this way: distribution-spec has it say 400 or 405. */
export function isRefusedDeletion(error: unknown): error is RegistryError {
  return hasStatus(error, 400, 405, 501) && error.method === "DELETE";
}

/** Sends a DELETE; what went through although its answer was lost is no failure. */
async function requestDeletion(
  http: Http,
  { action, url, signal, onRetry }: Pick<Call, "action" | "url" | "signal" | "onRetry">,
): Promise<void> {
  let isAgain = false;
  try {
    const response = await request(http, {
      action,
      method: "DELETE",
      url,
      expect: [200, 202, 204],
      signal,
      onRetry: async (...args) => {
        isAgain = true;
        await onRetry?.(...args);
      },
    });
    await discard(response);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    // The attempt before deleted it, and the answer was lost.
    if (error.status === 404 && isAgain) return;
    if (error.status === 409) throw restate(error, error.message, { hint: REFERENCED_HINT });
    throw isRefusedDeletion(error) ? explainRefusal(action, error) : error;
  }
}

function explainRefusal(action: string, refusal: RegistryError): RegistryError {
  const { status } = refusal;
  if (hasCode(refusal, "DIGEST_INVALID")) {
    const state = "the registry deletes by digest only, with all tags of it";
    const hint = "tarpush rm REFERENCE finds the digest and names its other tags";
    return restate(refusal, `Cannot ${action}: ${state} (${status})`, { hint });
  }
  const message = `Cannot ${action}: the registry does not allow it (${status})`;
  return restate(refusal, message, { hint: DISABLED_HINT });
}
