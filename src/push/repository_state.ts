import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";
import type { ManifestKind } from "../image/docker_manifest.ts";
import type { ArchiveFile } from "../image/files.ts";
import type { RepositoryContext, UploadHooks } from "../registry/blobs.ts";
import type { Http } from "../registry/http/call.ts";
import type { Referrer } from "../registry/referrers_tag.ts";
import type { BlobStatus } from "./events.ts";

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

/** A registry, and what this push has found or put there. */
export interface RegistryState {
  readonly http: Http;
  readonly repositories: Map<string, RepositoryState>;
  /** Memory for the bodies of small blobs, one piece for each upload in flight. */
  readonly buffers: Bytes[];
  /** All registries of the push, this one included. */
  readonly all: ReadonlyMap<string, RegistryState>;
  /** Repositories of it that the content comes from. */
  readonly sources: readonly string[];
  /** The kind of manifest that it takes, where it refused the other. */
  manifestKind?: ManifestKind;
}

/** A repository, and what this push has found or put there. */
export interface RepositoryState extends RepositoryContext {
  readonly registry: RegistryState;
  readonly blobs: Map<Digest, BlobStatus>;
  readonly manifests: Map<Digest, "exists" | "pushed">;
  /** Whether what it says of manifests is not to be trusted: it has just lacked what it had. */
  isDoubted: boolean;
  /** Tags of signatures and the like that this push has put there or found, and what they name. */
  readonly tags: Map<string, Digest>;
  /** Manifests with a subject that the registry does not list by itself. */
  readonly unlisted: Referrer[];
  /** Commits what was sent of a file before it was known to be needed; false where nothing was. */
  take?: (file: ArchiveFile, digest: Digest, hooks: UploadHooks) => Promise<boolean>;
}

/** The state of a repository, made on first use. */
export function repositoryState(registry: RegistryState, repository: string): RepositoryState {
  const known = registry.repositories.get(repository);
  if (known) return known;
  const { http } = registry;
  const state: RepositoryState = {
    http,
    registry,
    repository,
    blobs: new Map(),
    manifests: new Map(),
    isDoubted: false,
    tags: new Map(),
    unlisted: [],
  };
  registry.repositories.set(repository, state);
  return state;
}
