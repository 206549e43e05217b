import { sniffCompression } from "../codec/magic.ts";
import type { Digest } from "../digest.ts";
import { type DocumentNode, isArtifact, walk } from "../image/content.ts";
import { isEncryptedType, isLayerType, isUnpacked } from "../image/layer_type.ts";

/**
 * Says which layers containerd cannot unpack, because their media types contradict their bytes. They are pushed all the
 * same: the manifest is the archive's own, and stays as it is.
 *
 * @param told Layers that were told of already; it grows.
 * @returns What to say, a sentence for all layers of one kind.
 */
export async function warnOfLayers(
  node: DocumentNode,
  told: Set<Digest>,
): Promise<string[]> {
  const layers = new Map<string, Digest[]>();
  for (const manifest of walk(node)) {
    // oras types any file of an artifact as a tar, and nobody unpacks those.
    if (manifest.kind === "index" || isArtifact(manifest)) continue;
    for (const { digest, file, mediaType } of manifest.layers) {
      if (!digest || !file || told.has(digest)) continue;
      if (!isLayerType(mediaType) || isEncryptedType(mediaType)) continue;
      const compression = sniffCompression(await file.peek());
      if (isUnpacked(mediaType, compression)) continue;
      told.add(digest);
      const state = `compressed with ${compression} and of type ${mediaType}`;
      layers.set(state, [...layers.get(state) ?? [], digest]);
    }
  }
  return [...layers].map(([state, [first, ...others]]) =>
    others.length === 0
      ? `layer ${first} is ${state}: it is pushed as it is, and containerd cannot unpack it`
      : `${
        others.length + 1
      } layers, the first ${first}, are ${state}: they are pushed as they are, ` +
        "and containerd cannot unpack them"
  );
}
