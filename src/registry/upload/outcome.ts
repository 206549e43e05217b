import { sleep } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { NetworkError, RegistryError, TimeoutError } from "../../errors.ts";
import { headBlob, type RepositoryContext, type UploadHooks } from "../blobs.ts";
import type { Http } from "../http/call.ts";
import { waitForRetry, withRetry } from "../http/http.ts";
import { retryDelay } from "../http/retry.ts";
import { isGatewayTimeout } from "./lost_answers.ts";
import { isOutOfDate, readUploadStatus, type UploadSession } from "./upload_session.ts";

/**
 * What became of an upload whose last request was sent whole and not answered by the registry: the blob is there, the
 * upload is open and has so many bytes, or they are lost.
 */
export type Outcome = "there" | number | "lost";

/** Between two questions, in milliseconds, at first and at most. */
const PAUSE = { first: 500, longest: 5_000 };
/** A pause counts for so much at least, in milliseconds: where the caller wants none, the questions still come to an end. */
const LEAST_PAUSE = 1_000;
/** A failure so long after the last byte, in milliseconds, is of something that had waited for the registry. */
const LATE = 1_000;
/** distribution 2 ends an upload that is asked for while it is committed: so often only the blob is asked for. */
const QUIET_QUESTIONS = 4;

/**
 * Asks what became of an upload that may still be committed, until there is an answer. A registry that was slow is given
 * as much time again as for an answer; of one that broke, a state that no longer changes is what it has. One that does not
 * answer is waited for as always.
 *
 * @param session The upload; its location moves on. It may be cancelled afterwards, unless it is still in doubt.
 * @param blob Length, and the digest where it is known.
 * @param hooks Signal and listeners; the first wait is told.
 * @throws {NetworkError | RegistryError} If the registry does not answer in time.
 */
export async function findOutcome(
  session: UploadSession,
  blob: { digest?: Digest | undefined; size: number },
  failure: unknown,
  hooks: UploadHooks,
): Promise<Outcome> {
  const { context } = session;
  const { http } = context;
  if (failure instanceof RegistryError && failure.retryAfter !== undefined) {
    await waitForRetry(http, hooks, failure, 2);
  }
  const ending = endingOf(session, failure);
  const isSlow = ending !== "broken";
  const isOver = failure instanceof TimeoutError;
  const patience = isOver ? 0 : http.timeouts.response;
  const quiet = isSlow && !isOver && blob.digest ? QUIET_QUESTIONS : 0;
  const judge = createJudge(blob.size, ending);
  for (let asked = 0, waited = 0;;) {
    if (await isThere(context, blob, hooks)) return "there";
    const stands = asked < quiet ? undefined : await askState(session, blob, hooks);
    const outcome = stands === undefined ? undefined : judge(stands);
    const isLast = outcome === undefined && waited >= patience;
    // What is gone is not being committed; what is called lost for another reason may be, in spite of all.
    if (stands === "gone" && (outcome || isLast)) session.isClosing = false;
    if (isLast) return stands === blob.size ? stands : "lost";
    if (outcome !== undefined) return outcome;
    const delay = pause(http, ++asked);
    if (asked === 1) await hooks.onRetry?.(2, delay, toldAs(failure));
    await sleep(delay, hooks.signal);
    waited += Math.max(delay, LEAST_PAUSE);
  }
}

/** What a registry tells of an upload: how much it has, or that there is none; or it does not answer that question. */
type State = number | "gone" | "silent";

/** Takes states in one after the other; gives the outcome once one was seen often enough in a row. */
function createJudge(size: number, ending: Ending): (stands: State) => Outcome | undefined {
  let last: State | undefined;
  let times = 0;
  return (stands) => {
    times = stands === last ? times + 1 : 1;
    last = stands;
    if (times < enoughOf(stands, size, ending)) return undefined;
    return typeof stands === "string" || stands === 0 ? "lost" : stands;
  };
}

/** How often a state must be seen in a row to be the outcome. */
function enoughOf(stands: State, size: number, ending: Ending): number {
  if (stands === "gone" || stands === size || ending === "broken") return 2;
  // What gave up waiting may hold what the registry has not seen yet; what broke late, a front that restarts for one, has
  // lost it.
  if (stands === 0 && ending === "slow") return Infinity;
  // About a minute: to send it again after that spoils nothing, should the registry be at work after all.
  return stands === "silent" || stands === 0 ? 12 : 3;
}

/** How the end came: something broke at once, or when the registry had been waited for, or gave up waiting for it. */
type Ending = "broken" | "late" | "slow";

function endingOf({ sentAt, context }: UploadSession, failure: unknown): Ending {
  if (failure instanceof TimeoutError || isGatewayTimeout(failure)) return "slow";
  return sentAt !== undefined && context.http.retry.now() - sentAt > LATE ? "late" : "broken";
}

/** Whether the blob is there; one that the registry refuses to tell of is not. */
async function isThere(
  context: RepositoryContext,
  { digest, size }: { digest?: Digest | undefined; size: number },
  hooks: UploadHooks,
): Promise<boolean> {
  try {
    return digest !== undefined && await headBlob(context, digest, hooks) === size;
  } catch (error) {
    hooks.signal?.throwIfAborted();
    if (isSilence(error)) throw error;
    return false;
  }
}

async function askState(
  session: UploadSession,
  { digest }: { digest?: Digest | undefined },
  hooks: UploadHooks,
): Promise<State> {
  return await withRetry(session.context.http, hooks, async () => {
    try {
      return await readUploadStatus(session, hooks) ?? 0;
    } catch (error) {
      hooks.signal?.throwIfAborted();
      // distribution 2 knows the upload, but not as it stands: that tells nothing.
      if (isOutOfDate(error)) return "silent";
      if (!isSilence(error)) return "gone";
      // The registry is there: it has just told of the blob.
      if (digest) return "silent";
      throw error;
    }
  });
}

/** Whether a question was not answered, so that it may be asked again. */
function isSilence(error: unknown): boolean {
  return (error instanceof NetworkError || error instanceof RegistryError) && error.retryable;
}

function pause({ retry }: Http, number: number): number {
  const delay = Math.min(retry.delay, PAUSE.first);
  const options = { ...retry, delay, maxDelay: PAUSE.longest, attempts: Infinity };
  return retryDelay(number + 1, options) ?? PAUSE.longest;
}

function toldAs(failure: unknown): Error {
  const message = failure instanceof Error ? failure.message : String(failure);
  return new Error(`${message}; it may have arrived all the same, which is asked first`, {
    cause: failure,
  });
}
