import type { LayerCompression } from "../../codec/magic.ts";
import { type Digest, isDigest } from "../../digest.ts";
import { goMember } from "../../go_json.ts";
import { compressionOfType } from "../../image/layer_type.ts";
import { type Descriptor, isJsonObject } from "../../media_types.ts";
import {
  fitsSize,
  headBlob,
  type ReadHooks,
  type RepositoryContext,
  type UploadHooks,
} from "../../registry/blobs.ts";
import type { ImageInfo } from "../../registry/image.ts";
import { rememberBlob, type RepositoryState } from "../repository_state.ts";

/** What layers are compressed, by the digests that they have when they are not. */
export type KnownLayers = ReadonlyMap<Digest, Descriptor>;

/**
 * Reads what the layers of an image that stands in a repository are when they are not compressed: its config names them
 * in the same order. An earlier push of the same layers needs not be repeated then.
 *
 * @param reference Tag or digest of the image, or of an index of some.
 * @param kind How layers have to be compressed.
 * @returns Undefined where there is no image, or it cannot be read.
 */
export async function readKnownLayers(
  context: RepositoryContext,
  reference: string,
  kind: LayerCompression,
  hooks: ReadHooks,
): Promise<KnownLayers | undefined> {
  const { readImage } = await import("../../registry/image.ts");
  try {
    const known = new Map<Digest, Descriptor>();
    const unclear = new Set<Digest>();
    collect(await readImage(context, reference, hooks), kind, known, unclear);
    // The archive may have one of them itself: it cannot be told which of them the push before has made.
    for (const diffId of unclear) known.delete(diffId);
    return known;
  } catch {
    hooks.signal?.throwIfAborted();
    // Most of the time it is not there. Whatever else is wrong, such as a page that may not hash what it reads, it is
    // only of no help: the push itself will tell.
    return undefined;
  }
}

/** Whether a repository still has what a layer became. */
export async function hasKnown(
  target: RepositoryState,
  { digest, size }: Descriptor,
  hooks: UploadHooks,
): Promise<boolean> {
  if (target.blobs.has(digest)) return true;
  if (!fitsSize(await headBlob(target, digest, hooks), size)) return false;
  rememberBlob(target, digest, "exists");
  return true;
}

/** Notes what layers are compressed, and of which there are several such layers. */
function collect(
  info: ImageInfo,
  kind: LayerCompression,
  known: Map<Digest, Descriptor>,
  unclear: Set<Digest>,
): void {
  for (const { image } of info.entries) if (image) collect(image, kind, known, unclear);
  const rootfs = info.config && goMember(info.config, "rootfs");
  const diffIds = isJsonObject(rootfs) ? goMember(rootfs, "diff_ids") : undefined;
  if (!Array.isArray(diffIds) || diffIds.length !== info.layers.length) return;
  for (const [at, layer] of info.layers.entries()) {
    const diffId: unknown = diffIds[at];
    // Some call a plain tar compressed.
    const isCompressed = layer.digest !== diffId && compressionOfType(layer.mediaType) === kind;
    if (!isDigest(diffId) || !isCompressed) continue;
    const other = known.get(diffId);
    if (other && other.digest !== layer.digest) unclear.add(diffId);
    known.set(diffId, layer);
  }
}
