import type { Digest } from "../digest.ts";
import { DOCKER_MANIFEST } from "../media_types.ts";
import type { ArchiveBlob, DockerNode, ManifestNode } from "./content.ts";
import { encodeDocument, type ManifestKind, toKind } from "./retype.ts";

/** Whether an image can only be said in OCI's types. */
export function needsOci({ layers }: DockerNode | ManifestNode): boolean {
  return layers.some(({ mediaType }) => mediaType.endsWith("+zstd"));
}

/** The type of manifest that {@linkcode buildManifest} writes where no kind is asked for. */
export function manifestType(node: DockerNode): string {
  return toKind(DOCKER_MANIFEST, usualKind(node));
}

/** Gives config and layers of an image the types that it is usually written with. */
export function useUsualTypes(node: DockerNode): void {
  const kind = usualKind(node);
  for (const blob of [node.config, ...node.layers]) blob.mediaType = toKind(blob.mediaType, kind);
}

/**
 * Writes the manifest of a docker image; `retype()` gives it another kind.
 *
 * @returns The manifest, in Docker's types, or in OCI's where a layer is zstd, which Docker's cannot say.
 */
export async function buildManifest(
  node: DockerNode,
  digests: readonly Digest[],
): Promise<ManifestNode> {
  const { config } = node;
  const mediaType = manifestType(node);
  const layers = node.layers.map((layer, index) => {
    const digest = digests[index];
    if (!digest) throw new RangeError(`Cannot write a manifest: layer ${index} has no digest`);
    return { ...layer, digest };
  });
  const json = {
    schemaVersion: 2,
    mediaType,
    config: describe(config),
    layers: layers.map(describe),
  };
  return { kind: "manifest", mediaType, config, layers, ...await encodeDocument(json) };
}

/** The manifest of a docker image as {@linkcode buildManifest} writes it; undefined where only reading tells a layer's digest. */
export async function knownManifest(node: DockerNode): Promise<ManifestNode | undefined> {
  const digests = node.layers.map(({ digest }) => digest).filter((digest) => digest !== undefined);
  return digests.length < node.layers.length ? undefined : await buildManifest(node, digests);
}

function usualKind(node: DockerNode): ManifestKind {
  return needsOci(node) ? "oci" : "docker";
}

function describe({ mediaType, size, digest }: ArchiveBlob & { digest: Digest }) {
  return { mediaType, size, digest };
}
