import { MAGIC_BYTES, sniffCompression } from "../../codec/magic.ts";
import { mapAll } from "../../concurrency.ts";
import { ArchiveError, OciError } from "../../errors.ts";
import { type ImageArchive, openArchive } from "../../image/archive.ts";
import { createHash, type Hasher } from "../../incremental_hash.ts";
import { quoteName } from "../../quote_name.ts";
import {
  type BlobSource,
  type FolderSource,
  isBlobSource,
  readRange,
} from "../../source/blob_source.ts";
import type { DirectoryHandle } from "../../source/folder.ts";
import type { Storage } from "../../storage.ts";
import { ArchiveStorage } from "./archive_storage.ts";
import { parseGivenName } from "./names.ts";
import { type ServedImageName, Shelf } from "./shelf.ts";

/** An archive whose images a registry shall show. */
export interface ArchiveToServe {
  /** A plain tar that can be read at any offset, or a folder. It stays the caller's, and open as long as it is served. */
  source: BlobSource | FolderSource | DirectoryHandle;
  /**
   * What it is called, as a path: for messages, and for the repository of images that have a bare tag or no name, which
   * is `app` for `dist/app.tar`.
   * @default {"image"}
   */
  name?: string;
  /**
   * Where its images go in place of their own names: a repository, which gets all of its tags, or `REPOSITORY:TAG`.
   * @default {none}
   */
  as?: string;
}

/** Options for {@linkcode openArchives}. */
export interface OpenArchivesOptions {
  /** Aborts the opening. */
  signal?: AbortSignal;
  /**
   * Makes incremental hashes, for layers whose digests nothing tells.
   * @default {createHash} the fastest that the runtime has
   */
  hasher?: Hasher;
}

/** Archives that are open for a registry. */
export interface OpenedArchives {
  /** For `createRegistry({ storage })`; it refuses to be written to. */
  storage: Storage;
  /** The names that can be asked for, in the order of the archives. */
  images: ServedImageName[];
  /** What a person should know: images that lack parts, names that several archives have. */
  notices: string[];
}

/** Archives that are opened at the same time. */
const OPENED_AT_ONCE = 16;
/** What makes a plain tar. */
const UNPACK = { gzip: "gzip -dk", zstd: "zstd -d", xz: "xz -dk", bzip2: "bzip2 -dk" };

/**
 * Opens archives as the storage of a registry: their images can be pulled as if they had been pushed, without a copy.
 * Headers and documents are read now; a layer when it is asked for, straight from where it lies.
 *
 * Images are shown under their own names, without the hosts in them; an image without a manifest gets the one that a push
 * would write. What has no name in the archive goes into a repository that is called after the archive. Where two archives
 * have one name, the last wins. What a sparse archive leaves out is taken from the others.
 *
 * A compressed layer of a docker archive, whose digest nothing tells, is read when its image is asked for first. Other
 * blobs are taken to have the digests that they go under: `checkArchive` tells.
 *
 * @example A registry made of an archive
 * ```ts
 * import { openArchives } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * async function registryOf(tar: Blob) {
 *   const { storage } = await openArchives([{ source: tar, name: "app.tar" }]);
 *   return createRegistry({ storage });
 * }
 * ```
 *
 * @param archives The archives.
 * @param options `signal` and `hasher`.
 * @returns The storage, and what it shows.
 * @throws {TypeError} If an archive is compressed, a name is none, or one name is given to several images.
 * @throws {ArchiveError} If an archive cannot be used; its `cause` is the error of `openArchive`.
 */
export async function openArchives(
  archives: readonly ArchiveToServe[],
  { signal = new AbortController().signal, hasher = createHash }: OpenArchivesOptions = {},
): Promise<OpenedArchives> {
  const given = archives.map(({ source, name = "image", as }) => ({
    source,
    name,
    as: as === undefined ? undefined : parseGivenName(as),
  }));
  const opened = await mapAll(given, OPENED_AT_ONCE, async ({ source, name, as }) => ({
    name,
    as,
    archive: await openOne(source, name, signal),
  }));
  const shelf = new Shelf(hasher);
  for (const { name, as, archive } of opened) await shelf.add(archive, name, as);
  shelf.complete();
  const { images, notices } = shelf;
  return { storage: new ArchiveStorage(shelf.repositories), images, notices };
}

async function openOne(
  source: ArchiveToServe["source"],
  name: string,
  signal: AbortSignal,
): Promise<ImageArchive> {
  try {
    const tar = isBlobSource(source)
      ? source
      : await (await import("../../source/folder.ts")).folderTar(source, signal);
    await refuseCompressed(tar, name);
    return await openArchive(tar, { signal });
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause;
    const { message, hint } = cause;
    throw new ArchiveError(`Cannot serve ${quoteName(name)}: ${message}`, { cause, hint });
  }
}

async function refuseCompressed(tar: BlobSource, name: string): Promise<void> {
  const compression = sniffCompression(await readRange(tar, 0, MAGIC_BYTES));
  if (!compression) return;
  const state = `it is compressed with ${compression} and can only be read from its start`;
  const expected = `expected a plain tar, as ${UNPACK[compression]} makes it`;
  throw new TypeError(`Cannot serve ${quoteName(name)}: ${state}, ${expected}`);
}
