import type { Bytes } from "../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes, isDigest } from "../digest.ts";
import {
  DigestMismatchError,
  hasCode,
  hasStatus,
  OciError,
  RegistryError,
  restate,
} from "../errors.ts";
import {
  foreignMember,
  isIndexType,
  type JsonObject,
  MANIFEST_TYPES,
  readJsonObject,
} from "../media_types.ts";
import {
  checkDigestHeader,
  nameOf,
  type RepositoryContext,
  repositoryUrl,
  type UploadHooks,
} from "./blobs.ts";
import { mayWantOneType } from "./existence.ts";
import { badAnswer, parseAnswer, type ReadCall, requestBytesOnce } from "./http/answer_body.ts";
import { type Call, contentType, headerOf, hostOf, type Http } from "./http/call.ts";
import { withRetry } from "./http/http.ts";

/** Listeners of a request, and what an answer must be. */
export type ManifestHooks = UploadHooks & Pick<Call, "isFresh">;

/** Most bytes of a manifest to read: twice what registries are asked to take. */
export const MAX_PULLED_MANIFEST_BYTES = 8 * 1024 * 1024;

/** A manifest or index to be stored. */
export interface ManifestContent {
  /** Its digest. */
  digest: Digest;
  /** Sent as Content-Type; it must equal the member `mediaType` of the bytes, where there is one. */
  mediaType: string;
  /** Exactly as it is stored. */
  bytes: Bytes;
}

/** A manifest or index as it was read. */
export interface PulledManifest extends ManifestContent {
  /** What the bytes say. */
  json: JsonObject;
}

/**
 * Reads a manifest or index and checks it: its digest against the one asked for and the one that the registry names, its
 * media type against the header, and that it is a manifest or an index and not both (CVE-2021-41190).
 *
 * @param reference Tag or digest.
 * @returns The manifest; `call` and `response` are for messages about it.
 * @throws {RegistryError} 404 where it is not there; with status 200 where the answer is no manifest.
 * @throws {DigestMismatchError} If it has another digest.
 */
export async function getManifest(
  context: RepositoryContext,
  reference: string,
  hooks: ManifestHooks = {},
): Promise<PulledManifest & { call: ReadCall; response: Response }> {
  const { call, response, bytes } = await requestManifest(context, reference, hooks);
  const digest = await checkDigests(context, reference, response, bytes);
  return { digest, bytes, ...describeManifest(call, response, bytes), call, response };
}

/** Asks for a manifest or index, and checks nothing of it. */
export async function requestManifest(
  context: RepositoryContext,
  reference: string,
  hooks: ManifestHooks = {},
): Promise<{ call: ReadCall; response: Response; bytes: Bytes }> {
  const call: Call = {
    action: `read manifest ${reference} of ${nameOf(context)}`,
    method: "GET",
    isDocument: true,
    url: repositoryUrl(context, `manifests/${reference}`),
    headers: { accept: MANIFEST_TYPES.join(", ") },
    expect: [200],
    isFresh: hooks.isFresh,
    signal: hooks.signal,
    onRetry: hooks.onRetry,
  };
  const { response, bytes } = await withRetry(context.http, call, () => ask(context.http, call))
    .catch((error) => Promise.reject(explainAbsence(context, call, error)));
  return { call, response, bytes };
}

/** Asks once for whatever type there is; where that may be what fails, for one type after the other. */
async function ask(http: Http, call: Call): Promise<{ response: Response; bytes: Bytes }> {
  let failure: unknown;
  if (!http.seen.wantsOneType) {
    try {
      const found = await requestBytesOnce(http, call, MAX_PULLED_MANIFEST_BYTES);
      if (!mayWantOneType(http, found.response)) return found;
    } catch (error) {
      if (!mayWantOneType(http, error)) throw error;
      failure = error;
    }
  }
  const { readOneType } = await import("./one_type.ts");
  return await readOneType(http, call, MAX_PULLED_MANIFEST_BYTES, failure);
}

/** What the bytes of a manifest or index say, and its type; see {@linkcode getManifest}. */
export function describeManifest(
  call: ReadCall,
  response: Response,
  bytes: Bytes,
): { json: JsonObject; mediaType: string } {
  const json = parseAnswer(call, response, bytes);
  const mediaType = chooseMediaType(call, response, json);
  checkShape(call, response, json, mediaType);
  return { json, mediaType };
}

/** Whether a failed read of a manifest, by tag or digest, means that the repository does not have it. */
export function isAbsence(error: unknown, reference: string): boolean {
  return hasStatus(error, 404) && error.url.endsWith(`/manifests/${reference}`);
}

/**
 * Reads a manifest back whose PUT got an answer that any server gives: a sign-in page of a network, or the challenge of a
 * firewall (AWS WAF: 202), may have come in the place of the registry.
 *
 * @param answer The answer to the PUT.
 * @throws {RegistryError} If it is not there.
 */
export async function confirmManifest(
  context: RepositoryContext,
  reference: string,
  { digest, bytes }: ManifestContent,
  answer: Response,
  { signal, onRetry }: UploadHooks,
): Promise<void> {
  let state: string;
  let cause: unknown;
  try {
    const read = await getManifest(context, reference, { signal, onRetry, isFresh: true });
    const actual = await digestBytes(read.bytes, digestAlgorithm(digest));
    if (actual === await digestBytes(bytes, digestAlgorithm(digest))) return;
    state = `${reference} has digest ${actual}`;
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    state = error.message;
    cause = error;
  }
  throw new RegistryError(
    `Cannot push manifest ${reference} to ${nameOf(context)}: ${
      hostOf(context.http)
    } answered ${answer.status} and did not store it: ${state}`,
    {
      method: "PUT",
      url: repositoryUrl(context, `manifests/${reference}`).href,
      status: answer.status,
      cause,
      hint: "a sign-in page or a firewall may have answered for the registry",
    },
  );
}

/** A registry that says what is absent is one: what to check is the name. Other errors stay as they are. */
export function explainAbsence(
  context: RepositoryContext,
  { action }: Pick<Call, "action">,
  error: unknown,
): unknown {
  if (!hasStatus(error, 404) || error.errors.length === 0) return error;
  if (hasCode(error, "NAME_UNKNOWN")) {
    const hint = `tarpush ls ${hostOf(context.http)} lists the repositories`;
    return restate(error, `Cannot ${action}: the registry has no such repository`, { hint });
  }
  const hint = `tarpush ls ${nameOf(context)} lists the tags`;
  return restate(error, `Cannot ${action}: the repository has no such manifest`, { hint });
}

async function checkDigests(
  context: RepositoryContext,
  reference: string,
  response: Response,
  bytes: Bytes,
): Promise<Digest> {
  const what = `manifest ${reference} of ${nameOf(context)}`;
  const named = headerOf(response, "docker-content-digest");
  const digest = await digestBytes(bytes, isDigest(named) ? digestAlgorithm(named) : "sha256");
  const explain = () => rewriteHint(bytes);
  checkDigestHeader(response, digest, what, explain);
  if (!isDigest(reference)) return digest;
  const actual = await digestBytes(bytes, digestAlgorithm(reference));
  if (actual === reference) return actual;
  throw new DigestMismatchError(
    `Cannot trust ${what}: what the registry sent has digest ${actual}, expected ${reference}`,
    { expected: reference, actual, hint: explain() },
  );
}

/** What may be the reason where wrong bytes are a document all the same. */
function rewriteHint(bytes: Bytes): string | undefined {
  return readJsonObject(bytes) &&
    "something before the registry may write JSON anew, a filter of answers for one: try without it";
}

function chooseMediaType(call: ReadCall, response: Response, json: JsonObject): string {
  const header = contentType(response);
  // Some proxies say no more than that it is JSON.
  const sent = header === "application/json" || header === "application/octet-stream" ? "" : header;
  const mediaType = json.mediaType === "" ? sent : json.mediaType ?? sent;
  if (typeof mediaType !== "string" || !MANIFEST_TYPES.includes(mediaType)) {
    const found = typeof mediaType === "string" && mediaType ? mediaType.slice(0, 100) : "no type";
    throw badAnswer(call, response, `a manifest of ${found}, expected an OCI or Docker v2 type`);
  }
  if (!sent || sent === mediaType) return mediaType;
  throw badAnswer(call, response, `a manifest of ${mediaType} as ${sent.slice(0, 100)}`);
}

/** Whether a document has what one of its type must have, and nothing that makes another of it. */
function checkShape(
  call: ReadCall,
  response: Response,
  json: JsonObject,
  mediaType: string,
): void {
  const extra = foreignMember(json, mediaType);
  if (extra) throw badAnswer(call, response, `a document with ${extra}, as ${mediaType} must not`);
  const needed = isIndexType(mediaType) ? "manifests" : "config";
  if (json[needed] !== undefined) return;
  throw badAnswer(call, response, `a document without ${needed}, as ${mediaType} must have`);
}
