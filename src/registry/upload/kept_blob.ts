import { sleep } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { RegistryError } from "../../errors.ts";
import {
  fitsSize,
  headBlob,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
} from "../blobs.ts";
import { describeStranger } from "../http/describe_stranger.ts";
import { discard } from "../http/call.ts";
import { request } from "../http/http.ts";
import { checkLength } from "./lost_answers.ts";

/** Further questions for a blob that was taken and is not there, each after twice the delay of the one before: some stores are late. */
const QUESTIONS = 2;

/**
 * Makes sure that a registry has a blob which it took without a word on what arrived: something before it may answer in its
 * place. Asked until one blob was found.
 *
 * @param answer What it was taken with.
 * @throws {RegistryError} If the blob is not there, or not whole.
 */
export async function requireKept(
  context: RepositoryContext,
  blob: { digest: Digest; size: number },
  answer: Response,
  hooks: UploadHooks,
): Promise<void> {
  const { seen } = context.http;
  if (seen.keepsBlobs) return;
  const found = await headBlob(context, blob.digest, hooks).catch(() => undefined);
  if (found === undefined) await requireThere(context, blob, answer, hooks);
  else if (!fitsSize(found, blob.size)) await checkLength(context, blob, hooks);
  seen.keepsBlobs = true;
}

/**
 * The same where HEAD has found nothing. A registry that does not tell, even when a part of the blob is asked for, may have it.
 *
 * @throws {RegistryError} If the blob is not there.
 */
export async function requireThere(
  context: RepositoryContext,
  { digest, size }: { digest: Digest; size: number },
  answer: Response,
  hooks: UploadHooks,
): Promise<void> {
  const { retry } = context.http;
  for (let asked = 0; await isAbsent(context, digest, hooks); asked++) {
    if (asked === QUESTIONS) throw notKept(context, { digest, size }, answer);
    await sleep(retry.delay * 2 ** asked, hooks.signal);
  }
}

async function isAbsent(
  context: RepositoryContext,
  digest: Digest,
  { signal, onRetry }: UploadHooks,
): Promise<boolean> {
  try {
    const response = await request(context.http, {
      action: `look for blob ${digest} in ${nameOf(context)}`,
      method: "GET",
      url: repositoryUrl(context, `blobs/${digest}`),
      headers: { range: "bytes=0-0" },
      expect: [200, 206, 404, 416],
      ...{ signal, onRetry },
      // What a cache has kept is of the time before.
      isFresh: true,
    });
    await discard(response);
    return response.status === 404;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

function notKept(
  context: RepositoryContext,
  { digest, size }: { digest: Digest; size: number },
  answer: Response,
): RegistryError {
  const url = repositoryUrl(context, `blobs/${digest}`);
  const who = describeStranger(answer, "");
  const proxy = `a proxy before the registry${who && ` ${who}`}`;
  const { status } = answer;
  return new RegistryError(
    `Cannot push blob ${digest} to ${
      nameOf(context)
    }: its ${size} bytes were taken with ${status}, and it is not there`,
    {
      method: "PUT",
      url: url.href,
      // Another status would be that of an upload that was lost.
      status,
      hint:
        `${proxy} may answer in its place, and drop what is sent: the answer names no digest, as registries do`,
    },
  );
}
