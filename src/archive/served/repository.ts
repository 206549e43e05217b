import { cosignTag } from "../../cosign_tags.ts";
import type { Digest } from "../../digest.ts";
import { blobsOf, type DocumentNode, walk } from "../../image/content.ts";
import type { ArchiveFile } from "../../image/files.ts";
import type { StoredManifest } from "../../storage.ts";
import type { ServedImage } from "./image.ts";

/** An image that has a tag in a repository, and the host in the name that this comes from. */
export interface Claim {
  host: string;
  image: ServedImage;
}

/** What a repository of a registry of archives shows. */
export class ServedRepository {
  readonly #tags = new Map<string, Claim[]>();
  readonly #manifests = new Map<Digest, StoredManifest>();
  readonly #referrers = new Map<Digest, Set<Digest>>();
  readonly #blobs = new Map<Digest, ArchiveFile>();
  /** Images whose manifests are not known yet. */
  readonly #unknown = new Set<ServedImage>();
  /** Tags of signatures and the like. */
  readonly #beside = new Map<string, Digest>();

  /** Shows an image, under a tag or by its digest alone. */
  add(image: ServedImage, host: string, tag: string | undefined): void {
    if (image.known) this.#show(image, image.known);
    else this.#unknown.add(image);
    if (tag === undefined) return;
    const claims = this.#tags.get(tag) ?? [];
    this.#tags.set(tag, claims);
    // Within an archive the first has the name: manifest.json goes before index.json.
    const isTaken = claims.some((claim) =>
      claim.image.archive === image.archive && claim.host === host
    );
    if (!isTaken) claims.push({ host, image });
  }

  /** The image that a tag names: the last that has it. `host` asks for those whose names have that host alone. */
  claim(tag: string, host?: string): Claim | undefined {
    return this.#tags.get(tag)?.findLast((claim) => host === undefined || claim.host === host);
  }

  /** All tags, or those that come from names with a host. */
  tags(host?: string): string[] {
    const tags = [...this.#tags.keys()].filter((tag) => this.claim(tag, host));
    return [...new Set([...tags, ...this.#beside.keys()])];
  }

  async tag(tag: string, host?: string): Promise<Digest | undefined> {
    const claim = this.claim(tag, host);
    return claim ? (await claim.image.root()).digest : this.#beside.get(tag);
  }

  manifest(digest: Digest): Promise<StoredManifest | undefined> {
    return this.#find(() => this.#manifests.get(digest));
  }

  blob(digest: Digest): Promise<ArchiveFile | undefined> {
    return this.#find(() => this.#blobs.get(digest));
  }

  /** Whether it has a manifest or blob, as far as all manifests are known. */
  has(digest: Digest): boolean {
    return this.#manifests.has(digest) || this.#blobs.has(digest);
  }

  /** A blob, as far as all manifests are known. */
  knownBlob(digest: Digest): ArchiveFile | undefined {
    return this.#blobs.get(digest);
  }

  /** Shows a blob that an image of it names, wherever it comes from. */
  showBlob(digest: Digest, file: ArchiveFile): void {
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, file);
  }

  /** Digests of what refers to a manifest. A manifest that is still to be written refers to none. */
  referrers(subject: Digest): Digest[] {
    return [...this.#referrers.get(subject) ?? []];
  }

  /** Looks for content, and again with every manifest known. */
  async #find<T>(look: () => T | undefined): Promise<T | undefined> {
    const found = look();
    if (found !== undefined || this.#unknown.size === 0) return found;
    let failure: unknown;
    for (const image of [...this.#unknown]) {
      try {
        this.#show(image, await image.root());
        this.#unknown.delete(image);
      } catch (error) {
        // What is looked for may be another's.
        failure ??= error;
      }
    }
    const late = look();
    if (late === undefined && failure !== undefined) throw failure;
    return late;
  }

  #show({ beside }: ServedImage, root: DocumentNode): void {
    this.#showNode(root);
    for (const { node, subject, kind } of beside) {
      this.#showNode(node);
      const tag = kind && cosignTag(subject, kind);
      if (tag !== undefined) this.#beside.set(tag, node.digest);
    }
  }

  #showNode(root: DocumentNode): void {
    for (const { digest, mediaType, bytes, subject } of walk(root)) {
      this.#manifests.set(digest, { digest, mediaType, bytes, subject: subject?.digest });
      if (!subject) continue;
      const referrers = this.#referrers.get(subject.digest) ?? new Set();
      this.#referrers.set(subject.digest, referrers.add(digest));
    }
    for (const { digest, file } of blobsOf(root)) {
      if (digest && file) this.showBlob(digest, file);
    }
  }
}
