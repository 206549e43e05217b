import type { CosignKind } from "../cosign_tags.ts";
import type { Digest } from "../digest.ts";
import { type DocumentNode, entriesBelow, type IndexEntry, nodesOf, walk } from "./content.ts";
import { besideRole, keyOf, namesOf } from "./entry_names.ts";
import { signedDigests } from "./signed_digests.ts";
import { referrersTag } from "../reference.ts";

/** A signature, an attestation, an SBOM or the like: it belongs to an image of the archive and is none itself. */
export interface ArchiveBeside {
  node: DocumentNode;
  /** Digest of what it is about, which the archive has. */
  subject: Digest;
  /** What cosign keeps of it under a tag; absent for a referrer, which names its subject itself. */
  kind?: CosignKind;
}

/**
 * Parts the entries of index.json into images and what belongs to them. What belongs to nothing that the archive has stays an
 * image.
 *
 * @param entries All of them, with their nodes.
 */
export async function partEntries(
  entries: readonly IndexEntry[],
): Promise<{ images: IndexEntry[]; beside: ArchiveBeside[] }> {
  const found = new Map<IndexEntry, ArchiveBeside[]>();
  const present = new Set(walk(...nodesOf(entries)).map(({ digest }) => digest));
  const names = namesByDigest(entries);
  const listTags = new Map([...present].map((digest) => [referrersTag(digest), digest]));
  for (const entry of entries) {
    const beside = besideByItself(entry, { present, names, listTags });
    if (beside) found.set(entry, beside);
  }
  const isOpen = (entry: IndexEntry) => !found.has(entry) && besideRole(entry.descriptor)?.isMarked;
  const candidates = new Candidates(
    entries.filter((entry) => !found.has(entry) && !isOpen(entry)),
  );
  for (const entry of entries.filter(isOpen)) {
    const { node, descriptor } = entry;
    const kind = besideRole(descriptor)?.kind;
    if (!node || !kind || kind === "referrer") continue;
    const subject = await candidates.subjectOf(entry, present);
    if (subject) found.set(entry, [{ node, subject, kind }]);
  }
  return {
    images: entries.filter((entry) => !found.has(entry)),
    beside: entries.flatMap((entry) => found.get(entry) ?? []),
  };
}

/**
 * What belongs to an image and to what stands below it, then what belongs to that.
 *
 * @returns Each once, after what it is about.
 */
export function besideOf(
  beside: readonly ArchiveBeside[],
  root: DocumentNode,
): ArchiveBeside[] {
  const subjects = new Set(walk(root).map(({ digest }) => digest));
  const waiting = new Set(beside);
  const found: ArchiveBeside[] = [];
  for (let before = -1; before < found.length;) {
    before = found.length;
    for (const each of waiting) {
      if (!subjects.has(each.subject)) continue;
      waiting.delete(each);
      subjects.add(each.node.digest);
      found.push(each);
    }
  }
  return found;
}

function namesByDigest(entries: readonly IndexEntry[]): Map<Digest, Set<string>> {
  const names = new Map<Digest, Set<string>>();
  for (const { descriptor } of entries) {
    const known = names.get(descriptor.digest) ?? new Set();
    for (const name of namesOf(descriptor)) known.add(keyOf(name));
    names.set(descriptor.digest, known);
  }
  return names;
}

interface Known {
  present: ReadonlySet<Digest>;
  names: ReadonlyMap<Digest, ReadonlySet<string>>;
  /** What each list of referrers is about, by its tag. */
  listTags: ReadonlyMap<string, Digest>;
}

/** What an entry is that says itself what it is about; undefined for any other. */
function besideByItself(
  { descriptor, node }: IndexEntry,
  { present, names, listTags }: Known,
): ArchiveBeside[] | undefined {
  if (!node) return undefined;
  const role = besideRole(descriptor);
  const isAbout = (subject: Digest | undefined): subject is Digest =>
    subject !== undefined && subject !== node.digest && present.has(subject);
  if (role && role.kind !== "referrer" && isAbout(role.subject)) {
    return [{ node, subject: role.subject, kind: role.kind }];
  }
  const about = listTags.get(role?.listTag ?? "");
  if (isAbout(about)) return listed(node, about);
  const subject = node.subject?.digest;
  if (!isAbout(subject)) return undefined;
  // Under the name of what it is about, as hauler has it, or under none.
  const isNamed = namesOf(descriptor).some((name) => !names.get(subject)?.has(keyOf(name)));
  return isNamed && role?.kind !== "referrer" ? undefined : [{ node, subject }];
}

/** The entries of a list of referrers, which a push makes anew; undefined where it is no whole list of such. */
function listed(node: DocumentNode, subject: Digest): ArchiveBeside[] | undefined {
  if (node.kind !== "index") return undefined;
  const children = node.entries.map((entry) => entry.node);
  const whole = children.filter((child) => child?.subject?.digest === subject);
  if (whole.length < children.length) return undefined;
  return whole.flatMap((child) => child ? [{ node: child, subject }] : []);
}

/** The images that a signature may be about. */
class Candidates {
  readonly #byName = new Map<string, IndexEntry[]>();
  /** The only image, where there is no other. */
  readonly #only: Digest | undefined;

  constructor(entries: readonly IndexEntry[]) {
    for (const entry of entries.filter(({ node }) => node)) {
      for (const name of namesOf(entry.descriptor)) {
        const key = keyOf(name);
        const known = this.#byName.get(key);
        if (known) known.push(entry);
        else this.#byName.set(key, [entry]);
      }
    }
    this.#only = onlyDigest(topmost(entries));
  }

  /** What a signature is about: by what was signed, else by its name, else the only image. */
  async subjectOf(
    { descriptor, node }: IndexEntry,
    present: ReadonlySet<Digest>,
  ): Promise<Digest | undefined> {
    const signed = node?.kind === "manifest" ? await signedDigests(node) : [];
    const exact = signed.find((digest) => present.has(digest));
    if (exact) return exact;
    const named = namesOf(descriptor).flatMap((name) => this.#byName.get(keyOf(name)) ?? []);
    const indexes = named.filter((entry) => entry.node?.kind === "index");
    return onlyDigest(indexes) ?? onlyDigest(named) ?? this.#only;
  }
}

function onlyDigest(entries: readonly IndexEntry[]): Digest | undefined {
  const [only, ...others] = new Set(entries.map(({ descriptor }) => descriptor.digest));
  return others.length === 0 ? only : undefined;
}

/** The entries that stand below no other. */
function topmost(entries: readonly IndexEntry[]): IndexEntry[] {
  const below = new Set(
    entriesBelow(...nodesOf(entries)).map(({ descriptor }) => descriptor.digest),
  );
  return entries.filter(({ node, descriptor }) => node && !below.has(descriptor.digest));
}
