import { runAll } from "../concurrency.ts";
import type { ArchiveBlob } from "../image/content.ts";
import { headBlob, withoutRetry } from "../registry/blobs.ts";
import type { RepositoryState, UploadSettings } from "./upload.ts";

/** Answers to questions that were asked before anybody needed them. */
export interface Ahead extends AsyncDisposable {
  /** What was found of a blob; from here on nobody asks for it ahead. */
  found(blob: ArchiveBlob): Found | Promise<Found>;
}

/** What a registry has of a blob, as `headBlob` tells it; "unknown" where the question has to be asked (again). */
export type Found = number | undefined | "unknown";

/**
 * Asks for blobs while those before them are uploaded, so that no upload waits for an answer. One request fewer than
 * `concurrency` is spent on it: a push of one blob at a time has one request at a time.
 *
 * @param target The repository.
 * @param blobs What will be needed, in this order.
 * @param settings Settings of the push.
 * @returns The answers; disposing of them ends what is still asked.
 */
export function lookAhead(
  target: RepositoryState,
  blobs: readonly ArchiveBlob[],
  { concurrency, signal }: UploadSettings,
): Ahead {
  const answers = new Map<ArchiveBlob, Promise<Found>>();
  const taken = new Set<ArchiveBlob>();
  const over = new AbortController();
  const quietly = { ...target, http: withoutRetry(target.http) };
  const ask = async (blob: ArchiveBlob, signal: AbortSignal): Promise<Found> => {
    try {
      return blob.digest ? await headBlob(quietly, blob.digest, { signal }) : "unknown";
    } catch {
      // It is asked again by whoever needs the answer, and goes wrong there. A registry in trouble is asked no more than
      // it must be.
      over.abort();
      return "unknown";
    }
  };
  // In one pass most blobs are known by now, and those that were sent need no question.
  const workers = target.take ? 0 : Math.min(concurrency - 1, blobs.length);
  const asked = runAll(blobs, workers, async (blob, signal) => {
    if (taken.has(blob) || !blob.digest || target.blobs.has(blob.digest)) return;
    const answer = ask(blob, signal);
    answers.set(blob, answer);
    await answer;
  }, AbortSignal.any([signal, over.signal])).catch(() => {});
  return {
    found(blob) {
      taken.add(blob);
      return answers.get(blob) ?? "unknown";
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await asked;
    },
  };
}
