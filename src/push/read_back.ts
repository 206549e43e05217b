import { drain } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import { OciError, PushError } from "../errors.ts";
import { getBlob } from "../registry/blob_content.ts";
import { nameOf, type RepositoryContext, type UploadHooks } from "../registry/blobs.ts";
import { getManifest } from "../registry/get_manifest.ts";

/** Attempts to read what was just written: what fails twice in the same way is no accident. */
const ATTEMPTS = 2;

/**
 * Reads back a blob that a registry has just taken. One that had something under its digest before may have kept that:
 * distribution looks only whether there is a file (registry/storage/blobwriter.go, `moveBlob`).
 *
 * @throws {PushError} If it sends anything else.
 */
export async function readBackBlob(
  context: RepositoryContext,
  { digest, size }: { digest: Digest; size: number },
  { signal, onRetry }: UploadHooks,
): Promise<void> {
  await readBack(context, "blob", digest, async (patient) => {
    const { body } = await getBlob(patient, digest, { signal, onRetry, size });
    await drain(body);
  });
}

/**
 * The same for a manifest or index. distribution 2.8 with a cache of descriptors does not write one that it remembers
 * (registry/storage/blobstore.go, `Put`).
 */
export async function readBackManifest(
  context: RepositoryContext,
  digest: Digest,
  { signal, onRetry }: UploadHooks,
): Promise<void> {
  await readBack(context, "manifest", digest, async (patient) => {
    await getManifest(patient, digest, { signal, onRetry, isFresh: true });
  });
}

async function readBack(
  context: RepositoryContext,
  step: "blob" | "manifest",
  digest: Digest,
  read: (patient: RepositoryContext) => Promise<void>,
): Promise<void> {
  const { http } = context;
  const retry = { ...http.retry, attempts: Math.min(ATTEMPTS, http.retry.attempts) };
  try {
    await read({ ...context, http: { ...http, retry } });
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause;
    const path = digest.replace(/^([^:]+):(..)/, "$1/$2/$2");
    throw new PushError(
      `Cannot push ${step} ${digest} to ${
        nameOf(context)
      }: the registry took it, and does not send it back: ${cause.message}`,
      {
        step,
        origin: "registry",
        digest,
        cause,
        hint:
          "it may keep a damaged file, or remember one that is gone: with distribution remove " +
          `docker/registry/v2/blobs/${path}/data in its storage, restart it, and push with --force`,
      },
    );
  }
}
