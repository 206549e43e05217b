import { parseUrl } from "./parse_url.ts";
import { type Digest, digestAlgorithm, digestHex, isDigest } from "./digest.ts";
import { DigestMismatchError } from "./errors.ts";

/** Where an image is or goes: `[http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`. */
export interface Reference {
  /** Scheme that the text forced. */
  scheme?: "http" | "https";
  /** `host` or `host:port`. */
  registry: string;
  /** Path of the repository below the registry. */
  repository: string;
  /** Tag, where the text has one. */
  tag?: string;
  /** Digest, where the text has one. */
  digest?: Digest;
}

/** A registry, and below it a prefix ("" or ending in "/"), that takes an archive's own names. */
export interface Place {
  scheme?: "http" | "https";
  registry: string;
  prefix: string;
}

/** What a push goes to. */
export type Target = { kind: "reference"; reference: Reference } | { kind: "place"; place: Place };

/** An image's own name as an archive gives it; `host` is "" for Docker Hub, whose `library/` is left out. */
export interface ImageName {
  host: string;
  repository: string;
  tag: string;
}

const DEFAULT_TAG = "latest";
/** Host and repository together (distribution-spec, "Pulling manifests": many clients limit them to 255). */
const MAX_NAME_LENGTH = 255;

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const FORM = "HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]";

/**
 * Parses a reference. The registry is always part of it; nothing is guessed.
 *
 * @example A reference with port and tag
 * ```ts
 * import { parseReference } from "@tarpush/tarpush";
 * const { registry, repository, tag } = parseReference("localhost:5000/team/app:1.0");
 * if (registry + repository + tag !== "localhost:5000team/app1.0") throw new Error("unreachable");
 * ```
 *
 * @param text The reference as typed.
 * @returns Its parts; `tag` and `digest` only where the text has them.
 * @throws {SyntaxError} If a part is missing or breaks the grammar of distribution-spec, "Pulling manifests".
 * @throws {TypeError} If it is no text.
 */
export function parseReference(text: string): Reference {
  const target = parseTarget(text);
  if (target.kind === "reference") return target.reference;
  throw invalid(text, "it has no repository", FORM);
}

/**
 * Parses what a push may go to: a reference, or a place (`HOST[:PORT]`, or a prefix ending in `/`).
 *
 * @throws {SyntaxError} If it is neither.
 * @throws {TypeError} If it is no text.
 */
export function parseTarget(text: string): Target {
  // JavaScript brings here what was never set.
  if (typeof text !== "string") {
    throw new TypeError(`Cannot parse a reference: it is ${typeof text}, expected text: ${FORM}`);
  }
  refuseSecrets(text);
  const scheme = /^(https?):\/\//i.exec(text)?.[1]?.toLowerCase() as Reference["scheme"];
  const rest = scheme ? text.slice(scheme.length + 3) : text;
  if (rest.includes("://")) {
    throw invalid(text, "its scheme is unknown", "http://, https:// or none");
  }
  const slash = rest.indexOf("/");
  const registry = slash < 0 ? rest : rest.slice(0, slash);
  checkRegistry(text, registry, slash < 0);
  const forced = scheme ? { scheme } : {};
  const path = slash < 0 ? "" : rest.slice(slash + 1);
  if (path === "" || path.endsWith("/")) {
    if (path) checkRepository(text, registry, path.slice(0, -1));
    return { kind: "place", place: { ...forced, registry, prefix: path } };
  }
  return {
    kind: "reference",
    reference: { ...forced, registry, ...parsePath(text, registry, path) },
  };
}

/** A URL with more than a path is none of a registry; what it has besides may be secret, and is not shown. */
function refuseSecrets(text: string): void {
  const [path = ""] = text.split(/[?#]/, 1);
  const login = /^(?:[a-z+.-]+:\/\/)?[^/]*@(?!sha\d+:)/i.exec(path)?.[0];
  if (login !== undefined) throw invalid(path.slice(login.length), "it comes with a login", FORM);
  if (path !== text) throw invalid(path, "it comes with a query, as the URL of a file does", FORM);
}

function parsePath(
  text: string,
  registry: string,
  path: string,
): Pick<Reference, "repository" | "tag" | "digest"> {
  const at = path.indexOf("@");
  const digest = at < 0 ? undefined : checkDigest(text, path.slice(at + 1));
  const name = at < 0 ? path : path.slice(0, at);
  const colon = name.indexOf(":");
  const repository = colon < 0 ? name : name.slice(0, colon);
  checkRepository(text, registry, repository);
  const parts: Pick<Reference, "repository" | "tag" | "digest"> = { repository };
  if (colon >= 0) parts.tag = checkTag(text, name.slice(colon + 1));
  if (digest) parts.digest = digest;
  return parts;
}

/** Formats a reference without its scheme; a digest is left out where there is a tag. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  const name = `${registry}/${repository}`;
  if (tag !== undefined) return `${name}:${tag}`;
  return digest ? `${name}@${digest}` : name;
}

/** A reference with the tag that is meant where it has neither tag nor digest. */
export function withTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest) return reference;
  return { ...reference, tag: DEFAULT_TAG };
}

/** @throws {TypeError} If a reference names one image where a repository is meant; `action` cannot be done then. */
export function requireRepository(
  { tag, digest }: Reference,
  action: string,
  expected = "HOST/REPOSITORY alone",
): void {
  if (tag === undefined && !digest) return;
  throw new TypeError(`Cannot ${action}: it names one image, expected ${expected}`);
}

/**
 * Refuses what a reference leads to where its digest is another.
 *
 * @param verb What is being done with it, for the message.
 */
export function refuseOtherDigest(
  verb: string,
  reference: Reference,
  actual: Digest,
  hint?: string,
): void {
  const { digest: expected } = reference;
  if (!expected || expected === actual) return;
  throw new DigestMismatchError(
    `Cannot ${verb} ${formatReference(reference)}: it has digest ${actual}, expected ${expected}`,
    { expected, actual, hint },
  );
}

/** The repository of a reference as its own name has it: Docker Hub's `library/` is left out. */
export function ownRepository({ registry, repository }: Reference): string {
  return isDockerHub(registry) ? withoutLibrary(repository) : repository;
}

/**
 * The origin that serves a registry. Plain http is for this machine, or where the reference or the caller says so.
 *
 * @param target Registry and the scheme that the reference forced.
 * @param plainHttp Use http where no scheme is forced.
 * @returns An origin such as `http://localhost:5000`.
 */
export function registryOrigin(
  { registry, scheme }: Pick<Reference, "registry" | "scheme">,
  plainHttp = false,
): string {
  const local = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(registry);
  return new URL(`${scheme ?? (local || plainHttp ? "http" : "https")}://${registry}`).origin;
}

/** Whether `text` is a tag (distribution-spec, "Pulling manifests"). */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * The tag that stands for the referrers API where a registry has none (distribution-spec, "Referrers Tag Schema"): of a
 * SHA-512 digest it has the first half.
 */
export function referrersTag(subject: Digest): string {
  return `${digestAlgorithm(subject).slice(0, 32)}-${digestHex(subject).slice(0, 64)}`;
}

/** Whether a tag is one of {@linkcode referrersTag}, whatever it is about. */
export function isReferrersTag(tag: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{64}$/.test(tag);
}

/** Whether `text` is a repository name (distribution-spec, "Pulling manifests"). */
export function isRepository(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && text.split("/").every((part) => COMPONENT.test(part));
}

/**
 * Parses an image's own name as an archive carries it. `docker.io/library/app`, `library/app` and `app` give the same.
 *
 * @param text A name such as `team/app:1` or `registry.example.com/app`; no tag means `latest`.
 * @returns The name, or undefined where it is none that can be pushed (a bare digest, another grammar).
 */
export function parseImageName(text: string): ImageName | undefined {
  if (text.includes("@") || text.includes("://")) return undefined;
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const hasHost = first === "localhost" || /[.:]/.test(first);
  const path = hasHost ? text.slice(slash + 1) : text;
  const colon = path.lastIndexOf(":");
  const repository = colon < 0 ? path : path.slice(0, colon);
  const tag = colon < 0 ? DEFAULT_TAG : path.slice(colon + 1);
  if (!isRepository(repository) || !isTag(tag) || (hasHost && !HOST.test(first))) return undefined;
  if (hasHost && !isDockerHub(first)) return { host: first, repository, tag };
  return { host: "", repository: withoutLibrary(repository), tag };
}

/** An image's own name that says which digest it has: it needs no tag. */
export interface PinnedName {
  name: ImageName;
  digest: Digest;
  /** Whether there is a tag as well, which the name has then. */
  hasTag: boolean;
}

/** Parses an image's own name with a digest, `team/app@sha256:...`; undefined where it is none. */
export function parsePinnedName(text: string): PinnedName | undefined {
  const [path = "", digest, ...rest] = text.split("@");
  const name = parseImageName(path);
  if (!name || !isDigest(digest) || rest.length > 0) return undefined;
  return { name, digest, hasTag: /:[^/]*$/.test(path) };
}

/** Formats the repository of an image name, with its host but Docker Hub's. */
export function formatRepository({ host, repository }: ImageName): string {
  return `${host ? host + "/" : ""}${repository}`;
}

/** Formats an image name in its short form, without Docker Hub's host. */
export function formatImageName(name: ImageName): string {
  return `${formatRepository(name)}:${name.tag}`;
}

/** A repository of Docker Hub without its `library/`: it is asked for with that or without. */
export function withoutLibrary(repository: string): string {
  return repository.replace(/^library\/(?=[^/]+$)/, "");
}

function isDockerHub(host: string): boolean {
  return host === "docker.io" || host === "index.docker.io";
}

function checkRegistry(text: string, registry: string, alone: boolean): void {
  const match = HOST.exec(registry);
  if (match && (match[1] === undefined || (Number(match[1]) > 0 && Number(match[1]) < 65536))) {
    // What the grammar lets through may still be no host of a URL, such as [:::].
    if (parseUrl(`http://${registry}`)) return;
  }
  const found = registry === "" ? "it has no registry" : `${quote(registry)} is no registry`;
  throw invalid(text, found, alone ? `HOST[:PORT] or ${FORM}` : FORM);
}

function checkRepository(text: string, registry: string, repository: string): void {
  if (repository === "") throw invalid(text, "it has no repository", FORM);
  if (!repository.split("/").every((part) => COMPONENT.test(part))) {
    throw invalid(
      text,
      `repository ${quote(repository)} is not valid`,
      'lowercase letters, digits and single ".", "_", "-" between them, parts separated by "/"',
    );
  }
  const length = registry.length + 1 + repository.length;
  if (length > MAX_NAME_LENGTH) {
    throw invalid(
      text,
      `registry and repository have ${length} characters`,
      `at most ${MAX_NAME_LENGTH}`,
    );
  }
}

function checkTag(text: string, tag: string): string {
  if (isTag(tag)) return tag;
  throw invalid(
    text,
    `tag ${quote(tag)} is not valid`,
    'up to 128 letters, digits, "_", "." and "-"',
  );
}

function checkDigest(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest;
  throw invalid(
    text,
    `digest ${quote(digest)} is not valid`,
    '"sha256:" and 64 lowercase hex digits',
  );
}

function invalid(text: string, found: string, expected: string): SyntaxError {
  return new SyntaxError(`Cannot parse reference ${quote(text)}: ${found}, expected ${expected}`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 300 ? text.slice(0, 300) + "..." : text);
}
