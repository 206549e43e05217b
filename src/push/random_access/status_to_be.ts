import type { Digest } from "../../digest.ts";
import { RegistryError } from "../../errors.ts";
import type { ArchiveBlob } from "../../image/content.ts";
import { headBlob, type UploadHooks } from "../../registry/blobs.ts";
import { otherHolder, type RepositoryState } from "../repository_state.ts";
import type { Brought } from "../share_blob.ts";
import type { UploadSettings } from "../upload_settings.ts";
import { aloneWith, mountPlaces } from "./send_blob.ts";

/** What would become of a blob that the repository lacks: of several archives the first would send it. */
export async function statusToBe(
  target: RepositoryState,
  blob: ArchiveBlob,
  digest: Digest,
  settings: UploadSettings,
  hooks: UploadHooks,
): Promise<Brought> {
  // Other processes have nothing to wait for.
  return await aloneWith(target, digest, { ...settings, shareBlob: undefined }, async () => {
    const isMounted = !blob.file || await isElsewhere(target, digest, settings, hooks);
    return { digest, status: isMounted ? "mounted" : "pushed" };
  });
}

/** Whether a repository that would be tried has it; what is mounted from there is not sent. */
async function isElsewhere(
  target: RepositoryState,
  digest: Digest,
  settings: UploadSettings,
  hooks: UploadHooks,
): Promise<boolean> {
  const holder = otherHolder(target, digest);
  for (const repository of mountPlaces(target, digest, settings, holder)) {
    if (repository === holder) return true;
    try {
      if (await headBlob({ ...target, repository }, digest, hooks) !== undefined) return true;
    } catch (error) {
      // Where it may not be asked for it is not mounted from, either.
      if (!(error instanceof RegistryError)) throw error;
    }
  }
  return false;
}
