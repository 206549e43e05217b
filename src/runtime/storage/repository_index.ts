import { type Digest, isDigest } from "../../digest.ts";
import { isJsonObject, type JsonObject, OCI_INDEX, REF_NAME } from "../../media_types.ts";
import { isTag } from "../../reference.ts";

/** A manifest as index.json lists it. */
export interface ListedManifest {
  digest: Digest;
  mediaType: string;
  size: number;
  /** The manifest that it refers to. */
  subject?: Digest | undefined;
  /** Members of its descriptor beside these, as another program may have written them. */
  more?: JsonObject | undefined;
}

/** Our own annotation of an entry: the digest of its subject, so that nothing is read to list referrers. */
const SUBJECT = "io.tarpush.subject";
/** Our own annotation of the index: it lists every manifest, those that an index names too. */
const COMPLETE = "io.tarpush.complete";

/**
 * What an index.json says: the manifests of a repository and their tags. It lists every manifest, those without a tag
 * without a name: a registry has to know which blobs are manifests, and of which type.
 */
export class RepositoryIndex {
  readonly manifests = new Map<Digest, ListedManifest>();
  readonly tags = new Map<string, Digest>();
  /** Whether it lists every manifest; what another program wrote may list only those with names. */
  readonly isComplete: boolean;

  private constructor(isComplete: boolean) {
    this.isComplete = isComplete;
  }

  /** The index of a repository in which there is nothing. */
  static empty(): RepositoryIndex {
    return new RepositoryIndex(true);
  }

  /**
   * Reads an index.json.
   *
   * @throws {SyntaxError} If it is none.
   */
  static parse(text: string): RepositoryIndex {
    const json: unknown = JSON.parse(text);
    const { manifests, annotations } = isJsonObject(json) ? json : {};
    // Go writes an empty list as null.
    const entries: unknown = manifests === null ? [] : manifests;
    if (!Array.isArray(entries)) throw new SyntaxError("it has no list of manifests");
    const index = new RepositoryIndex(isJsonObject(annotations) && annotations[COMPLETE] === "yes");
    for (const entry of entries) index.#add(entry);
    return index;
  }

  /** The text of index.json. */
  format(): string {
    const names = new Map<Digest, string[]>();
    for (const [tag, digest] of this.tags) names.set(digest, [...names.get(digest) ?? [], tag]);
    const entries = [...this.manifests.values()].flatMap((manifest) =>
      (names.get(manifest.digest) ?? [undefined]).map((tag) => toDescriptor(manifest, tag))
    );
    const head = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX });
    const rest = JSON.stringify({ annotations: { [COMPLETE]: "yes" } });
    // A line an entry: for people who look, and for those who compare.
    return `${head.slice(0, -1)},"manifests":[\n${
      entries.map((entry) => JSON.stringify(entry)).join(",\n")
    }\n],${rest.slice(1)}\n`;
  }

  #add(entry: unknown): void {
    if (!isJsonObject(entry) || !isDigest(entry.digest)) return;
    const { digest: _, mediaType, size, annotations, ...rest } = entry;
    const { [REF_NAME]: name, [SUBJECT]: subject, ...texts } = isJsonObject(annotations)
      ? annotations
      : {};
    if (typeof name === "string" && isTag(name)) this.tags.set(name, entry.digest);
    else if (name !== undefined) texts[REF_NAME] = name;
    this.manifests.set(entry.digest, {
      digest: entry.digest,
      mediaType: typeof mediaType === "string" ? mediaType : "",
      size: typeof size === "number" ? size : 0,
      subject: isDigest(subject) ? subject : undefined,
      more: { ...rest, ...(Object.keys(texts).length > 0 && { annotations: texts }) },
    });
  }
}

function toDescriptor(
  { digest, mediaType, size, subject, more = {} }: ListedManifest,
  tag: string | undefined,
): JsonObject {
  const annotations = {
    ...(isJsonObject(more.annotations) ? more.annotations : {}),
    ...(subject && { [SUBJECT]: subject }),
    ...(tag !== undefined && { [REF_NAME]: tag }),
  };
  const isNamed = Object.keys(annotations).length > 0;
  return { mediaType, digest, size, ...more, ...(isNamed && { annotations }) };
}
