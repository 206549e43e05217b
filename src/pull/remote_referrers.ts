import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type IndexNode, type ManifestNode, walk } from "../image/content.ts";
import { nameOf, type RepositoryContext } from "../registry/blobs.ts";
import { listReferrers } from "../registry/listing.ts";
import { isAbsence } from "../registry/manifests.ts";
import { readRemoteContent } from "./remote_content.ts";
import type { RemoteReadOptions } from "./remote_file.ts";

/** How referrers are read. */
export interface ReferrersOptions extends RemoteReadOptions {
  /** Told of an entry of a list that cannot be used. */
  warn(message: string): Promise<void>;
}

/** Referrers of one image, those of referrers included: their manifests are held, and a list is the registry's word. */
const MAX_REFERRERS = 1000;

/**
 * Reads what refers to a manifest and to what stands below it: signatures, attestations, SBOMs; then what refers to
 * that, and so on. A registry without the referrers API is asked for the tag that clients keep in its place.
 *
 * @param context The repository.
 * @param root The manifest or index.
 * @param options Signal and listeners.
 * @yields Manifests and indexes, each once, after what they refer to; not those that stand below `root`.
 * @throws {OciError} If there are too many.
 */
export async function* readReferrers(
  context: RepositoryContext,
  root: ManifestNode | IndexNode,
  options: ReferrersOptions,
): AsyncGenerator<ManifestNode | IndexNode, void, void> {
  const subjects = new Set(walk(root).map(({ digest }) => digest));
  const seen = new Set(subjects);
  const { signal, onRetry } = options;
  let count = 0;
  // What is added to a set while it is gone through comes at its end.
  for (const subject of subjects) {
    const list = listReferrers(context, subject, undefined, { signal, onRetry });
    for await (const { digest } of list) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      if (++count > MAX_REFERRERS) {
        throw new OciError(
          `Cannot read the referrers of ${root.digest} in ${
            nameOf(context)
          }: there are more than ${MAX_REFERRERS}`,
        );
      }
      const referrer = await readReferrer(context, subject, digest, options);
      if (!referrer) continue;
      for (const below of walk(referrer)) {
        seen.add(below.digest);
        subjects.add(below.digest);
      }
      yield referrer;
    }
  }
}

async function readReferrer(
  context: RepositoryContext,
  subject: Digest,
  digest: Digest,
  options: ReferrersOptions,
): Promise<ManifestNode | IndexNode | undefined> {
  const skip = (problem: string) =>
    options.warn(
      `the list of referrers of ${subject} in ${nameOf(context)} names ${digest}, ${problem}`,
    );
  try {
    const node = await readRemoteContent(context, digest, options);
    if (node.subject?.digest === subject) return node;
    await skip("which refers to something else and is left out");
  } catch (error) {
    if (!isAbsence(error, digest)) throw error;
    await skip("which the repository does not have");
  }
}
