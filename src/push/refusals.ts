import { hasCode, RegistryError } from "../errors.ts";
import { saysCut } from "../registry/http/error_details.ts";

/** How a registry says that something a manifest names is not there. */
const ABSENT_CODES = new Set(["MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN"]);
/** What is wrong with the bytes or the name, whatever kind of manifest they are. */
const OTHER_CODES = new Set([...ABSENT_CODES, "DIGEST_INVALID", "NAME_INVALID", "SIZE_INVALID"]);
/** Statuses that mean a conflict with what is there: 412 of Harbor, 409 of Quay and GitLab. */
const CONFLICTS = new Set([409, 412, 423]);
/** What registries say of a tag or manifest that may be written once: ECR, Artifactory, Nexus, Google, GitLab. */
const CHANGE_WORDS =
  /immutab|overw?rit|already.?exist|not allow\w* (?:updating|redeploy)|cannot be (?:changed|updated|moved|replaced)|protected|write.?once/i;
/** What registries say of a media type, in words or in the details of an error. */
const TYPE_WORDS =
  /media.?type|content.?type|vnd\.(?:docker|oci)\.|schema.?version|manifest (?:type|format|schema)/i;

/** Media types in a registry's words. */
const NAMED_TYPES = /\b(?:application|audio|font|image|model|text|video)\/[\w.+-]+/g;
/** Those that one kind of manifest has and the other has not. */
const KIND_TYPES = /vnd\.docker\.|vnd\.oci\.image\.|manifest|index/;

/** How distribution says that it takes no manifests at all: it is the cache of another registry. */
const TAKES_NONE = /operation is unsupported/i;

/** The same in the detail of a manifest that is invalid: Trow 0.10, Artipie's docker-adapter 0.13.1. */
const ABSENT_WORDS = /\bblob\b.*\b(?:not found|does not exist)\b/i;

/** Whether a registry refuses a manifest because something that it names is not there. */
export function lacksPart(error: unknown): boolean {
  return error instanceof RegistryError && error.method === "PUT" &&
    error.errors.some((entry) =>
      ABSENT_CODES.has(entry.code) ||
      (entry.code === "MANIFEST_INVALID" && ABSENT_WORDS.test(JSON.stringify(entry)))
    );
}

/** Whether a registry refuses to have something changed that is there. */
export function refusesChange(error: unknown): boolean {
  return isRefusal(error) && (CONFLICTS.has(error.status) || CHANGE_WORDS.test(wordsOf(error)));
}

/**
 * Whether a registry may have kept what it refuses: container-registry 0.3.1 (Rust) writes a manifest that comes under its
 * digest, and answers 400 because that is no tag.
 */
export function mayHaveKept(error: unknown): boolean {
  return refusesChange(error) ||
    (isRefusal(error) && error.errors.length === 0 &&
      (error.status === 400 || error.status === 405));
}

/**
 * Whether a registry refuses a manifest for its media type: "surely" where it says so, "maybe" where it only says that
 * the manifest is invalid, as distribution and zot do; ECR says UNSUPPORTED with 405.
 */
export function refusesType(error: unknown): "surely" | "maybe" | undefined {
  if (!isRefusal(error) || refusesChange(error) || lacksPart(error)) return undefined;
  const { status, errors } = error;
  if (status === 415 || status === 406) return "surely";
  if (status === 401 || cameCut(error) || errors.some(({ code }) => OTHER_CODES.has(code))) {
    return undefined;
  }
  if (TYPE_WORDS.test(wordsOf(error))) return refusedPart(error) ? undefined : "surely";
  // Without such words it is the repository that is not there.
  if (status === 404) return undefined;
  if (TAKES_NONE.test(wordsOf(error))) return undefined;
  const isUnclear = errors.length === 0
    ? status === 400 || status === 422
    : hasCode(error, "MANIFEST_INVALID", "UNSUPPORTED");
  return isUnclear ? "maybe" : undefined;
}

/**
 * The media type that a registry says it does not take, where it is that of something the manifest names, such as the
 * config of an artifact, and the same in either kind of manifest. GitLab's with its database has a list of those it takes.
 */
export function refusedPart(error: unknown): string | undefined {
  if (!isRefusal(error) || !/media.?type/i.test(wordsOf(error))) return undefined;
  const named = wordsOf(error).match(NAMED_TYPES) ?? [];
  return named.some((type) => KIND_TYPES.test(type)) ? undefined : named[0];
}

/** Whether a registry refuses a manifest because it got less than all of it: there is no word on the manifest in that. */
export function cameCut(error: unknown): boolean {
  return isRefusal(error) && saysCut(error.errors);
}

/** What a registry answered, without what was asked of it. */
export function answerOf({ message }: RegistryError): string {
  return message.slice(message.indexOf(": ") + 2);
}

function isRefusal(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.method === "PUT" && error.status >= 400 &&
    error.status < 500 && error.url.includes("/manifests/");
}

function wordsOf({ errors }: RegistryError): string {
  return errors.map((entry) => JSON.stringify(entry)).join(" ");
}
