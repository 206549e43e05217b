import { runAll } from "../../concurrency.ts";
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
} from "../../image/content.ts";
import { buildManifest } from "../../image/docker_manifest.ts";
import { isForeignLayer } from "../../media_types.ts";
import { putManifest } from "../../registry/manifests.ts";
import type { RepositoryState, UploadedBlob } from "../repository_state.ts";
import { hooksFor, type UploadSettings } from "../upload_settings.ts";
import { lookAhead } from "./look_ahead.ts";
import { pushBlob } from "./place_blob.ts";
import { hashBlob } from "./read.ts";

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
  const { keepReferrersTag } = await import("../../registry/referrers_tag.ts");
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
