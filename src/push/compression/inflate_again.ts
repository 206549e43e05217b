import { openFileBody } from "../../archive/read_blob.ts";
import { decompress } from "../../codec/decompress.ts";
import type { ArchiveFile } from "../../image/files.ts";
import { remoteFile } from "../../pull/remote_file.ts";
import { quoteName } from "../../quote_name.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import type { UploadBlob } from "../../registry/upload/choose_body.ts";
import { otherHolder, rememberBlob, type RepositoryState } from "../repository_state.ts";

/**
 * Finds a layer of a pipe that was compressed when it passed, and of which only the end of the archive told that it has to
 * stay as it is: a foreign one, one of an artifact, or one that an annotation names.
 *
 * @returns What reads it back from the registry and inflates it; undefined where what was made of it is not there.
 */
export async function findCompressed(
  target: RepositoryState,
  path: string,
  { file, kind }: NonNullable<ArchiveFile["compressed"]>,
  hooks: UploadHooks,
): Promise<Pick<UploadBlob, "open" | "failure"> | undefined> {
  const { digest, size } = file;
  if (!digest) return undefined;
  // It may have been sent and wait to be needed.
  if (await target.take?.(file, digest, hooks)) rememberBlob(target, digest, "pushed");
  const repository = target.blobs.has(digest) ? target.repository : otherHolder(target, digest);
  if (repository === undefined) return undefined;
  const { signal, onRetry } = hooks;
  const there = remoteFile({ ...target, repository }, { digest, size }, { signal, onRetry });
  return {
    open: () => decompress(openFileBody(there), kind, quoteName(path)),
    failure: () => there.failure?.(),
  };
}
