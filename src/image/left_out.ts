import { type Bytes, encodeJson } from "../bytes.ts";
import { type Digest, isDigest } from "../digest.ts";
import { isJsonObject } from "../media_types.ts";
import { isRepository, parseImageName } from "../reference.ts";
import { blobsOf, type ContentNode, malformed, parseJsonObject } from "./content.ts";
import { LEFT_OUT_PATH } from "./entry_names.ts";
import type { ArchiveFiles } from "./files.ts";

/** A blob that an archive leaves out since another place has it (docs/sparse_archives.md). */
export interface LeftOutBlob {
  /** Digest of its content. */
  digest: Digest;
  /** Length in bytes. */
  size: number;
  /** Repositories that have it, `HOST[:PORT]/REPOSITORY`: of a registry, or those that another archive names. */
  repositories: readonly string[];
  /** Names of archives that have it. */
  archives: readonly string[];
}

/** A blob that an archive leaves out, and the images that need it. */
export interface NeededBlob extends LeftOutBlob {
  /** Names of the images, without its tag where one has its digest; `#N` of those that have none. */
  images: readonly string[];
}

/** The blobs that an archive leaves out. */
export type LeftOut = ReadonlyMap<Digest, LeftOutBlob>;

const VERSION = 1;
/** Most bytes of the file: some 50,000 blobs. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Places of one blob that are kept: each may cost a question. */
export const MAX_PLACES = 16;
const MAX_NAME_CHARACTERS = 512;

/** Writes what an archive leaves out. */
export function formatLeftOut(leftOut: LeftOut): Bytes {
  const absent = [...leftOut.values()].map(({ digest, size, repositories, archives }) => ({
    digest,
    size,
    repositories: repositories.slice(0, MAX_PLACES),
    archives: archives.slice(0, MAX_PLACES),
  }));
  return encodeJson({ version: VERSION, absent });
}

/**
 * Reads what an archive leaves out.
 *
 * @returns Its left-out blobs; none for an archive that says nothing of that.
 * @throws {ArchiveError} If it says so in a way that is not understood.
 */
export async function readLeftOut(files: ArchiveFiles): Promise<LeftOut> {
  const leftOut = new Map<Digest, LeftOutBlob>();
  const file = files.find(LEFT_OUT_PATH);
  if (!file) return leftOut;
  const json = parseJsonObject(file, await file.bytes(MAX_BYTES));
  if (json.version !== VERSION) {
    throw malformed(file.path, `its version is not ${VERSION}: a newer tarpush wrote it`);
  }
  if (!Array.isArray(json.absent)) throw malformed(file.path, 'its member "absent" is no list');
  for (const [at, item] of json.absent.entries()) {
    const blob = parseItem(item);
    if (!blob) throw malformed(file.path, `item ${at} of "absent" is no blob`);
    leftOut.set(blob.digest, blob);
  }
  return leftOut;
}

/** An image, and what it is called. */
interface NamedImage {
  id: string;
  names: readonly string[];
  pinned: readonly string[];
  node: ContentNode;
}

/** Lists what an archive leaves out, with the images that need it; what none needs is not listed. */
export function listNeeded(
  images: readonly NamedImage[],
  leftOut: LeftOut,
): NeededBlob[] {
  const needed = new Map<Digest, string[]>();
  for (const { id, names, pinned, node } of images) {
    const all = [...names, ...pinned];
    for (const { digest, file } of blobsOf(node)) {
      if (!digest || file || !leftOut.has(digest)) continue;
      needed.set(digest, [...needed.get(digest) ?? [], ...all.length > 0 ? all : [id]]);
    }
  }
  return [...leftOut.values()].flatMap((blob) => {
    const images = needed.get(blob.digest);
    return images ? [{ ...blob, images }] : [];
  });
}

/**
 * Repositories of a registry that may have a blob: those of the names that the record has for it, wherever it was.
 *
 * @param prefixes What may stand before the names: that of the place that an archive goes to.
 */
export function mayHave(
  { repositories }: Pick<LeftOutBlob, "repositories">,
  prefixes: Iterable<string>,
): string[] {
  return repositories.flatMap((text) => {
    const path = parseImageName(text)?.repository;
    return path === undefined ? [] : [...prefixes].map((prefix) => `${prefix}${path}`);
  }).filter(isRepository);
}

function parseItem(item: unknown): LeftOutBlob | undefined {
  if (!isJsonObject(item)) return undefined;
  const { digest, size, repositories = [], archives = [] } = item;
  const isSize = typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
  if (typeof digest !== "string" || !isDigest(digest) || !isSize) return undefined;
  if (!areNames(repositories) || !areNames(archives)) return undefined;
  return {
    digest,
    size,
    repositories: repositories.slice(0, MAX_PLACES),
    archives: archives.slice(0, MAX_PLACES),
  };
}

function areNames(value: unknown): value is string[] {
  return Array.isArray(value) &&
    value.every((name) => typeof name === "string" && name.length <= MAX_NAME_CHARACTERS);
}
