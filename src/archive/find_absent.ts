import { mapAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { mayHave, type NeededBlob } from "../image/left_out.ts";
import {
  formatReference,
  parseImageName,
  parseTarget,
  registryOrigin,
  requireRepository,
  type Target,
} from "../reference.ts";
import { fitsSize, headBlob, headBlobElsewhere } from "../registry/blobs.ts";
import {
  httpFor,
  type RequestOptions,
  resolveRequestOptions,
} from "../registry/http/request_options.ts";

/** A blob that a sparse archive leaves out and a registry does not have. */
export interface AbsentBlob {
  /** Digest of its content. */
  digest: Digest;
  /** Length in bytes. */
  size: number;
  /** The repository that needs it, `HOST[:PORT]/REPOSITORY`. */
  repository: string;
  /** Names of the images that need it there. */
  images: string[];
}

/** Blobs asked for at the same time. */
const CONCURRENCY = 6;

/**
 * Asks a registry for the blobs that a sparse archive leaves out. A push mounts them from another repository of the same registry,
 * so those that the archive names are asked as well.
 *
 * @example Whether an archive can be pushed
 * ```ts
 * import { findAbsent, openArchive } from "@tarpush/tarpush";
 *
 * async function canBePushed(tar: Blob, registry: string): Promise<boolean> {
 *   return (await findAbsent(await openArchive(tar), registry)).length === 0;
 * }
 * ```
 *
 * @param archive What an archive leaves out, from `openArchive` or `checkArchive`.
 * @param target `HOST[:PORT]/REPOSITORY` for all images, or `HOST[:PORT]` or a prefix that ends in `/`, below which each has
 * its own name.
 * @param options Settings of the requests, and a signal.
 * @returns The blobs that are in none of the repositories.
 * @throws {SyntaxError} If the target does not parse.
 * @throws {TypeError} If it names one image.
 * @throws {OciError} If the registry does not answer.
 */
export async function findAbsent(
  { leftOut = [] }: { leftOut?: readonly NeededBlob[] },
  target: string,
  options: RequestOptions & { signal?: AbortSignal } = {},
): Promise<AbsentBlob[]> {
  const resolved = resolveRequestOptions(options);
  const parsed = parseTarget(target);
  if (parsed.kind === "reference") {
    const action = `look for what an archive leaves out in ${formatReference(parsed.reference)}`;
    requireRepository(parsed.reference, action, "HOST or HOST/REPOSITORY");
  }
  const { registry, ...forced } = parsed.kind === "place" ? parsed.place : parsed.reference;
  const http = httpFor(registryOrigin({ registry, ...forced }, resolved.plainHttp), resolved);
  const missing = await mapAll(leftOut, CONCURRENCY, async (blob, signal) => {
    const isIn = async (repository: string) =>
      fitsSize(await headBlob({ http, repository }, blob.digest, { signal }), blob.size);
    const needed = neededIn(blob, parsed);
    const absent: [repository: string, images: string[]][] = [];
    for (const each of needed) if (!await isIn(each[0])) absent.push(each);
    // What one repository of the registry has is mounted into the others.
    if (absent.length < needed.size || absent.length === 0) return [];
    const prefixes = new Set(["", parsed.kind === "place" ? parsed.place.prefix : ""]);
    for (const repository of new Set(mayHave(blob, prefixes))) {
      if (needed.has(repository)) continue;
      const found = await headBlobElsewhere({ http, repository }, blob.digest, { signal });
      if (fitsSize(found, blob.size)) return [];
    }
    const { digest, size } = blob;
    return absent.map(([repository, images]) => (
      { digest, size, repository: formatReference({ registry, repository }), images }
    ));
  }, options.signal);
  return missing.flat();
}

/** The repositories that need a blob, each with its images; what has no name of its own has no place there. */
function neededIn({ images }: NeededBlob, target: Target): Map<string, string[]> {
  const needed = new Map<string, string[]>();
  for (const image of images) {
    const repository = target.kind === "reference"
      ? target.reference.repository
      : ownRepository(image, target.place.prefix);
    if (repository === undefined) continue;
    needed.set(repository, [...needed.get(repository) ?? [], image]);
  }
  return needed;
}

function ownRepository(image: string, prefix: string): string | undefined {
  const name = parseImageName(image);
  return name && `${prefix}${name.repository}`;
}
