import type { Digest } from "../digest.ts";
import { headBlob } from "../registry/blobs.ts";
import { hostOf } from "../registry/http/call.ts";
import type { BlobStatus } from "./events.ts";
import type { RepositoryState } from "./repository_state.ts";

/** A blob that a repository lacks, as far as is known. */
export interface MissingBlob {
  /** Host and port of the registry. */
  registry: string;
  /** The repository that is to have it. */
  repository: string;
  /** The blob. */
  digest: Digest;
}

/**
 * Agrees with other processes on who sends a blob, so that what archives of several share is sent once.
 *
 * It waits while another process is sending the blob, and then calls `bring` once, with the repository of the registry that
 * has it by now, from which it is mounted, or with none: then it is sent. Where that repository has it no longer, it is
 * sent as well. What `bring` rejects with is to be passed on; whatever rejects fails the archive.
 *
 * @param blob The blob, and where it is wanted.
 * @param bring Brings it there; once that is done the repository has it. It tells how: what was mounted stays where it was.
 * @param signal Ends the waiting.
 */
export type ShareBlob = (
  blob: MissingBlob,
  bring: (holder?: string) => Promise<BlobStatus>,
  signal: AbortSignal,
) => Promise<unknown>;

/** A blob that was brought to a repository, and how. */
export interface Brought {
  digest: Digest;
  status: BlobStatus;
}

/**
 * Brings a blob to a repository as other processes allow it.
 *
 * @param bring Mounts it from another repository, or sends it, and tells what became of it.
 */
export async function bringShared(
  target: RepositoryState,
  digest: Digest,
  signal: AbortSignal,
  shareBlob: ShareBlob,
  bring: (holder?: string) => Promise<Brought>,
): Promise<Brought> {
  const { http, repository } = target;
  let brought: Brought | undefined;
  await shareBlob({ registry: hostOf(http), repository, digest }, async (holder) => {
    if (brought) throw new TypeError(`Cannot bring blob ${digest} twice`);
    if (holder === repository && await headBlob(target, digest, { signal }) !== undefined) {
      brought = { digest, status: "exists" };
    } else brought = await bring(holder);
    return brought.status;
  }, signal);
  if (brought) return brought;
  throw new TypeError(`Cannot push blob ${digest}: shareBlob() ended before it was brought`);
}
