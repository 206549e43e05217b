import type { CosignKind } from "../cosign_tags.ts";
import { isJsonObject, REF_NAME } from "../media_types.ts";
import {
  formatImageName,
  formatRepository,
  parseImageName,
  parsePinnedName,
} from "../reference.ts";
import type { DocumentNode } from "./content.ts";
import { FULL_NAME } from "./entry_names.ts";

/** An image, index or artifact to be written, with its names. */
export interface NamedContent {
  node: DocumentNode;
  /**
   * Full names, such as `localhost:5000/team/app:1.0`, or with its digest for a tag; without one it can be had by its digest
   * alone.
   */
  names: readonly string[];
  /** Set for what goes along because it is about an image: a signature, an SBOM. */
  beside?: {
    /** What it is to cosign and the tag under which that looks for it, where it does not name its subject itself. */
    cosign?: { kind: CosignKind; tag: string };
  };
}

/**
 * The entries of index.json, one for each name, as dockerd writes it. Where signatures are among them, each also says what it is, as
 * cosign writes it.
 */
export function indexEntries(contents: readonly NamedContent[]): unknown[] {
  const isSigned = contents.some(({ beside }) => beside?.cosign);
  const shared = sharedTags(
    contents.flatMap(({ node: { digest }, names }) =>
      names.flatMap((text) => parseImageName(text)?.tag ?? []).map((tag) => [tag, digest] as const)
    ),
  );
  return contents.flatMap((content) => {
    const { node, names } = content;
    const descriptor = {
      mediaType: node.mediaType,
      digest: node.digest,
      size: node.bytes.length,
      ...(node.kind === "manifest" && node.artifactType !== undefined &&
        { artifactType: node.artifactType }),
    };
    const named = names.length > 0 ? names.map((text) => nameAnnotations(text, shared)) : [{}];
    return named.map((name) => {
      const annotations = { ...tagAnnotation(content), ...name, ...isSigned && kindOf(content) };
      return Object.keys(annotations).length > 0 ? { ...descriptor, annotations } : descriptor;
    });
  });
}

/** Tags that several images have, of other repositories, among tags and the digests that they stand for. */
function sharedTags(tagged: Iterable<readonly [tag: unknown, digest: unknown]>): Set<unknown> {
  const owners = new Map<unknown, unknown>();
  const shared = new Set<unknown>();
  for (const [tag, digest] of tagged) {
    if ((owners.get(tag) ?? digest) !== digest) shared.add(tag);
    owners.set(tag, digest);
  }
  return shared;
}

/** The second is what skopeo and umoci choose by: the tag, as docker writes it, where that tells images apart. */
function nameAnnotations(text: string, shared: ReadonlySet<unknown>): Record<string, string> {
  const full = containerdName(text);
  const tag = parseImageName(text)?.tag;
  return {
    [FULL_NAME]: full,
    ...tag !== undefined &&
      { [REF_NAME]: shared.has(tag) ? full : tag },
  };
}

/** Tells what a signature is about also where its image has no name. */
function tagAnnotation({ beside }: NamedContent): Record<string, string> {
  return beside?.cosign ? { [REF_NAME]: beside.cosign.tag } : {};
}

function kindOf({ node, beside }: NamedContent): Record<string, string> {
  if (beside && !beside.cosign) return {};
  const kind = beside?.cosign
    ? `${beside.cosign.kind}s`
    : node.kind === "index"
    ? "imageIndex"
    : "image";
  return { kind: `dev.cosignproject.cosign/${kind}` };
}

/** The name as containerd has it, Docker Hub's host and `library/` included. */
function containerdName(text: string): string {
  const pinned = parsePinnedName(text);
  const name = pinned?.name ?? parseImageName(text);
  if (!name) {
    const state = "it is no name, expected HOST/REPOSITORY:TAG";
    throw new TypeError(`Cannot write an archive for ${JSON.stringify(text)}: ${state}`);
  }
  const short = pinned ? `${formatRepository(name)}@${pinned.digest}` : formatImageName(name);
  if (name.host) return short;
  return `docker.io/${name.repository.includes("/") ? "" : "library/"}${short}`;
}

/**
 * Adds entries of one index.json to those of another, in the place of those that had their names.
 *
 * @param entries As they stand there, whatever wrote them.
 */
export function mergeEntries(entries: readonly unknown[], added: readonly unknown[]): unknown[] {
  const keys = new Set(added.map(keyOf));
  return tellApart([...entries.filter((entry) => !keys.has(keyOf(entry))), ...added]);
}

/** Images with one tag are called by their full names, where those are known: umoci and skopeo could not choose. */
function tellApart(entries: readonly unknown[]): unknown[] {
  const shared = sharedTags(
    entries.map((entry) =>
      [memberOf(memberOf(entry, "annotations"), REF_NAME), memberOf(entry, "digest")] as const
    ),
  );
  return entries.map((entry) => {
    const annotations = memberOf(entry, "annotations");
    const [tag, name] = [memberOf(annotations, REF_NAME), memberOf(annotations, FULL_NAME)];
    if (typeof tag !== "string" || typeof name !== "string" || !shared.has(tag)) return entry;
    return Object.assign({}, entry, {
      annotations: Object.assign({}, annotations, { [REF_NAME]: name }),
    });
  });
}

/** What an entry is called; one without a name is called after its digest. */
function keyOf(entry: unknown): string {
  const annotations = memberOf(entry, "annotations");
  const name = memberOf(annotations, FULL_NAME) ?? memberOf(annotations, REF_NAME);
  return typeof name === "string"
    ? `name ${name}`
    : `digest ${JSON.stringify(memberOf(entry, "digest"))}`;
}

function memberOf(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined;
}
