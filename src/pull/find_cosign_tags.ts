import { mapAll } from "../concurrency.ts";
import { COSIGN_KINDS, type CosignKind, cosignTag } from "../cosign_tags.ts";
import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type ReadHooks, type RepositoryContext, withoutRetry } from "../registry/blobs.ts";
import { listTags } from "../registry/listing.ts";
import { headManifest } from "../registry/manifests.ts";

/** A tag under which cosign keeps something of a manifest. */
export interface CosignTag {
  tag: string;
  subject: Digest;
  kind: CosignKind;
}

/** Up to so many manifests are asked for tag by tag: that is as fast as one list, however long the list. */
const FEW_SUBJECTS = 2;
/** A list of fewer tags is taken to be whole; registries cut longer ones, and not all say so. */
const SHORT_LIST = 100;
/** Tags asked for at the same time. */
const CONCURRENCY = 6;

/**
 * Finds the tags that cosign keeps for manifests, up to version 2 for all that it signs: signatures, attestations and
 * SBOMs. A repository with few tags is asked for their list, any other for three tags a manifest.
 *
 * @returns The tags that are there, in the order of the manifests.
 */
export async function findCosignTags(
  context: RepositoryContext,
  subjects: readonly Digest[],
  hooks: ReadHooks = {},
): Promise<CosignTag[]> {
  const wanted = subjects.flatMap((subject) =>
    COSIGN_KINDS.flatMap((kind) => {
      const tag = cosignTag(subject, kind);
      return tag === undefined ? [] : [{ tag, subject, kind }];
    })
  );
  const listed = subjects.length > FEW_SUBJECTS ? await readShortList(context, hooks) : undefined;
  if (listed) return wanted.filter(({ tag }) => listed.has(tag));
  const found = await mapAll(
    wanted,
    CONCURRENCY,
    ({ tag }, signal) => headManifest(context, tag, { ...hooks, signal }),
    hooks.signal,
  );
  return wanted.filter((_, at) => found[at]);
}

/** The tags of a repository that has few; undefined where there are many, or no list. */
async function readShortList(
  context: RepositoryContext,
  hooks: ReadHooks,
): Promise<ReadonlySet<string> | undefined> {
  const tags = new Set<string>();
  try {
    const once = { ...context, http: withoutRetry(context.http) };
    for await (const tag of listTags(once, { pageSize: SHORT_LIST, ...hooks })) {
      if (tags.add(tag).size >= SHORT_LIST) return undefined;
    }
  } catch (error) {
    // A registry may have no list, or hide it: each tag tells as well.
    if (error instanceof OciError) return undefined;
    throw error;
  }
  return tags;
}
