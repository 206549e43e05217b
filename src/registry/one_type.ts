import type { Bytes } from "../bytes.ts";
import { hasStatus } from "../errors.ts";
import {
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../media_types.ts";
import { requestBytesOnce } from "./http/answer_body.ts";
import { type Call, contentType, type Http } from "./http/call.ts";

/** Indexes first: distribution 2.3 picks a manifest of one for who asks for a manifest. */
const ORDER = [DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST];

/** The answer to a request for a manifest, and its bytes. */
interface Read {
  response: Response;
  bytes: Bytes;
}

/**
 * Reads a manifest by asking for each type alone until one comes.
 *
 * @param failure What asking for all of them has come to, where it failed.
 * @returns What came; of another type where there is no other.
 * @throws `failure`, or what is wrong with the first type, where nothing comes; what says nothing of a type, at once.
 */
export async function readOneType(
  http: Http,
  call: Call,
  limit: number,
  failure?: unknown,
): Promise<Read> {
  let other: Read | undefined;
  let reason = failure;
  for (const accept of ORDER) {
    try {
      const found = await requestBytesOnce(http, { ...call, headers: { accept } }, limit);
      if (MANIFEST_TYPES.includes(contentType(found.response))) {
        http.seen.wantsOneType ??= failure === undefined || await failsAgain(http, call, limit);
        return found;
      }
      other ??= found;
    } catch (error) {
      call.signal?.throwIfAborted();
      // After one that is out of reach another would come in its place.
      if (!hasStatus(error, 400, 404, 406, 500)) throw error;
      reason ??= error;
    }
  }
  http.seen.wantsOneType ??= false;
  if (other) return other;
  throw reason;
}

/** Whether it was the list of types that failed, and not the registry for a moment. */
async function failsAgain(http: Http, call: Call, limit: number): Promise<boolean> {
  try {
    await requestBytesOnce(http, call, limit);
    return false;
  } catch {
    return true;
  }
}
