import { asyncDispose } from "../../async_dispose.ts";
import { anySignal, runAll } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { hasCode, hasStatus } from "../../errors.ts";
import type { ArchiveBlob } from "../../image/content.ts";
import {
  headBlob,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
  withoutRetry,
} from "../../registry/blobs.ts";
import { discard } from "../../registry/http/call.ts";
import { request } from "../../registry/http/http.ts";
import type { RepositoryState } from "../repository_state.ts";
import type { UploadSettings } from "../upload_settings.ts";

/** What a registry has, asked for before anybody needs to know. */
export interface Ahead extends AsyncDisposable {
  /** What the repository has of a blob, as `headBlob` tells it. */
  find(blob: ArchiveBlob, digest: Digest, hooks: UploadHooks): Promise<number | undefined>;
  /** Whether nobody was asked: what cannot be mounted then may be there all the same. */
  isGuess?: boolean;
}

/** Takes all blobs for absent. */
export const GUESS_ABSENT: Ahead = {
  find: () => Promise.resolve(undefined),
  isGuess: true,
  [asyncDispose]: () => Promise.resolve(),
};

/** Fewer blobs than these are all asked for: one more question would spare too few. */
const MANY_BLOBS = 48;
/** Of a push that was cut short, one of the first blobs is there, unless it sent more than these at once. */
const FIRST_BLOBS = 8;
/** Milliseconds: an answer that takes longer is on its way for most of them, and more questions can be. */
const FAR_MILLISECONDS = 25;
/** Questions under way then, for each upload that there may be. */
const FAR_QUESTIONS = 4;

/**
 * Asks for blobs while those before them are uploaded, so that no upload waits for an answer. One request fewer than
 * `concurrency` is spent on it: a push of one blob at a time has one request at a time. A registry far away that has the
 * first ones is asked for many at once: most likely it has the others, and little is uploaded meanwhile.
 *
 * Where many blobs are to be pushed and those that a push cut short would have left are all absent, the registry is asked
 * for the repository. One whose name it does not know (distribution-spec, `NAME_UNKNOWN`) is taken to have none of the
 * others either: distribution knows no name without a tag, and what was pushed there by digest alone is sent once more.
 *
 * @param blobs What will be needed, in this order.
 * @returns The answers; disposing of them ends what is still asked.
 */
export function lookAhead(
  target: RepositoryState,
  blobs: readonly ArchiveBlob[],
  { concurrency, signal, dryRun }: UploadSettings,
): Ahead {
  const answers = new Map<ArchiveBlob, Promise<number | undefined | "unknown">>();
  const taken = new Set<ArchiveBlob>();
  const over = new AbortController();
  const until = anySignal(signal, over.signal);
  const quietly = { ...target, http: withoutRetry(target.http) };
  const sample = new Set(dryRun || blobs.length < MANY_BLOBS ? [] : firstBlobs(blobs, concurrency));
  let isNew = false;
  let isKnown = false;
  let aside: Promise<void> | undefined;

  const ask = async (
    from: RepositoryContext,
    blob: ArchiveBlob,
    digest: Digest,
    hooks: UploadHooks,
  ) => {
    const found = await headBlob(from, digest, hooks);
    if (found !== undefined) [isKnown, isNew] = [true, false];
    else if (sample.delete(blob) && sample.size === 0 && !isKnown) {
      aside = isUnknown(quietly, until).then((is) => void (isNew = is && !isKnown));
    }
    return found;
  };
  const askQuietly = async (blob: ArchiveBlob, digest: Digest, signal: AbortSignal) => {
    try {
      return await ask(quietly, blob, digest, { signal });
    } catch {
      // It is asked again by whoever needs the answer, and goes wrong there. A registry in trouble is asked no more than
      // it must be.
      over.abort();
      return "unknown";
    }
  };
  // In one pass most blobs are known by now, and those that were sent need no question.
  const workers = target.take ? 0 : Math.min(concurrency - 1, blobs.length);
  const queue = new Set([...sample, ...blobs]).values();
  const asking: Promise<void>[] = [];
  // Of many archives, several ask side by side already.
  const isAlone = !target.registry.sharing;
  const askMore = (workers: number) =>
    void asking.push(
      runAll(queue, workers, async (blob, signal) => {
        if (isNew || taken.has(blob) || !blob.digest || target.blobs.has(blob.digest)) return;
        const start = performance.now();
        const answer = askQuietly(blob, blob.digest, signal);
        answers.set(blob, answer);
        const isThere = typeof await answer === "number";
        const isFar = performance.now() - start > FAR_MILLISECONDS;
        if (isThere && isFar && isAlone && asking.length === 1) {
          askMore(concurrency * (FAR_QUESTIONS - 1));
        }
      }, until).catch(() => {}),
    );
  askMore(workers);
  return {
    async find(blob, digest, hooks) {
      taken.add(blob);
      const answer = answers.get(blob);
      const found = answer ? await answer : "unknown";
      if (found !== "unknown") return found;
      // What the archive does not have must be there: that is not to be guessed.
      return isNew && blob.file ? undefined : await ask(target, blob, digest, hooks);
    },
    async [asyncDispose]() {
      over.abort();
      await Promise.all(asking);
      await aside;
    },
  };
}

/** The blobs that come first in the order of a file, and in that of a pipe: docker and OCI tars are sorted by name. */
function firstBlobs(blobs: readonly ArchiveBlob[], concurrency: number): ArchiveBlob[] {
  const count = Math.max(FIRST_BLOBS, concurrency);
  const pathOf = ({ file }: ArchiveBlob) => file?.path ?? "";
  const byName = blobs.toSorted((a, b) => pathOf(a) < pathOf(b) ? -1 : 1);
  return [...blobs.slice(0, count), ...byName.slice(0, count)];
}

/** Whether a registry says that it does not know a repository; any other answer means nothing. */
async function isUnknown(context: RepositoryContext, signal: AbortSignal): Promise<boolean> {
  try {
    const url = repositoryUrl(context, "tags/list?n=1");
    const action = `look for ${nameOf(context)}`;
    await discard(
      await request(context.http, { action, method: "GET", url, expect: [200], signal }),
    );
    return false;
  } catch (error) {
    return hasStatus(error, 404) && hasCode(error, "NAME_UNKNOWN");
  }
}
