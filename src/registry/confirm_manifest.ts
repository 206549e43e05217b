import { digestAlgorithm, digestBytes } from "../digest.ts";
import { OciError, RegistryError } from "../errors.ts";
import { nameOf, type RepositoryContext, repositoryUrl, type UploadHooks } from "./blobs.ts";
import { getManifest } from "./get_manifest.ts";
import { hostOf } from "./http/call.ts";
import type { ManifestContent } from "./manifest_content.ts";

/**
 * Reads a manifest back whose PUT got an answer that any server gives: a sign-in page of a network, or the challenge of a
 * firewall (AWS WAF: 202), may have come in the place of the registry.
 *
 * @param answer The answer to the PUT.
 * @throws {RegistryError} If it is not there.
 */
export async function confirmManifest(
  context: RepositoryContext,
  reference: string,
  { digest, bytes }: ManifestContent,
  answer: Response,
  { signal, onRetry }: UploadHooks,
): Promise<void> {
  let state: string;
  let cause: unknown;
  try {
    const read = await getManifest(context, reference, { signal, onRetry, isFresh: true });
    const actual = await digestBytes(read.bytes, digestAlgorithm(digest));
    if (actual === await digestBytes(bytes, digestAlgorithm(digest))) return;
    state = `${reference} has digest ${actual}`;
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    state = error.message;
    cause = error;
  }
  throw new RegistryError(
    `Cannot push manifest ${reference} to ${nameOf(context)}: ${
      hostOf(context.http)
    } answered ${answer.status} and did not store it: ${state}`,
    {
      method: "PUT",
      url: repositoryUrl(context, `manifests/${reference}`).href,
      status: answer.status,
      cause,
      hint: "a sign-in page or a firewall may have answered for the registry",
    },
  );
}
