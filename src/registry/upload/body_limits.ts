import { hasCode, hasStatus, RegistryError } from "../../errors.ts";
import type { Http } from "../http/call.ts";
import { leavesLength } from "../http/send.ts";
import { wasLarge } from "../http/stranger.ts";
import type { UploadSession } from "./upload_session.ts";

/** Chunks where nothing else is said: above what one request may carry at few registries, below most memory limits. */
export const DEFAULT_CHUNK_BYTES = 8 * 1024 * 1024;
/** Largest chunk that a registry may ask for: each one is held in memory. */
const MAX_CHUNK_BYTES = 128 * 1024 * 1024;
/** Largest chunk past Squid in plain http: chunks tell their length, and Squid 5.7 drops what does so from 4 MiB on. */
const MAX_SQUID_CHUNK_BYTES = 2 * 1024 * 1024;
/** Smallest chunk to try against a limit: nginx takes 1 MiB unless told otherwise, ModSecurity 128 KiB. */
const MIN_CHUNK_BYTES = 64 * 1024;

/**
 * The chunk size that an upload must use, or undefined where the whole body may go in one request: what the caller or
 * an earlier refusal says for this registry, or what the registry said when it opened the upload.
 *
 * @param size Length of the blob in bytes.
 * @param tellsLength Whether the body has a length that is sent along.
 */
export function chunkSizeFor(
  session: UploadSession,
  size: number,
  tellsLength = false,
): number | undefined {
  const { context: { http }, minChunk = 0, maxChunk = Infinity } = session;
  const byPatch = size > 0 && goesByPatch(session);
  const wanted = http.seen.chunkSize ??
    (byPatch || size > maxChunk || (!tellsLength && wantsLength(session))
      ? DEFAULT_CHUNK_BYTES
      : undefined);
  if (wanted === undefined) return undefined;
  const most = leavesLength(http, session.location) ? MAX_SQUID_CHUNK_BYTES : MAX_CHUNK_BYTES;
  const chunk = Math.min(Math.max(Math.min(wanted, most), minChunk), maxChunk, MAX_CHUNK_BYTES);
  if (size > chunk) return chunk;
  // One chunk, however short: a body of its own would come in the PUT.
  return byPatch ? size : undefined;
}

/** Whether the PUT that ends an upload carries no body. */
function goesByPatch({ context, wantsPatch }: UploadSession): boolean {
  return wantsPatch === true || context.http.seen.takesPut === false;
}

/** Whether such a body comes in one PATCH, whatever its size: the registry takes no second one. */
export function goesInOnePatch(session: UploadSession): boolean {
  const { inOnePatch = session.context.http.seen.takesChunks === false } = session;
  return inOnePatch && goesByPatch(session);
}

/**
 * Whether bodies must tell their length, which streams of unknown length do not: the registry named lengths that it takes
 * when it opened the upload, or refused a body without one before. In a web page all do: Chromium takes a stream over HTTP/2
 * and later only and does not say what it speaks, other browsers take none.
 */
export function wantsLength(session: UploadSession): boolean {
  const { seen, page } = session.context.http;
  return page !== undefined || seen.wantsLength === true || session.wantsLength === true ||
    session.minChunk !== undefined || session.maxChunk !== undefined;
}

/**
 * Whether a body of known length has to be held to be sent: its length has to be told, and a stream would leave it out, or
 * was refused as if it did.
 */
export function mustBeHeld(session: UploadSession): boolean {
  if (!wantsLength(session)) return false;
  const { http } = session.context;
  return http.page !== undefined || http.seen.wantsLength === true ||
    session.wantsLength === true || leavesLength(http, session.location);
}

/**
 * Whether a registry, or what stands before it, may have refused a body for want of its length. 411 and 501 say so
 * (RFC 9110, 15.5.12 and 15.6.2); firewalls answer 400 or 405, and serverless-registry on R2 (2026-06) 500.
 */
export function mayWantLength(error: unknown): error is RegistryError {
  if (!(error instanceof RegistryError)) return false;
  if (error.status === 400) return !hasCode(error, "DIGEST_INVALID");
  return [405, 411, 500, 501].includes(error.status);
}

/**
 * Whether a body without a length may be what failed: it was refused for that, or passed over, so that the digest found is
 * that of no content, as zot (main of 2026-08) does with what comes in a PUT.
 */
export function mayMissLength(error: unknown): error is RegistryError {
  return mayWantLength(error) ||
    (hasStatus(error, 400) && hasCode(error, "DIGEST_INVALID"));
}

/**
 * Whether a registry may have no use for a body in the PUT that ends an upload: docker, containerd and podman send none
 * there, and all before it in a PATCH. So container-registry 0.3.1 (Rust) answers 500.
 *
 * @param isAgain Whether it failed before: 500 passes more often than not.
 */
export function mayWantPatch(
  { seen }: Http,
  error: unknown,
  isAgain: boolean,
): error is RegistryError {
  // What was on its way when another one was refused may still turn.
  if (seen.takesPut === true || !mayWantLength(error)) return false;
  return error.status !== 411 && (error.status !== 500 || isAgain);
}

/** Whether a registry may take one PATCH for each upload: Artipie's docker-adapter 0.13.1 answers 405 to the next. */
export function mayWantOnePatch(session: UploadSession, error: unknown): boolean {
  return goesByPatch(session) && hasStatus(error, 400, 405, 409, 501) &&
    error.method === "PATCH";
}

/** Whether a registry, or a proxy before it, refused the size of one request, not the blob. */
export function isBodyLimit(error: unknown): error is RegistryError {
  return hasStatus(error, 411, 413) || (hasStatus(error, 403) && wasLarge(error)) ||
    (hasStatus(error, 416) &&
      error.errors.some(({ message }) => /large|limit|exceed/i.test(message)));
}

/** Whether a large body may have been refused for its size without a word: Tornado 6.6 answers 400 above 100 MB. */
export function isBareRefusal(error: unknown): boolean {
  return hasStatus(error, 400) && error.errors.length === 0;
}

/**
 * Notes, for all blobs of the registry, that a body of one size was too large for one request.
 *
 * @param least Smallest chunk that the registry takes.
 * @returns The largest body to try from here on; undefined where nothing smaller is worth a try.
 */
export function shrinkBodies(http: Http, size: number, least = 0): number | undefined {
  let next = Math.min(DEFAULT_CHUNK_BYTES, http.seen.chunkSize ?? Infinity);
  while (next >= size) next = Math.floor(next / 2);
  if (next < Math.max(least, MIN_CHUNK_BYTES)) return undefined;
  http.seen.chunkSize = next;
  return next;
}
