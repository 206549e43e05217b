import { type Digest, isDigest } from "./digest.ts";
import {
  isDocumentType,
  isForeignLayer,
  isJsonObject,
  plainDocumentType,
  readJsonObject,
} from "./media_types.ts";

/** What a manifest or index names. */
export interface NamedContent {
  /** Its config, layers, and whatever else is no manifest. */
  blobs: Digest[];
  /** Layers that may be absent by right. */
  foreign: Digest[];
  /** Manifests that it lists; what has no manifest's type is among the blobs. */
  children: Digest[];
  /** The manifest that it refers to. */
  subject: Digest | undefined;
}

/**
 * Reads what a manifest or index names, for those who only have to know what must not go: what is no document, or of
 * another form, names nothing.
 */
export function readNamedContent(bytes: Uint8Array): NamedContent {
  const named: NamedContent = { blobs: [], foreign: [], children: [], subject: undefined };
  const json = readJsonObject(bytes);
  if (!json) return named;
  for (const blob of [json.config, ...asList(json.layers), ...asList(json.blobs)]) {
    (isForeignLayer(typeOf(blob)) ? named.foreign : named.blobs).push(...digestOf(blob));
  }
  for (const child of asList(json.manifests)) {
    (isDocumentType(typeOf(child)) ? named.children : named.blobs).push(...digestOf(child));
  }
  named.subject = digestOf(json.subject)[0];
  return named;
}

/**
 * Finds what is needed of a repository: its roots, what they name, and what refers to them or is referred to by them.
 *
 * @param roots Manifests that stay for a reason of their own.
 */
export function reachContent(
  roots: Iterable<Digest>,
  manifests: ReadonlyMap<Digest, NamedContent>,
): { manifests: Set<Digest>; blobs: Set<Digest> } {
  const referrers = new Map<Digest, Digest[]>();
  for (const [digest, { subject }] of manifests) {
    if (subject) referrers.set(subject, [...referrers.get(subject) ?? [], digest]);
  }
  const reached = new Set<Digest>(roots);
  const blobs = new Set<Digest>();
  // A set is walked in the order in which it grows.
  for (const digest of reached) {
    const named = manifests.get(digest);
    if (!named) continue;
    for (const blob of [...named.blobs, ...named.foreign]) blobs.add(blob);
    for (const child of named.children) reached.add(child);
    if (named.subject) reached.add(named.subject);
    for (const referrer of referrers.get(digest) ?? []) reached.add(referrer);
  }
  return { manifests: reached, blobs };
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function typeOf(value: unknown): string {
  return isJsonObject(value) && typeof value.mediaType === "string"
    ? plainDocumentType(value.mediaType)
    : "";
}

function digestOf(value: unknown): Digest[] {
  return isJsonObject(value) && isDigest(value.digest) ? [value.digest] : [];
}
