import { runAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { OciError, RegistryError, restate } from "../errors.ts";
import { type DocumentNode, type ManifestNode, walk } from "../image/content.ts";
import { isForeignLayer } from "../media_types.ts";
import { referrersTag } from "../reference.ts";
import { withoutRetry } from "../registry/blobs.ts";
import { headManifest, putManifest } from "../registry/manifests.ts";
import type { RepositoryState } from "./repository_state.ts";
import { hooksFor, type PushSettings, type UploadSettings } from "./upload_settings.ts";

/**
 * Puts a manifest into a repository under its digest, unless it is there. A registry is asked only where all that the
 * manifest names was there before: else it cannot be.
 *
 * @param target The repository; it has all that the manifest names.
 */
export async function placeManifest(
  target: RepositoryState,
  node: DocumentNode,
  settings: PushSettings,
): Promise<void> {
  if (await findManifest(target, node, settings)) return;
  await writeNew(target, node, settings);
}

/** Puts all that stands below an index into a repository; several are asked for at once. */
export async function placeBelow(
  target: RepositoryState,
  root: DocumentNode,
  settings: PushSettings,
): Promise<void> {
  if (root.kind !== "index") return;
  const below = walk(root).filter((node) => node !== root);
  const manifests = below.filter(({ kind }) => kind === "manifest");
  const found = new Set<DocumentNode>();
  await runAll(manifests, settings.concurrency, async (node, signal) => {
    if (await findManifest(target, node, { ...settings, signal })) found.add(node);
  }, settings.signal);
  for (const node of below) {
    if (node.kind === "index") await placeManifest(target, node, settings);
    else if (!found.has(node)) await writeNew(target, node, settings);
  }
}

/** Whether a repository has a manifest, as far as this push knows or may find out. */
async function findManifest(
  target: RepositoryState,
  node: DocumentNode,
  settings: PushSettings,
): Promise<boolean> {
  const { digest, subject } = node;
  if (target.manifests.has(digest)) return true;
  if (settings.force) return false;
  if (!hadAllOf(target, node)) return false;
  // Whether it was listed as well is told when it is written, unless all of this was complete once.
  if (subject && !settings.isStanding) return false;
  if (!await hasManifest(target, node, settings)) return false;
  if (subject && !await isListed(target, node, settings)) return false;
  target.manifests.set(digest, "exists");
  return true;
}

async function writeNew(
  target: RepositoryState,
  node: DocumentNode,
  settings: UploadSettings,
): Promise<void> {
  const { digest, subject } = node;
  try {
    await writeManifest(target, node, digest, settings);
  } catch (error) {
    const { mayHaveKept } = await import("./refusals.ts");
    if (!mayHaveKept(error) || !await hasManifest(target, node, settings)) throw error;
    await readBackDoubted(target, digest, settings);
    // What is written once may not be written again, not even the same.
    target.manifests.set(digest, "exists");
    if (subject && !await isListed(target, node, settings)) {
      target.unlisted.push({ ...node, subject });
    }
  }
}

/** Writes a manifest under a tag or its digest, whatever is there; a dry run only tells that it would. */
export async function writeManifest(
  target: RepositoryState,
  node: DocumentNode,
  reference: string,
  settings: UploadSettings,
): Promise<void> {
  const { digest, mediaType, subject } = node;
  const isKnown = target.manifests.has(digest);
  if (!settings.dryRun) {
    const answer = await putManifest(target, reference, node, hooksFor(settings));
    if (reference === digest) await readBackDoubted(target, digest, settings);
    if (subject && !isKnown && !await keepsList(target, subject.digest, answer, settings)) {
      target.unlisted.push({ ...node, subject });
    }
  }
  settings.onWritten();
  if (isKnown) return;
  target.manifests.set(digest, "pushed");
  await settings.emit({ type: "manifest", digest, mediaType });
}

/** Whether the registry has put a manifest into the list of what refers to its subject. */
async function keepsList(
  target: RepositoryState,
  subject: Digest,
  answer: Headers,
  settings: UploadSettings,
): Promise<boolean> {
  if (!answer.has("oci-subject")) return false;
  const { hasReferrersList } = await import("../registry/listing.ts");
  return await hasReferrersList(target, subject, hooksFor(settings));
}

/** Reads a manifest back where what is said to be there may be damaged. */
async function readBackDoubted(
  target: RepositoryState,
  digest: Digest,
  settings: UploadSettings,
): Promise<void> {
  if (!settings.force && !target.untold.has(digest)) return;
  const { readBackManifest } = await import("./read_back.ts");
  await readBackManifest(target, digest, hooksFor(settings));
}

/** Whether a repository had all that a manifest names when this push came to it, so that it may have that as well. */
function hadAllOf(target: RepositoryState, node: DocumentNode): boolean {
  if (target.doubts) return false;
  if (node.kind === "manifest") {
    const blobs = node.config ? [node.config, ...node.layers] : node.layers;
    return blobs.every((blob) => hadBlob(target, blob));
  }
  return node.entries.every(({ descriptor, blob, node }) =>
    // What the archive lacks was found in the repository, or may be absent by right.
    blob ? hadBlob(target, blob) : !node || target.manifests.get(descriptor.digest) === "exists"
  );
}

function hadBlob(
  { blobs }: RepositoryState,
  { digest, mediaType }: NonNullable<ManifestNode["config"]>,
): boolean {
  const status = digest && blobs.get(digest);
  return status === "exists" || (status === undefined && isForeignLayer(mediaType));
}

async function hasManifest(
  target: RepositoryState,
  { digest }: DocumentNode,
  settings: UploadSettings,
): Promise<boolean> {
  try {
    const once = { ...target, http: withoutRetry(target.http) };
    const found = await headManifest(once, digest, hooksFor(settings));
    return found !== undefined && (found.digest ?? digest) === digest;
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    // Whatever is wrong with the question, writing will tell, or reading what was written: distribution takes a manifest
    // whose file is damaged, and keeps that.
    if (error instanceof RegistryError && error.status >= 500) target.untold.add(digest);
    return false;
  }
}

/** Whether a manifest is in the list of what refers to its subject, the registry's own or the one under a tag. */
async function isListed(
  target: RepositoryState,
  { digest, subject }: DocumentNode,
  settings: UploadSettings,
): Promise<boolean> {
  if (!subject) return true;
  const { listReferrers } = await import("../registry/listing.ts");
  try {
    const list = listReferrers(target, subject.digest, hooksFor(settings));
    for await (const entry of list) if (entry.digest === digest) return true;
  } catch (error) {
    // A list that cannot be read is made anew, and goes wrong there.
    if (!(error instanceof OciError)) throw error;
  }
  return false;
}

/** Lists what refers to other manifests under their referrers tags, where the registry has no list of its own. */
export async function listUnlisted(
  target: RepositoryState,
  settings: UploadSettings,
): Promise<void> {
  if (target.unlisted.length === 0) return;
  const { repository, registry: { sharing } } = target;
  const list = () => listEach(target, settings);
  // A list is read and written anew: what two archives add at once, one of them would take out again.
  const plan = () => ({ key: `referrers ${repository}` });
  await (sharing ? sharing.alone(settings.signal, plan, list) : list());
}

async function listEach(target: RepositoryState, settings: UploadSettings): Promise<void> {
  const { keepReferrersTag } = await import("../registry/referrers_tag.ts");
  const { answerOf, refusesChange } = await import("./refusals.ts");
  for (const referrer of target.unlisted.splice(0)) {
    try {
      await keepReferrersTag(target, referrer, hooksFor(settings));
    } catch (error) {
      if (!(error instanceof RegistryError && refusesChange(error))) throw error;
      const { digest, subject } = referrer;
      throw restate(
        error,
        `Cannot list ${digest} with what refers to ${subject.digest}: the list stands under the tag ` +
          `${referrersTag(subject.digest)}, which the registry does not let change: ${
            answerOf(error)
          }`,
      );
    }
  }
}
