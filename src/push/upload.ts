import type { Digest } from "../digest.ts";
import { NetworkError, PushError, RegistryError } from "../errors.ts";
import { runAll } from "../concurrency.ts";
import {
  type ArchiveBlob,
  blobsOf,
  type ContentNode,
  type DockerNode,
  type IndexNode,
  type ManifestNode,
  manifestsOf,
  mismatch,
  walk,
} from "../image/content.ts";
import { buildManifest } from "../image/docker_save.ts";
import type { ArchiveFile } from "../image/files.ts";
import type { Hasher } from "../incremental_hash.ts";
import { isForeignLayer } from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import { cancelUpload, startUpload, type UploadSession } from "../registry/upload_session.ts";
import type { RepositoryContext, UploadHooks } from "../registry/blobs.ts";
import { SMALL_BODY_BYTES, uploadBlob } from "../registry/upload_blob.ts";
import { openBlob } from "../registry/blob_content.ts";
import type { Http } from "../registry/http.ts";
import { putManifest } from "../registry/manifests.ts";
import type { Referrer } from "../registry/referrers_tag.ts";
import type { BlobStatus, PushEvent } from "./events.ts";
import type { Bytes } from "../source.ts";
import { type Ahead, lookAhead } from "./look_ahead.ts";
import { hashBlob, openFileBody, passedBy, readFileBody } from "./read.ts";

/** What all uploads of one push share. */
export interface UploadSettings {
  concurrency: number;
  verify: boolean;
  dryRun: boolean;
  hasher: Hasher;
  /** Repositories of the same registry that may have blobs. */
  mountFrom: readonly string[];
  signal: AbortSignal;
  emit: (event: PushEvent) => Promise<void>;
  /** Told how many bytes of blobs went to a registry. */
  onUploaded: (bytes: number) => void;
}

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
}

/** A repository, and what this push has found or put there. */
export interface RepositoryState extends RepositoryContext {
  readonly registry: RegistryState;
  readonly blobs: Map<Digest, BlobStatus>;
  readonly manifests: Set<Digest>;
  /** Manifests with a subject that the registry does not list by itself. */
  readonly unlisted: Referrer[];
  /** Commits what was sent of a file before it was known to be needed; false where nothing was. */
  take?: (file: ArchiveFile, digest: Digest, hooks: UploadHooks) => Promise<boolean>;
}

/** Progress events of one blob are at least this far apart, in milliseconds. */
const PROGRESS_INTERVAL = 100;

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
    manifests: new Set(),
    unlisted: [],
  };
  registry.repositories.set(repository, state);
  return state;
}

/**
 * Puts the blobs of a node and, for an index, the manifests below it into a repository. The node's own manifest is left
 * to the caller: writing that is what makes a tag.
 *
 * @param target The repository.
 * @param node What to push.
 * @param settings Settings of the push.
 * @returns The manifest to write, and how each blob came to be there.
 */
export async function uploadContent(
  target: RepositoryState,
  node: ContentNode,
  settings: UploadSettings,
): Promise<{ root: ManifestNode | IndexNode; blobs: UploadedBlob[] }> {
  const blobs = blobsOf(node).filter(({ file, mediaType }) => file || !isForeignLayer(mediaType));
  const done = new Map<ArchiveBlob, UploadedBlob>();
  await using ahead = lookAhead(target, blobs, settings);
  await runAll(blobs, settings.concurrency, async (blob, signal) => {
    done.set(blob, await pushBlob(target, blob, { ...settings, signal }, ahead));
  }, settings.signal);
  const uploaded = blobs.map((blob) => done.get(blob)).filter((blob) => blob !== undefined);
  if (node.kind === "docker") {
    return { root: await manifestOf(node, blobs, done), blobs: uploaded };
  }
  for (const below of walk(node)) {
    if (below !== node) await pushManifest(target, below, below.digest, settings);
  }
  return { root: node, blobs: uploaded };
}

/** Writes a manifest under a tag or its digest. */
export async function pushManifest(
  target: RepositoryState,
  node: ManifestNode | IndexNode,
  reference: string,
  settings: UploadSettings,
): Promise<void> {
  if (settings.dryRun) return;
  const isThere = target.manifests.has(node.digest);
  if (isThere && reference === node.digest) return;
  const answer = await putManifest(target, reference, node, hooksFor(settings));
  target.manifests.add(node.digest);
  if (isThere) return;
  if (node.subject && !answer.has("oci-subject")) {
    target.unlisted.push({ ...node, subject: node.subject });
  }
  await settings.emit({ type: "manifest", digest: node.digest, mediaType: node.mediaType });
}

/** Lists what refers to other manifests under their referrers tags, where the registry has no list of its own. */
export async function listReferrers(
  target: RepositoryState,
  settings: UploadSettings,
): Promise<void> {
  if (target.unlisted.length === 0) return;
  const { keepReferrersTag } = await import("../registry/referrers_tag.ts");
  for (const referrer of target.unlisted.splice(0)) {
    await keepReferrersTag(target, referrer, hooksFor(settings));
  }
}

/**
 * Computes the digests that no name tells, so that the manifest of a docker image is known before anything is sent.
 *
 * @param node The image; its blobs get their digests.
 * @param settings Settings of the push.
 */
export async function settleDigests(node: ContentNode, settings: UploadSettings): Promise<void> {
  const unknown = blobsOf(node).filter(({ file, digest }) =>
    // What comes in one pass was hashed while it passed.
    file && (!digest || (settings.verify && file.body))
  );
  await runAll(unknown, settings.concurrency, async (blob, signal) => {
    const digest = await hashBlob(blob, settings.hasher, signal);
    if (blob.digest && blob.digest !== digest && blob.origin !== "hint") {
      throw mismatch(blob.file?.path ?? blob.digest, blob.digest, digest);
    }
    // A manifest may name one file for several layers.
    const same = manifestsOf(node).flatMap(({ layers }) => layers).filter(({ file }) =>
      file === blob.file
    );
    for (const layer of new Set([blob, ...same])) {
      Object.assign(layer, { digest, origin: "hashed" });
    }
  }, settings.signal);
}

async function manifestOf(
  node: DockerNode,
  blobs: readonly ArchiveBlob[],
  done: ReadonlyMap<ArchiveBlob, UploadedBlob>,
): Promise<ManifestNode> {
  const digests = node.layers.map((layer) => {
    const same = blobs.find((blob) => blob === layer || blob.digest === layer.digest);
    const digest = same && done.get(same)?.digest;
    if (!digest) throw new TypeError("unreachable: every layer was uploaded");
    return digest;
  });
  return await buildManifest(node, digests);
}

async function pushBlob(
  target: RepositoryState,
  blob: ArchiveBlob,
  settings: UploadSettings,
  ahead: Ahead,
): Promise<UploadedBlob> {
  const { size, mediaType, digest } = blob;
  if (!digest) throw new TypeError("unreachable: digests were settled");
  const known = target.blobs.get(digest);
  if (known) return { digest, size, mediaType, status: known };
  await settings.emit({ type: "blob-start", digest, size, ...pathOf(blob) });
  const result = await placeBlob(target, blob, digest, settings, ahead);
  if (!settings.dryRun) target.blobs.set(result.digest, result.status);
  await settings.emit({ type: "blob-done", ...result, size, ...pathOf(blob) });
  return { ...result, size, mediaType };
}

/** The ladder: what is there, what another repository has, what must be sent. */
async function placeBlob(
  target: RepositoryState,
  blob: ArchiveBlob,
  digest: Digest,
  settings: UploadSettings,
  ahead: Ahead,
): Promise<{ digest: Digest; status: BlobStatus }> {
  const hooks = hooksFor(settings, blob);
  const { file } = blob;
  if (file?.digest && file.digest !== digest) throw mismatch(file.path, digest, file.digest);
  if (file && await target.take?.(file, digest, hooks)) {
    settings.onUploaded(blob.size);
    return { digest, status: "pushed" };
  }
  const found = await ahead.find(blob, digest, hooks);
  if (found !== undefined && (found < 0 || found === blob.size)) {
    return { digest, status: "exists" };
  }
  if (settings.dryRun) return { digest, status: blob.file ? "pushed" : "mounted" };
  const mount = await mountBlob(target, digest, settings, hooks);
  if (mount === "mounted") return { digest, status: "mounted" };
  if (!file) {
    if (mount) await cancelUpload(target, mount);
    throw nowhere(blob, digest);
  }
  try {
    await send(target, blob, digest, hooks, mount);
    settings.onUploaded(blob.size);
    return { digest, status: "pushed" };
  } catch (error) {
    if (!(error instanceof RegistryError && error.status === 400)) throw error;
    return { digest: await resend(target, blob, digest, hooks, error, settings), status: "pushed" };
  }
}

/** Tries the repositories that may have a blob; where none has, the last upload opened on the way is of use. */
export async function mountBlob(
  target: RepositoryState,
  digest: Digest,
  settings: UploadSettings,
  hooks: UploadHooks,
): Promise<"mounted" | UploadSession | undefined> {
  const holders = [...target.registry.repositories.values()]
    .filter((other) => other !== target && other.blobs.has(digest)).map(({ repository }) =>
      repository
    );
  let session: UploadSession | undefined;
  const { sources } = target.registry;
  for (const from of new Set([...holders.slice(0, 1), ...sources, ...settings.mountFrom])) {
    if (from === target.repository) continue;
    try {
      if (session) await cancelUpload(target, session);
      session = await startUpload(target, hooks, { digest, from });
      if (!session) return "mounted";
    } catch (error) {
      // Some registries refuse to mount where others just begin an upload: that is no reason to fail. Neither is a
      // broken connection, since the upload that follows has attempts of its own.
      const mayPass = error instanceof NetworkError && error.retryable;
      if (!mayPass && !(error instanceof RegistryError)) throw error;
    }
  }
  return session;
}

/**
 * The registry refused the content: it may have another digest than its name says, or was damaged on the way. Reading
 * it tells; what a file is merely called after may be wrong, as long as the config's diff_id is right.
 */
async function resend(
  target: RepositoryState,
  blob: ArchiveBlob,
  digest: Digest,
  hooks: UploadHooks,
  refusal: RegistryError,
  settings: UploadSettings,
): Promise<Digest> {
  let actual: Digest;
  try {
    if (!blob.file?.body) throw refusal;
    actual = await hashBlob(blob, settings.hasher, settings.signal);
  } catch (error) {
    if (error instanceof Error && error !== refusal) error.cause ??= refusal;
    throw error;
  }
  if (actual !== digest && (blob.origin !== "hint" || !blob.diffId)) {
    const error = mismatch(blob.file?.path ?? digest, digest, actual);
    error.cause = refusal;
    throw error;
  }
  if (actual === digest && !isDigestRefusal(refusal)) throw refusal;
  await send(target, blob, actual, hooks);
  settings.onUploaded(blob.size);
  return actual;
}

/** Whether a registry found another digest than the request names. */
export function isDigestRefusal(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.status === 400 &&
    error.errors.some(({ code, message }) => code === "DIGEST_INVALID" || /digest/i.test(message));
}

async function send(
  target: RepositoryState,
  blob: ArchiveBlob,
  digest: Digest,
  hooks: UploadHooks,
  session?: UploadSession,
): Promise<void> {
  const { file, size } = blob;
  if (!file) throw nowhere(blob, digest);
  const holder = file.body ? undefined : holderOf(target, digest);
  if (!file.body && !holder) throw passedBy(file.path);
  if (holder) {
    const open = () => openBlob(holder, digest, hooks);
    return await uploadBlob(target, { digest, size, open }, hooks, session);
  }
  const { buffers } = target.registry;
  const buffer = buffers.pop() ?? new Uint8Array(SMALL_BODY_BYTES);
  const upload = {
    digest,
    size,
    open: () => openFileBody(file),
    read: () => readFileBody(file, buffer),
    ...(file.failure ? { failure: () => file.failure?.() } : {}),
  };
  await uploadBlob(target, upload, hooks, session);
  // Where an upload ends in an error, somebody may still be reading what it was given.
  buffers.push(buffer);
}

/** A repository of any registry of the push that has a blob which the source no longer gives. */
function holderOf(target: RepositoryState, digest: Digest): RepositoryState | undefined {
  const repositories = [...target.registry.all.values()].flatMap((
    registry,
  ) => [...registry.repositories.values()]);
  return repositories.find((other) => other !== target && other.blobs.has(digest));
}

/** Signal and listeners of the requests for one blob, or for manifests. */
export function hooksFor(
  settings: UploadSettings,
  blob?: Pick<ArchiveBlob, "digest" | "file">,
): UploadHooks {
  const { signal, emit } = settings;
  const identity = blob ? { ...(blob.digest ? { digest: blob.digest } : {}), ...pathOf(blob) } : {};
  let next = 0;
  const hooks: UploadHooks = {
    signal,
    onRetry: (attempt, delay, error) =>
      emit({ type: "retry", ...identity, attempt, delay, reason: error.message }),
  };
  if (blob) {
    hooks.onProgress = async (sent) => {
      const now = performance.now();
      if (now < next && sent !== 0) return;
      next = now + PROGRESS_INTERVAL;
      await emit({ type: "blob-progress", ...identity, sent });
    };
  }
  return hooks;
}

function pathOf({ file }: Pick<ArchiveBlob, "file">): { path?: string } {
  return file ? { path: file.path } : {};
}

function nowhere({ mediaType }: ArchiveBlob, digest: Digest): PushError {
  return new PushError(
    `Cannot push blob ${digest} (${
      quoteName(mediaType)
    }): it is in neither the archive nor the registry`,
    { step: "blob", origin: "archive", digest },
  );
}
