import { runAll } from "../../concurrency.ts";
import {
  type ArchiveBlob,
  blobsOf,
  type ContentNode,
  type DockerNode,
  type DocumentNode,
  type ManifestNode,
  manifestsOf,
  mismatch,
} from "../../image/content.ts";
import { buildManifest } from "../../image/docker_manifest.ts";
import { isForeignLayer } from "../../media_types.ts";
import { otherHolder, type RepositoryState, type UploadedBlob } from "../repository_state.ts";
import type { UploadSettings } from "../upload_settings.ts";
import { type Ahead, GUESS_ABSENT, lookAhead } from "./look_ahead.ts";
import { pushBlob } from "./place_blob.ts";

/**
 * Puts the blobs of a node into a repository. Its manifests are left to the caller: writing these is what makes a tag.
 *
 * @returns The manifest to write, and how each blob came to be there.
 */
export async function uploadContent(
  target: RepositoryState,
  node: ContentNode,
  settings: UploadSettings,
): Promise<{ root: DocumentNode; blobs: UploadedBlob[] }> {
  const blobs = blobsOf(node).filter(({ file, mediaType }) => file || !isForeignLayer(mediaType));
  const done = new Map<ArchiveBlob, UploadedBlob>();
  const place = async (blobs: readonly ArchiveBlob[], ahead: Ahead) => {
    await runAll(blobs, settings.concurrency, async (blob, signal) => {
      done.set(blob, await pushBlob(target, blob, { ...settings, signal }, ahead));
    }, settings.signal);
  };
  // The largest first: begun last, it would go on alone when the others are through.
  const { own, held } = partHeld(target, blobs.toSorted((a, b) => b.size - a.size));
  // What is sent in any case needs no question.
  const asked = settings.force ? own.filter(({ file }) => !file) : own;
  await using ahead = lookAhead(target, asked, settings);
  await place(own, ahead);
  if (held.length > 0) {
    const isAbsent = own.some((blob) => done.get(blob)?.status !== "exists");
    await using further = isAbsent && !settings.dryRun
      ? GUESS_ABSENT
      : lookAhead(target, held, settings);
    await place(held, further);
  }
  const uploaded = blobs.map((blob) => done.get(blob)).filter((blob) => blob !== undefined);
  const root = node.kind === "docker" ? await manifestOf(node, blobs, done) : node;
  return { root, blobs: uploaded };
}

/**
 * Parts what other repositories of the registry are known to have from the rest. A repository that lacks any of the rest does
 * not have the image: what others have is mounted then, without a question for each.
 */
function partHeld(target: RepositoryState, blobs: readonly ArchiveBlob[]) {
  const isHeld = ({ digest }: ArchiveBlob) =>
    digest !== undefined && !target.blobs.has(digest) && otherHolder(target, digest) !== undefined;
  if (!target.registry.sharing) return { own: blobs, held: [] };
  return { own: blobs.filter((blob) => !isHeld(blob)), held: blobs.filter(isHeld) };
}

/**
 * Computes the digests that no name tells, so that the manifest of a docker image is known before anything is sent.
 *
 * @param node The image; its blobs get their digests.
 */
export async function settleDigests(node: ContentNode, settings: UploadSettings): Promise<void> {
  const unknown = blobsOf(node).filter(({ file, digest }) =>
    // What comes in one pass was hashed while it passed.
    file && (!digest || (settings.verify && file.body))
  );
  if (unknown.length === 0) return;
  const { hashBlob } = await import("../../archive/read_blob.ts");
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
