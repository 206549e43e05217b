import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import type { ArchiveFile } from "../image/files.ts";
import type { ManifestKind } from "../image/retype.ts";
import type { RepositoryContext, UploadHooks } from "../registry/blobs.ts";
import type { Http } from "../registry/http/call.ts";
import type { Referrer } from "../registry/referrers_tag.ts";
import type { BlobStatus } from "./events.ts";
import type { Sharing } from "./sharing.ts";

/** A blob as it stands in a repository after the push. */
export interface UploadedBlob {
  /** Digest of the content as it is in the repository. */
  digest: Digest;
  /** Length in bytes. */
  size: number;
  /** Media type that the manifest gives it. */
  mediaType: string;
  /** How it came to be there. */
  status: BlobStatus;
}

/** A registry, and what this call has found or put there. */
export interface RegistryState {
  readonly http: Http;
  readonly repositories: Map<string, RepositoryMemory>;
  /** The repository in which each blob was found or put first. */
  readonly holders: Map<Digest, string>;
  /** Memory for the bodies of small blobs, one piece for each upload in flight. */
  readonly buffers: Bytes[];
  /** All registries of the call, this one included. */
  readonly all: ReadonlyMap<string, RegistryState>;
  /** Where several archives are pushed at once: what only one of them may do at a time. */
  readonly sharing?: Sharing | undefined;
  /** The kind of manifest that it takes, where it refused the other. */
  manifestKind?: ManifestKind;
}

/** What this call has found or put in a repository; all archives of the call share it. */
export interface RepositoryMemory {
  readonly repository: string;
  readonly blobs: Map<Digest, BlobStatus>;
  readonly manifests: Map<Digest, "exists" | "pushed">;
  /** Tags of signatures and the like that were put there or found, in a dry run all that would be; and what they name. */
  readonly tags: Map<string, Digest>;
}

/** A repository as the push of one archive sees it. */
export interface RepositoryState extends RepositoryContext, RepositoryMemory {
  readonly registry: RegistryState;
  /** Repositories of the registry that the content comes from. */
  readonly sources: readonly string[];
  /** Blobs that this archive has found or put there, not another one of the call. */
  readonly own: Set<Digest>;
  /**
   * What it says is not to be trusted: of manifests, for it has just lacked what it had, or of blobs as well, for it tells of
   * those of other repositories as if they were its own.
   */
  doubts?: "manifests" | "all" | undefined;
  /** Manifests that the registry failed to tell of: what it has under their digests may be damaged. */
  readonly untold: Set<Digest>;
  /** Manifests with a subject that the registry does not list by itself. */
  readonly unlisted: Referrer[];
  /** Commits what was sent of a file before it was known to be needed; false where nothing was. */
  take?: (file: ArchiveFile, digest: Digest, hooks: UploadHooks) => Promise<boolean>;
}

/**
 * The state of a repository for the push of one archive.
 *
 * @param sources Repositories of the registry that the content comes from.
 */
export function repositoryState(
  registry: RegistryState,
  repository: string,
  sources: readonly string[] = [],
): RepositoryState {
  const memory = registry.repositories.get(repository) ??
    {
      repository,
      blobs: new Map(),
      manifests: new Map(),
      tags: new Map(),
    };
  registry.repositories.set(repository, memory);
  const { http } = registry;
  return {
    ...{ ...memory, http, registry, sources },
    ...{ own: new Set(), untold: new Set(), unlisted: [] },
  };
}

/** How a blob came to be in a repository: what another archive brought was there when this one came to it. */
export function knownBlob({ blobs, own }: RepositoryState, digest: Digest): BlobStatus | undefined {
  const status = blobs.get(digest);
  return status && !own.has(digest) ? "exists" : status;
}

/** Remembers that a repository has a blob, and how it came to be there. */
export function rememberBlob(
  { registry: { holders }, repository, blobs, own }: RepositoryState,
  digest: Digest,
  status: BlobStatus,
): void {
  blobs.set(digest, status);
  own.add(digest);
  if (!holders.has(digest)) holders.set(digest, repository);
}

/** Forgets that a repository has a blob. */
export function forgetBlob(
  { registry: { holders }, repository, blobs }: RepositoryState,
  digest: Digest,
): void {
  blobs.delete(digest);
  if (holders.get(digest) === repository) holders.delete(digest);
}

/** Another repository of the same registry that has a blob, as far as this call knows. */
export function otherHolder(
  { registry: { holders }, repository }: RepositoryState,
  digest: Digest,
): string | undefined {
  const holder = holders.get(digest);
  return holder === repository ? undefined : holder;
}
