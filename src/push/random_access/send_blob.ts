import type { Bytes } from "../../bytes.ts";
import { type Digest, digestAlgorithm } from "../../digest.ts";
import { hasStatus, NetworkError, PushError, RegistryError } from "../../errors.ts";
import { type ArchiveBlob, mismatch } from "../../image/content.ts";
import { quoteName } from "../../quote_name.ts";
import {
  fitsSize,
  headBlob,
  headBlobElsewhere,
  type RepositoryContext,
  type UploadHooks,
} from "../../registry/blobs.ts";
import { SMALL_BODY_BYTES, type UploadBlob } from "../../registry/upload/choose_body.ts";
import { isDigestRefusal } from "../../registry/upload/digest_refusal.ts";
import { uploadBlob } from "../../registry/upload/upload_blob.ts";
import {
  cancelUpload,
  startUpload,
  type UploadSession,
  withUpload,
} from "../../registry/upload/upload_session.ts";
import { knownBlob, otherHolder, rememberBlob, type RepositoryState } from "../repository_state.ts";
import type { UploadSettings } from "../upload_settings.ts";
import {
  blobOfFile,
  hashBlob,
  isFileWhole,
  openFileBody,
  passedBy,
  readFileBody,
} from "../../archive/read_blob.ts";
import type { Brought } from "../share_blob.ts";

/** A blob on its way into a repository. */
export interface Placing {
  target: RepositoryState;
  blob: ArchiveBlob;
  /** Its digest, which may be a hint. */
  digest: Digest;
  settings: UploadSettings;
  hooks: UploadHooks;
}

/**
 * Brings a blob into a repository that lacks it: from another repository of the registry, else from the archive.
 *
 * @param known `isGuess`: nobody has asked the repository for it; `holder`: who else has it, as another process says.
 * @returns The digest that it has, and how it came.
 * @throws {PushError} If it is nowhere.
 * @throws {DigestMismatchError} If the archive has other content under its name.
 */
export async function bringBlob(
  placing: Placing,
  { isGuess, holder }: { isGuess: boolean | undefined; holder: string | undefined },
): Promise<Brought> {
  const { target, blob, digest, hooks } = placing;
  const { file } = blob;
  // A repository that lacks what it said it had mounted is sent it.
  const isSent = target.doubts !== undefined && file?.body !== undefined;
  const mount = isSent ? undefined : await mountBlob(placing, holder);
  if (mount === "mounted") return { digest, status: "mounted" };
  return await withUpload(mount, async (take) => {
    const found = isGuess ? await headBlob(target, digest, hooks) : undefined;
    if (fitsSize(found, blob.size)) return { digest, status: "exists" };
    try {
      await send(placing, { take });
      return { digest, status: "pushed" };
    } catch (error) {
      if (!hasStatus(error, 400)) throw error;
      return { digest: await resend(placing, error), status: "pushed" };
    }
  });
}

/** What would become of a blob that the repository lacks: of several archives the first would send it. */
export async function statusToBe(placing: Placing): Promise<Brought> {
  const { target, blob, digest, settings } = placing;
  // Other processes have nothing to wait for.
  return await aloneWith(target, digest, { ...settings, shareBlob: undefined }, async () => {
    const isMounted = !blob.file || await isElsewhere(placing);
    return { digest, status: isMounted ? "mounted" : "pushed" };
  });
}

/** Whether a repository that would be tried has it; what is mounted from there is not sent. */
async function isElsewhere({ target, digest, settings, hooks }: Placing): Promise<boolean> {
  const holder = otherHolder(target, digest);
  for (const repository of mountPlaces(target, digest, settings, holder)) {
    if (repository === holder) return true;
    if (await headBlobElsewhere({ ...target, repository }, digest, hooks) !== undefined) {
      return true;
    }
  }
  return false;
}

/**
 * Brings a blob to a repository while no other archive of the call does, and no other process that the caller knows of:
 * what one sends is mounted by the others.
 *
 * @param digest The blob, which it lacks as far as was asked.
 * @param bring Mounts it, from the holder where one is known to nobody but another process, or sends it, and tells what
 * became of it.
 * @returns The same, or what another archive did meanwhile.
 */
export async function aloneWith(
  target: RepositoryState,
  digest: Digest,
  { signal, shareBlob, force }: UploadSettings,
  bring: (holder?: string) => Promise<Brought>,
): Promise<Brought> {
  const { sharing } = target.registry;
  const bringIt = async () => {
    // What this call has put somewhere concerns nobody else.
    if (!shareBlob || force || otherHolder(target, digest) !== undefined) return await bring();
    const { bringShared } = await import("../share_blob.ts");
    return await bringShared(target, digest, signal, shareBlob, bring);
  };
  if (!sharing) return await bringIt();
  const plan = (): { key: string } | { result: Brought } => {
    const status = knownBlob(target, digest);
    if (status) return { result: { digest, status } };
    // Once a repository has it, all others can mount it at the same time.
    const isHeld = otherHolder(target, digest) !== undefined;
    return { key: isHeld ? `${digest} ${target.repository}` : digest };
  };
  return await sharing.alone(signal, plan, async () => {
    const brought = await bringIt();
    rememberBlob(target, brought.digest, brought.status);
    return brought;
  });
}

/** Runs an upload when the archives of the call have fewer in flight than they may. */
export async function inTurn<T>(
  { registry: { sharing } }: RepositoryState,
  { signal }: UploadHooks,
  upload: () => Promise<T>,
): Promise<T> {
  return await (sharing ? sharing.uploads.run(signal, upload) : upload());
}

/** Tries the repositories that may have a blob; where none has, the last upload opened on the way is of use. */
export async function mountBlob(
  { target, digest, settings, hooks }: Omit<Placing, "blob">,
  holder: string | undefined = otherHolder(target, digest),
): Promise<"mounted" | UploadSession | undefined> {
  let session: UploadSession | undefined;
  for (const from of mountPlaces(target, digest, settings, holder)) {
    try {
      if (session) await cancelUpload(session);
      session = undefined;
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

/** Repositories that may have a blob, in the order in which they are tried. */
function mountPlaces(
  target: RepositoryState,
  digest: Digest,
  settings: UploadSettings,
  holder: string | undefined,
): string[] {
  // Distribution 2.8.2 and 3.1.2 answer 201 to the mount of a sha512 digest, and do not have the blob then.
  if (digestAlgorithm(digest) !== "sha256") return [];
  // What others have may be damaged, too, but for what this call has put there.
  const others = settings.force ? [] : [...target.sources, ...settings.mountFrom];
  const places = holder === undefined ? others : [holder, ...others];
  return [...new Set(places)].filter((from) => from !== target.repository);
}

/**
 * The registry refused the content: it may have another digest than its name says, or was damaged on the way. Reading
 * it tells; what a file is merely called after may be wrong, as long as the config's diff_id is right.
 */
async function resend(placing: Placing, refusal: RegistryError): Promise<Digest> {
  const { blob, digest, settings } = placing;
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
  await send({ ...placing, digest: actual }, { wasRefused: true });
  return actual;
}

async function send(
  placing: Placing,
  { take, wasRefused = false }: { take?: () => UploadSession | undefined; wasRefused?: boolean },
): Promise<void> {
  const { target, blob: { file, size }, digest, settings, hooks } = placing;
  const put = async (body: Omit<UploadBlob, "digest" | "size">) => {
    const upload = { digest, size, wasRefused, ...body };
    await inTurn(target, hooks, () => uploadBlob(target, upload, hooks, take?.()));
    settings.onUploaded(size);
  };
  const elsewhere = file?.body ? undefined : await findElsewhere(placing);
  if (elsewhere) return await put(elsewhere);
  if (!file) throw nowhere(placing);
  if (!file.body) throw passedBy(file);
  const { buffers } = target.registry;
  let buffer: Bytes | undefined;
  await put({
    open: () => openFileBody(file),
    read: () => {
      buffer ??= buffers.pop() ?? new Uint8Array(SMALL_BODY_BYTES);
      return readFileBody(file, buffer);
    },
    // Only runtimes with files of their own have this.
    mayStream: file.body.slice(0, size).readInto !== undefined,
    blob: () => blobOfFile(file),
    isWhole: () => isFileWhole(file),
    ...(file.failure ? { failure: () => file.failure?.() } : {}),
  });
  // Where an upload ends in an error, somebody may still be reading what it was given.
  if (buffer) buffers.push(buffer);
}

/** Reads what the source no longer gives from a registry, as it is or as it was compressed while it passed. */
async function findElsewhere(
  placing: Placing,
): Promise<Pick<UploadBlob, "open" | "failure"> | undefined> {
  const { target, blob: { file, size }, digest, hooks } = placing;
  const holder = holderOf(placing);
  if (!holder && file?.compressed) {
    const { findCompressed } = await import("../compression/inflate_again.ts");
    return await findCompressed(target, file.path, file.compressed, hooks);
  }
  // What is told of in this repository, and belongs to another one, can be read here: Trow 0.10.
  const place = holder ?? (target.doubts === "all" ? target : undefined);
  if (!place) return undefined;
  const { remoteFile } = await import("../../pull/remote_file.ts");
  const { signal, onRetry } = hooks;
  const there = remoteFile(place, { digest, size }, { signal, onRetry });
  return { open: () => openFileBody(there), failure: () => there.failure?.() };
}

/** A repository of any registry of the push that has a blob which the source no longer gives. */
function holderOf({ target, digest }: Placing): RepositoryContext | undefined {
  for (const { http, holders } of target.registry.all.values()) {
    const repository = holders.get(digest);
    const isTarget = http === target.http && repository === target.repository;
    if (repository !== undefined && !isTarget) return { http, repository };
  }
  return undefined;
}

function nowhere({ blob: { mediaType }, digest }: Placing): PushError {
  return new PushError(
    `Cannot push blob ${digest} (${
      quoteName(mediaType)
    }): it is in neither the archive nor the registry`,
    { step: "blob", origin: "archive", digest },
  );
}
