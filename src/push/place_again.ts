import { ArchiveError, RegistryError, restate } from "../errors.ts";
import { blobsOf, type ContentNode, walk } from "../image/content.ts";
import { repositoryUrl } from "../registry/blobs.ts";
import { waitForRetry } from "../registry/http/http.ts";
import { lacksPart } from "./refusals.ts";
import { forgetBlob, type RepositoryState, type UploadedBlob } from "./repository_state.ts";
import { hooksFor, type UploadSettings } from "./upload_settings.ts";

const WRITE_A_FILE = "write the archive to a file first and push that";

/**
 * Places content in a repository once more, where the registry lacks a part of it: one that was purged meanwhile, or that a
 * registry of several machines does not show everywhere yet. All parts are asked for again, and those that are not there
 * are sent. Where it told of some at first and that changes nothing, all are sent, what a stream has given already from
 * where it is told of: Trow 0.10 tells of the blobs of all repositories in each.
 *
 * @param place Uploads the content and writes its manifests.
 * @returns What `place` returned; a blob keeps the status that it had at first.
 * @throws `error`, where it is another, or the same again.
 */
export async function placeAgain<T extends { blobs: UploadedBlob[] }>(
  target: RepositoryState,
  node: ContentNode,
  settings: UploadSettings,
  place: () => Promise<T>,
  error: unknown,
): Promise<T> {
  if (!(error instanceof RegistryError && lacksPart(error))) throw error;
  await waitForRetry(
    target.http,
    hooksFor(settings),
    restate(error, error.message, { retryable: true }),
    2,
  );
  const before = new Map(target.blobs);
  forgetParts(target, node);
  target.doubts = "manifests";
  try {
    const placed = await place().catch(async (second) => {
      const wasTold = blobsOf(node).some(({ digest }) => digest && before.get(digest) === "exists");
      if (!wasTold || !lacksPart(second)) throw second;
      forgetParts(target, node);
      target.doubts = "all";
      return await place();
    });
    for (const blob of placed.blobs) {
      const status = before.get(blob.digest);
      if (blob.status !== "exists" || !status) continue;
      blob.status = status;
      target.blobs.set(blob.digest, status);
    }
    return placed;
  } catch (second) {
    // What a stream has given already cannot be sent again: what the registry said is the reason.
    if (!(second instanceof ArchiveError) && !isOfBlobHere(target, second)) throw second;
    throw restate(error, error.message, { hint: error.hint ?? WRITE_A_FILE });
  } finally {
    target.doubts = undefined;
  }
}

/** Whether a registry does not give a blob that it tells of in a repository. */
function isOfBlobHere(target: RepositoryState, error: unknown): boolean {
  return error instanceof RegistryError && error.method === "GET" &&
    error.url.startsWith(repositoryUrl(target, "blobs/").href);
}

function forgetParts(target: RepositoryState, node: ContentNode): void {
  for (const { digest } of blobsOf(node)) if (digest) forgetBlob(target, digest);
  const manifests = node.kind === "docker" ? [] : walk(node);
  for (const { digest } of manifests) target.manifests.delete(digest);
}
