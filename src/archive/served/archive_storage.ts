import type { Digest } from "../../digest.ts";
import { withoutLibrary } from "../../reference.ts";
import type { BlobSource } from "../../source/blob_source.ts";
import type { Storage, StoredManifest } from "../../storage.ts";
import { openServedBlob } from "./blob.ts";
import type { ServedImage } from "./image.ts";
import type { ServedName } from "./names.ts";
import { ServedRepository } from "./repository.ts";

/** Repositories by their names, without the `library/` of Docker Hub, which is asked for with it or without. */
export class ServedRepositories {
  readonly #repositories = new Map<string, ServedRepository>();

  /** Shows an image under a name; returns the image that has had it so far, if another. */
  add(image: ServedImage, { host, repository, tag }: ServedName): ServedImage | undefined {
    const key = withoutLibrary(repository);
    const known = this.#repositories.get(key) ?? new ServedRepository();
    this.#repositories.set(key, known);
    const before = tag === undefined ? undefined : known.claim(tag)?.image;
    known.add(image, host, tag);
    return before === image ? undefined : before;
  }

  get(repository: string): ServedRepository | undefined {
    return this.#repositories.get(withoutLibrary(repository));
  }

  names(): string[] {
    return [...this.#repositories.keys()];
  }

  /** Whether a repository has this; a blob that only another one has, it gets. */
  complete(repository: string, digest: Digest): boolean {
    const lacking = this.get(repository);
    if (!lacking || lacking.has(digest)) return lacking !== undefined;
    for (const other of this.#repositories.values()) {
      const file = other.knownBlob(digest);
      if (!file) continue;
      lacking.showBlob(digest, file);
      return true;
    }
    return false;
  }
}

/** The storage of a registry that shows what archives hold; see `openArchives`. */
export class ArchiveStorage implements Storage {
  readonly readOnly = true;
  readonly createBlob = refuse;
  readonly mountBlob = refuse;
  readonly deleteBlob = refuse;
  readonly putManifest = refuse;
  readonly deleteManifest = refuse;
  readonly deleteTag = refuse;
  readonly #repositories: ServedRepositories;
  readonly #host: string | undefined;

  constructor(repositories: ServedRepositories, host?: string) {
    this.#repositories = repositories;
    this.#host = host;
  }

  inNamespace(host: string): Storage {
    return new ArchiveStorage(this.#repositories, host === "docker.io" ? "" : host);
  }

  async openBlob(repository: string, digest: Digest): Promise<BlobSource | undefined> {
    const file = await this.#repositories.get(repository)?.blob(digest);
    return file && await openServedBlob(file);
  }

  async getManifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
    return await this.#repositories.get(repository)?.manifest(digest);
  }

  listReferrers(repository: string, subject: Digest): Promise<Digest[]> {
    return Promise.resolve(this.#repositories.get(repository)?.referrers(subject) ?? []);
  }

  async getTag(repository: string, tag: string): Promise<Digest | undefined> {
    return await this.#repositories.get(repository)?.tag(tag, this.#host);
  }

  listTags(repository: string): Promise<string[] | undefined> {
    return Promise.resolve(this.#repositories.get(repository)?.tags(this.#host));
  }

  listRepositories(): Promise<string[]> {
    return Promise.resolve(this.#repositories.names());
  }
}

function refuse(): Promise<never> {
  return Promise.reject(
    new TypeError("Cannot write to archives that are served: they are read only"),
  );
}
