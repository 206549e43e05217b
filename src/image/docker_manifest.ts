import { type Digest, digestBytes } from "../digest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../media_types.ts";
import type { ArchiveBlob, DockerNode, ManifestNode } from "./content.ts";

/** Whose media types a manifest has: those of Docker's schema 2, or those of OCI. */
export type ManifestKind = "docker" | "oci";

/** What Docker and OCI call the same thing. zstd is OCI's alone: docker has no type for it that registries know. */
const TYPES: readonly Readonly<Record<ManifestKind, string>>[] = [
  { docker: DOCKER_MANIFEST, oci: OCI_MANIFEST },
  { docker: DOCKER_INDEX, oci: OCI_INDEX },
  { docker: DOCKER_CONFIG, oci: OCI_CONFIG },
  { docker: DOCKER_LAYER, oci: OCI_LAYER },
  { docker: `${DOCKER_LAYER}.gzip`, oci: `${OCI_LAYER}+gzip` },
];

/** The kind that a media type belongs to. */
export function kindOfType(mediaType: string): ManifestKind {
  return mediaType.startsWith("application/vnd.docker.") ? "docker" : "oci";
}

/** Whether an image can only be said in OCI's types. */
export function needsOci(node: DockerNode): boolean {
  return node.layers.some(({ mediaType }) => mediaType.endsWith("+zstd"));
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
 * Writes the manifest of a docker image.
 *
 * @param node The image.
 * @param digests Digest of each layer, in order.
 * @param kind Whose media types it has; if not given, Docker's, or OCI's where a layer is zstd, which Docker's cannot say.
 * @returns The manifest.
 */
export async function buildManifest(
  node: DockerNode,
  digests: readonly Digest[],
  kind: ManifestKind = usualKind(node),
): Promise<ManifestNode> {
  const mediaType = toKind(DOCKER_MANIFEST, kind);
  const config = { ...node.config, mediaType: toKind(node.config.mediaType, kind) };
  const layers = node.layers.map((layer, index) => {
    const digest = digests[index];
    if (!digest) throw new RangeError(`Cannot write a manifest: layer ${index} has no digest`);
    return { ...layer, digest, mediaType: toKind(layer.mediaType, kind) };
  });
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: describe(config),
    layers: layers.map(describe),
  }));
  return { kind: "manifest", digest: await digestBytes(bytes), mediaType, bytes, config, layers };
}

function usualKind(node: DockerNode): ManifestKind {
  return needsOci(node) ? "oci" : "docker";
}

/** What the other kind calls it; a type that only one of them has stays as it is. */
function toKind(mediaType: string, kind: ManifestKind): string {
  const known = TYPES.find(({ docker, oci }) => docker === mediaType || oci === mediaType);
  return known?.[kind] ?? mediaType;
}

function describe({ mediaType, size, digest }: ArchiveBlob & { digest: Digest }) {
  return { mediaType, size, digest };
}
