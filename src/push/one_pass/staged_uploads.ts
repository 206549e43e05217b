import type { PassingFile } from "../../archive/passing_file.ts";
import type { Digest } from "../../digest.ts";
import { mismatch } from "../../image/content.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import { commitUpload } from "../../registry/upload/close_upload.ts";
import { explainChanged, isDigestRefusal } from "../../registry/upload/digest_refusal.ts";
import { cancelUpload, type UploadSession } from "../../registry/upload/upload_session.ts";
import type { RepositoryState } from "../repository_state.ts";

/** An upload whose body has been sent, and which is not closed; in a dry run there is none, for one that would be. */
export interface Staged {
  target: RepositoryState;
  session?: UploadSession;
}

/** Uploads left open at once until the end tells whether they are needed: registries limit them. */
const MAX_STAGED = 256;

/** Uploads that were sent and not committed: only the end tells whether an image needs them, and under which digest. */
export class StagedUploads {
  readonly #staged = new Map<PassingFile, Staged>();

  /** Whether there are as many as a registry may have to keep. */
  get isFull(): boolean {
    return this.#staged.size >= MAX_STAGED;
  }

  /** Notes that all of a file was sent. */
  add(file: PassingFile, staged: Staged): void {
    this.#staged.set(file, staged);
  }

  /**
   * Commits what was sent of a file.
   *
   * @param file A file that an image turned out to need.
   * @param digest Its digest, as the archive has it.
   * @returns The repository that has it by that; undefined where nothing of it was sent.
   * @throws {DigestMismatchError} If the registry found another digest.
   */
  async commit(
    file: PassingFile,
    digest: Digest,
    hooks: UploadHooks,
  ): Promise<RepositoryState | undefined> {
    const staged = this.#staged.get(file);
    if (!staged) return undefined;
    const { target, session } = staged;
    this.#staged.delete(file);
    if (!session) return target;
    try {
      await commitUpload(session, { digest, size: file.size }, hooks);
    } catch (error) {
      await cancelUpload(session);
      throw asMismatch(error, file, digest);
    }
    file.digest = digest;
    return target;
  }

  /** Cancels what is left: nothing needed it. */
  async cancel(): Promise<void> {
    const left = [...this.#staged.values()];
    this.#staged.clear();
    await Promise.all(left.map(async ({ session }) => {
      if (session) await cancelUpload(session);
    }));
  }
}

const FOUND_THERE_HINT =
  "the registry found that: where a check of the archive finds nothing, a proxy before the registry changes or drops what is sent";

/** The failure of a blob, in terms of the archive where the registry found another digest than expected. */
export function asMismatch(error: unknown, file: PassingFile, digest: Digest): unknown {
  if (file.digest === digest) return explainChanged(error);
  if (!isDigestRefusal(error)) return error;
  const wrong = mismatch(
    file.path,
    digest,
    file.digest,
    file.digest ? undefined : FOUND_THERE_HINT,
  );
  wrong.cause = error;
  return wrong;
}
